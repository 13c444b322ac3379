/**
 * Write a connector or a sink for on the way.
 *
 * @packageDocumentation
 */
export { characters } from './characters.ts';
export { checkpoint, isCheckpoint } from './checkpoint.ts';
export type { Checkpoint } from './checkpoint.ts';
export { defineConnector } from './connector.ts';
export type {
  Connector,
  ConnectorDefinition,
  ConnectorRecord,
  CursorContext,
  CursorDatasetDefinition,
  CursorRecord,
  CursorRequest,
  DatasetDefinition,
  DatasetInfo,
  FetchContext,
  FetchRequest,
  Granularity,
  LoginContext,
  Prompt,
  RecordedAnswer,
  SignIn,
  Tokens,
} from './connector.ts';
export { ConnectorError, connectorErrorCodes } from './errors.ts';
export type { ConnectorErrorCode, ConnectorErrorOptions } from './errors.ts';
export { errorOfStatus, fetchJson, parseRetryAfter } from './fetch-json.ts';
export type { FetchJsonOptions } from './fetch-json.ts';
export type {
  IngestContract,
  IngestContracts,
  IngestEvent,
  IngestProblem,
  IngestProblemCode,
  IngestRules,
} from './ingest.ts';
export { parseInstant } from './instant.ts';
export type { Instant } from './instant.ts';
export { isRawJson, rawJson } from './json.ts';
export type { JsonValue, RawJson } from './json.ts';
export type { Log } from './log.ts';
export { secret, secretsOf } from './secret.ts';
export { defineSink } from './sink.ts';
export type {
  RawEvent,
  RequestAudit,
  Sink,
  SinkDefinition,
  SinkOpenContext,
  SinkWriter,
  WriteResult,
  WrittenRow,
} from './sink.ts';
export {
  addDays,
  countDays,
  dayAt,
  daysOf,
  formatInstant,
  formatStartOfDay,
  inWindow,
  isDay,
  spansOf,
  splitWindow,
  startOfDay,
} from './windows.ts';
export type { Day, Window } from './windows.ts';
