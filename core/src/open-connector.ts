import {
  ConnectorError,
  type Connector,
  type DatasetInfo,
  type Day,
  type Log,
  type Prompt,
  type RecordedAnswer,
  type SignIn,
  type Tokens,
} from '@on-the-way/sdk';
import { callPlugin, PluginBug } from './call-plugin.ts';
import { accountRefOf } from './digest.ts';
import type { EnvelopeIdentity } from './envelope.ts';
import { checkDatasetName, fetchSince, fetchWindow } from './fetch-events.ts';
import type { Clock, OpenConnector } from './ports.ts';
import type { RequestMeter } from './request-meter.ts';
import { storableText } from './storable-text.ts';

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

function storableMarks(marks: Readonly<Record<Day, string>>): Readonly<Record<Day, string>> {
  // What is no text is refused by whoever asked.
  const storable = (mark: string): string => (typeof mark === 'string' ? storableText(mark) : mark);
  return Object.fromEntries(Object.entries(marks).map(([day, mark]) => [day, storable(mark)]));
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
  for (const { name } of datasets) checkDatasetName(name);
  const cursors = new Set(datasets.flatMap(({ name, granularity: is }) => (is === 'cursor' ? [name] : [])));
  const fetching = { connector, session, identity, clock: options.clock, log };
  return {
    accountRef: identity.accountRef,
    datasets,
    version: identity.version,
    fetch: (slice, signal) =>
      cursors.has(slice.dataset) ? fetchSince(fetching, slice, signal) : fetchWindow(fetching, slice, signal),
    check: (signal) => callsOf(options, signal)('check', () => connector.check?.({ session, signal })),
    lastChange: (signal) =>
      callsOf(options, signal)('lastChange', async () => {
        const change = await connector.lastChange?.({ session, signal });
        return typeof change === 'string' ? storableText(change) : change;
      }),
    dayMarks: (window, signal) =>
      callsOf(options, signal)('dayMarks', async () =>
        storableMarks((await connector.dayMarks?.({ session, window, signal })) ?? {}),
      ),
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
