/**
 * Who gives a value of a type to whom, by the type's name, for the comparison of the SDK with the one before. Types that are
 * not listed are both: authors write them and read them, so that they may change in neither direction.
 */
export const roles: Readonly<Record<string, 'given' | 'taken'>> = {
  // Given to authors: there may be more in them, and never less.
  ...all('given', [
    'Connector',
    'CursorContext',
    'CursorRequest',
    'DatasetInfo',
    'FetchContext',
    'FetchRequest',
    'IngestEvent',
    'IngestRules',
    'Instant',
    'Log',
    'LoginContext',
    'RawEvent',
    'Sink',
    'SinkOpenContext',
    'Tokens',
    'CheckResult',
    'Report',
    'HostRun',
    'HostRunRequest',
    'SuiteHost',
    'TestRequest',
    'TestServer',
  ]),
  // Taken from authors: less may be asked of them, and never more.
  ...all('taken', [
    'ConnectorDefinition',
    'ConnectorErrorOptions',
    'ConnectorRecord',
    'CursorDatasetDefinition',
    'CursorRecord',
    'DatasetDefinition',
    'IngestContract',
    'IngestContracts',
    'IngestProblem',
    'RecordedAnswer',
    'RequestAudit',
    'SinkDefinition',
    'SinkWriter',
    'WriteResult',
    'WrittenRow',
    'ConnectorSubject',
    'Handler',
    'LargeSource',
    'OpenSource',
    'OpenTarget',
    'RegisterTest',
    'Reply',
    'SinkSubject',
    'StoredEvent',
    'Subject',
  ]),
};

function all<Role>(role: Role, names: readonly string[]): Record<string, Role> {
  return Object.fromEntries(names.map((name) => [name, role]));
}
