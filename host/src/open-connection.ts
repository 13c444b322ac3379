import { createRequestMeter, openConnector, type Clock, type OpenConnector } from '@on-the-way/core';
import type { Log, Prompt, RecordedAnswer, SignIn } from '@on-the-way/sdk';
import type { ConnectionConfig } from './config/host-config.ts';
import type { ConnectorPool } from './isolate/connector-pool.ts';
import { loadPlugin } from './isolate/load-plugin.ts';
import { openInProcess } from './isolate/process-connector.ts';
import { resolvePlugin } from './isolate/resolve-plugin.ts';
import type { HostLog } from './log.ts';
import type { PluginNames } from './plugin-names.ts';
import { checkSdk } from './plugin-sdk.ts';
import type { Redactor } from './redact.ts';
import type { Fence } from './storage/fence.ts';
import { createSessionTokens, type SessionTokens } from './storage/session-tokens.ts';
import type { SessionStore } from './storage/session-store.ts';
import type { SignInPauses } from './storage/sign-in-pauses.ts';

function pluginLog(log: HostLog): Log {
  return {
    debug: (message, fields) => log.debug({ ...fields }, message),
    info: (message, fields) => log.info({ ...fields }, message),
    warn: (message, fields) => log.warn({ ...fields }, message),
  };
}

/** What opening needs of the host. */
export interface OpenParts {
  readonly baseDir: string;
  /** Absent: `plugins` in baseDir. */
  readonly pluginsDir?: string;
  /** Keeps two connectors of one name apart. */
  readonly names: PluginNames;
  /** Never readable for a connector. */
  readonly dataDir: string;
  readonly databaseUrl: string;
  readonly databaseTimeZone: string;
  readonly sessions: SessionStore;
  readonly signInPauses: SignInPauses;
  /** Where the processes of connectors come from. */
  readonly pool: ConnectorPool;
  readonly clock: Clock;
  readonly log: HostLog;
  readonly redactor: Redactor;
}

/** How a connector is opened this time. */
export interface OpenRequest {
  /** Present when a person is there to answer. */
  readonly prompt?: Prompt;
  /** Run the connector within this process, for debugging a plugin. */
  readonly inProcess?: boolean;
  /** Names that must be datasets of it. */
  readonly onlyDatasets?: readonly string[];
  /** A person wants to sign in anew. */
  readonly signIn?: SignIn;
  /** Requests to the source that may still be made. */
  readonly requestBudget?: number;
  /** Told how many requests were made so far, also when opening fails. */
  readonly onRequests?: (made: number) => void;
  /** Of the run it is opened for: tokens are saved under it. */
  readonly fence?: Fence;
  /** Present when answers are recorded. */
  readonly record?: (answer: RecordedAnswer) => void;
}

/** A name that is no dataset of this connector is a slip of the pen, not an empty run. */
function checkDatasets(connector: OpenConnector, wanted: readonly string[] | undefined): void {
  const names = connector.datasets.map(({ name }) => name);
  const strange = wanted?.find((name) => !names.includes(name));
  if (strange === undefined) return;
  const message = `--dataset: expected names out of ${names.join(', ')}; found ${JSON.stringify(strange)}`;
  throw Object.assign(new Error(message), { code: 'usage' });
}

function tokensOf(parts: OpenParts, connection: ConnectionConfig, fence: Fence | undefined): SessionTokens {
  const { redactor, sessions, databaseUrl, databaseTimeZone, log } = parts;
  return createSessionTokens({
    connection: connection.name,
    tokenDir: connection.tokenDir,
    store: sessions,
    databaseUrl,
    timeZone: databaseTimeZone,
    ...(fence && { fence }),
    seen: (value) => redactor.addAllIn(value),
    warn: (message) => log.warn({ connection: connection.name }, message),
  });
}

/**
 * Opens a connection's connector: loads the plugin in a process of its own and logs in.
 *
 * @throws PluginError for a plugin that cannot be used; what `login` throws.
 */
export async function openConnection(
  parts: OpenParts,
  connection: ConnectionConfig,
  request: OpenRequest,
  signal: AbortSignal,
): Promise<OpenConnector> {
  const { redactor, clock } = parts;
  const { prompt, inProcess, onlyDatasets, signIn, requestBudget, onRequests, record, fence } = request;
  const plugin = resolvePlugin(connection.plugin, parts.baseDir, parts.pluginsDir);
  checkSdk(plugin);
  await parts.names.check(plugin, signal);
  const log = parts.log.child({ connection: connection.name });
  const pause = await parts.signInPauses.read(connection.name);
  const signInPausedUntil = pause?.until.getTime() ?? 0;
  const shared = {
    config: connection.config,
    timeZone: connection.timeZone,
    ...(connection.connectorVersion !== undefined && { versionOverride: connection.connectorVersion }),
    tokens: tokensOf(parts, connection, fence),
    ...(prompt && { prompt }),
    ...(signIn && { signIn }),
    ...(signInPausedUntil > clock.now() && { signInPausedUntil }),
    ...(record && { record }),
    signal,
  };
  const connector =
    inProcess === true
      ? await openConnector({
          ...shared,
          connector: await loadPlugin(plugin.url, 'connector'),
          meter: createRequestMeter(requestBudget, onRequests),
          log: pluginLog(log),
          clock,
        })
      : await openInProcess({
          ...shared,
          plugin,
          privateFolder: parts.dataDir,
          pool: parts.pool,
          fresh: connection.freshProcess === true,
          ...(connection.limits && { limits: connection.limits }),
          log,
          redactor,
          ...(requestBudget !== undefined && { requestBudget }),
          ...(onRequests && { onRequests }),
        });
  try {
    checkDatasets(connector, onlyDatasets);
  } catch (error) {
    await connector.close();
    throw error;
  }
  return connector;
}
