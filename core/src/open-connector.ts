import {
  ConnectorError,
  inWindow,
  isDay,
  type Connector,
  type ConnectorRecord,
  type DatasetInfo,
  type Log,
  type Prompt,
  type RecordedAnswer,
  type SignIn,
  type Tokens,
  type Window,
} from '@on-the-way/sdk';
import { callPlugin, callPluginEach, PluginBug } from './call-plugin.ts';
import { accountRefOf } from './digest.ts';
import { envelopeOf, type EnvelopeIdentity } from './envelope.ts';
import type { Clock, DatedEvent, OpenConnector, SliceRequest } from './ports.ts';
import type { RequestMeter } from './request-meter.ts';

/** What a connector is opened with, for one run. */
export interface OpenOptions {
  readonly connector: Connector;
  /** As configured, not yet parsed. */
  readonly config: unknown;
  readonly timeZone: string;
  /** Written as connector_version instead of the plugin's own; 1 to 32 characters. */
  readonly versionOverride?: string;
  readonly tokens: Tokens;
  readonly prompt?: Prompt;
  readonly signIn?: SignIn;
  readonly signInPausedUntil?: number;
  readonly meter: RequestMeter;
  readonly record?: (answer: RecordedAnswer) => void;
  readonly log: Log;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

// Big enough to make the way cheap, small enough that a few batches in flight stay small.
const batchEvents = 128;
const batchCharacters = 1_000_000;

/** Parses a configuration with the connector's schema; the message names the key, never the value. */
export function parsePluginConfig(plugin: Pick<Connector, 'name' | 'config'>, config: unknown): unknown {
  const result = plugin.config.safeParse(config);
  if (result.success) return result.data;
  const problems = result.error.issues.map(
    (issue) => `${issue.path.join('.') || 'config'}: ${issue.message}`,
  );
  throw new ConnectorError(
    'config',
    `Expected a valid configuration of ${plugin.name}; ${problems.join('; ')}`,
  );
}

type Call = <T>(method: string, code: () => T | Promise<T>) => Promise<T>;

/** Calls the connector's verbs, under its name, until the signal is aborted. */
function callsOf({ connector }: OpenOptions, signal: AbortSignal): Call {
  return (method, code) => callPlugin({ plugin: connector.name, method }, signal, code);
}

function logIn(options: OpenOptions, call: Call): Promise<unknown> {
  const { connector, signal, tokens, prompt, signIn, signInPausedUntil, record, meter, log } = options;
  const config = parsePluginConfig(connector, options.config);
  return call('login', () =>
    connector.login({
      config,
      tokens,
      log,
      signal,
      countRequest: () => meter.count(),
      ...(prompt && { prompt }),
      ...(signIn && { signIn }),
      ...(signInPausedUntil !== undefined && { signInPausedUntil }),
      ...(record && { record }),
    }),
  );
}

/**
 * Logs a connector in, within this process, and makes it answer for windows with wrapped events.
 * The child process of a run calls this; so does `--in-process`.
 *
 * @throws ConnectorError as `login` throws it; PluginBug for anything else that escapes the plugin.
 */
export async function openConnector(options: OpenOptions): Promise<OpenConnector> {
  const { connector, log } = options;
  const call = callsOf(options, options.signal);
  const session = await logIn(options, call);
  const account = await call('account', () => connector.account(session));
  if (typeof account !== 'string' || account.trim() === '') {
    throw new PluginBug(`Expected account of ${connector.name} to name whose data it is, got nothing`);
  }
  const datasets: readonly DatasetInfo[] = await call('listDatasets', () => connector.listDatasets(session));
  const identity: EnvelopeIdentity = {
    connector: connector.name,
    service: connector.service,
    source: connector.source,
    version: options.versionOverride ?? connector.version,
    accountRef: accountRefOf(account),
    timeZone: options.timeZone,
  };
  return {
    accountRef: identity.accountRef,
    datasets,
    version: identity.version,
    fetch: (slice, signal) => fetchEvents(options, identity, session, slice, signal),
    check: (signal) => callsOf(options, signal)('check', () => connector.check?.({ session, signal })),
    lastChange: (signal) =>
      callsOf(options, signal)('lastChange', () => connector.lastChange?.({ session, signal })),
    dayMarks: (window, signal) =>
      callsOf(options, signal)('dayMarks', () => connector.dayMarks?.({ session, window, signal }) ?? {}),
    isAlive: () => true,
    settled: async () => undefined,
    async close() {
      // The run is over and its outcome known; a plugin that cannot say goodbye changes nothing of it.
      try {
        await connector.logout?.({ session });
      } catch (error) {
        log.warn('logout failed', { error: String(error) });
      }
    },
  };
}

/** What types promise and a plugin written without them may break. */
function checkRecord(record: Partial<ConnectorRecord> | undefined, dataset: string, window: Window): void {
  const { day, method, note } = record ?? {};
  if (!isDay(day) || !inWindow(window, day)) {
    throw new PluginBug(
      `Expected fetch of ${dataset} to answer for ${window.from} up to ${window.to}, got a record of ${day}`,
    );
  }
  for (const [key, value] of Object.entries({ method, note })) {
    if (value === undefined || (typeof value === 'string' && value !== '' && value.length <= 128)) continue;
    throw new PluginBug(
      `Expected ${key} in a record of ${dataset} to be text of 1 to 128 characters, got ` +
        (typeof value === 'string' ? `${value.length} characters` : `a ${typeof value}`),
    );
  }
}

async function* fetchEvents(
  { connector, clock, log }: OpenOptions,
  identity: EnvelopeIdentity,
  session: unknown,
  { dataset, window, requestId }: SliceRequest,
  signal: AbortSignal,
): AsyncGenerator<readonly DatedEvent[]> {
  const call = { plugin: connector.name, method: 'fetch', dataset };
  let batch: DatedEvent[] = [];
  let characters = 0;
  const records = callPluginEach(call, signal, () =>
    connector.fetch({ dataset, session, window, signal, log }),
  );
  for await (const record of records) {
    checkRecord(record, dataset, window);
    const event = envelopeOf(identity, dataset, record, { at: clock.now(), requestId });
    const { day, note } = record;
    batch.push({ day, event, ...(note !== undefined && { note }) });
    characters += event.payload.length;
    if (batch.length >= batchEvents || characters >= batchCharacters) {
      yield batch;
      batch = [];
      characters = 0;
    }
  }
  if (batch.length > 0) yield batch;
}
