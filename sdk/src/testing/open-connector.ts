import { isCheckpoint, type Checkpoint } from '../checkpoint.ts';
import type { ConnectorRecord, CursorRecord, DatasetInfo, LoginContext } from '../connector.ts';
import type { JsonValue } from '../json.ts';
import type { Log } from '../log.ts';
import type { Window } from '../windows.ts';
import type { ConnectorSubject, OpenSource } from './subject.ts';
import { memoryTokens } from './tokens.ts';
import type { SourceContext } from './with-source.ts';

const silent: Log = { debug() {}, info() {}, warn() {} };

/** What a dataset is asked: the days of a window, or what came since a cursor. */
export interface Question {
  readonly dataset: string;
  readonly window?: Window;
  readonly cursor?: JsonValue | undefined;
  readonly signal?: AbortSignal;
}

/** A connector that is logged in, in this process. */
export interface OpenedConnector {
  readonly session: unknown;
  readonly datasets: readonly DatasetInfo[];
  /** What a dataset says, record by record. */
  ask(question: Question): AsyncIterable<ConnectorRecord | CursorRecord | Checkpoint>;
  /** All records, without the checkpoints. */
  read(question: Question): Promise<(ConnectorRecord | CursorRecord)[]>;
  close(): Promise<void>;
}

/** How a connector is opened, where it is not as usual. */
export interface Opening extends Partial<
  Pick<LoginContext<unknown>, 'tokens' | 'log' | 'signal' | 'countRequest'>
> {
  /** Instead of the source's own credentials. */
  readonly credentials?: Pick<OpenSource, 'config' | 'tokens'>;
}

/** What a run gives to `login`. */
function loginContext(
  { plugin }: Pick<ConnectorSubject, 'plugin'>,
  source: OpenSource,
  { credentials = source, ...given }: Opening = {},
): LoginContext<unknown> {
  return {
    config: plugin.config.parse(credentials.config),
    tokens: memoryTokens(credentials.tokens ?? {}),
    log: silent,
    signal: new AbortController().signal,
    countRequest: () => undefined,
    ...given,
  };
}

/** Logs the subject's connector in, in this process. Call `close` when done. */
export async function connectorOpened(
  subject: Pick<ConnectorSubject, 'plugin'>,
  { source }: Pick<SourceContext, 'source'>,
  opening: Opening = {},
): Promise<OpenedConnector> {
  const { plugin } = subject;
  const context = loginContext(subject, source, opening);
  const { log, signal: whole } = context;
  const session = await plugin.login(context);
  const datasets = await plugin.listDatasets(session);
  const isCursor = (name: string): boolean =>
    datasets.some((dataset) => dataset.name === name && dataset.granularity === 'cursor');
  const ask: OpenedConnector['ask'] = ({ dataset, window, cursor, signal = whole }) =>
    isCursor(dataset)
      ? plugin.fetchSince({ dataset, session, cursor, signal, log })
      : plugin.fetch({ dataset, session, window: window as Window, signal, log });
  return {
    session,
    datasets,
    ask,
    async read(question) {
      const records: (ConnectorRecord | CursorRecord)[] = [];
      for await (const said of ask(question)) if (!isCheckpoint(said)) records.push(said);
      return records;
    },
    close: async () => plugin.logout?.({ session }),
  };
}
