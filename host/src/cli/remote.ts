import { z } from 'zod';
import { ApiAway, ApiRefusal, createApiClient, type ApiClient } from '../api-client.ts';
import type { HostConfig } from '../config/host-config.ts';
import { loadConfig } from '../config/load-config.ts';
import { readEnvironment, variables } from '../config/variables.ts';
import { exitCodes, HostError } from '../host-error.ts';
import { readDataDirLock } from '../storage/data-dir-lock.ts';
import type { GlobalOptions } from './context.ts';

/** Options of commands that can go through a host's API. */
export interface RemoteOptions extends GlobalOptions {
  /** Address of the host that is to do it. */
  readonly api?: string;
}

const connectionsAnswer = z.object({
  items: z.array(
    z.object({
      name: z.string(),
      simulated: z.boolean(),
      next_run_at: z.string().nullable(),
      not_before: z.string().nullable(),
    }),
  ),
});

/** A host that does what a command wants. */
export interface Remote {
  readonly client: ApiClient;
  readonly connections: z.output<typeof connectionsAnswer>['items'];
  /** Zone for the times a command prints by itself. */
  readonly timeZone: string;
}

function originOf(text: string): string {
  const url = variables.OTW_API_URL.parse(text);
  if (url !== undefined) return url;
  const { expected, example } = variables.OTW_API_URL;
  throw new HostError(exitCodes.usage, `--api: expected ${expected}; for example --api ${example}`);
}

const exitByStatus: Readonly<Record<number, number>> = {
  401: exitCodes.loginNeeded,
  404: exitCodes.usage,
  422: exitCodes.usage,
  429: exitCodes.rateLimited,
  503: exitCodes.unreachable,
};

const remedies: Readonly<Record<number, string>> = {
  401: '; set OTW_API_KEY to a key of that host (otw keys create makes one there)',
  403: '; set OTW_API_KEY to a key with the scope admin (otw keys create --scope admin makes one there)',
};

/** What a command ends with when the host refused or was not there. */
export function remoteError(error: unknown, { origin }: Pick<ApiClient, 'origin'>): unknown {
  if (error instanceof ApiAway) {
    const message = `Expected a host to answer at ${origin}, but: ${error.message}. Check that it runs, and --api or OTW_API_URL`;
    return new HostError(exitCodes.unreachable, message, { cause: error });
  }
  if (!(error instanceof ApiRefusal)) return error;
  const { status, code, message } = error;
  return new HostError(
    exitByStatus[status] ?? exitCodes.failed,
    `${code}: ${message}${remedies[status] ?? ''}`,
    { cause: error },
  );
}

async function connect(client: ApiClient, timeZone: string): Promise<Remote> {
  const { items } = await client.get('/v1/connections', connectionsAnswer);
  return { client, connections: items, timeZone };
}

/** The daemon of this machine that holds the data directory, if it serves us; whoever may read the folder needs no key. */
async function daemonOf({
  databaseUrl,
  dataDir,
  http,
  role,
  timeZone,
}: HostConfig): Promise<Remote | undefined> {
  // A host of another role does not serve what is wanted.
  if (databaseUrl !== undefined || role !== 'all') return undefined;
  const lock = readDataDirLock(dataDir);
  if (lock?.role !== 'start' || lock.url === undefined) return undefined;
  try {
    return await connect(createApiClient({ origin: lock.url, key: http.apiKey }), timeZone);
  } catch (error) {
    // It is busy, or asks for a key: the database is there all the same.
    if (error instanceof ApiAway || error instanceof ApiRefusal) return undefined;
    throw error;
  }
}

/**
 * The host that a command goes through: the one that `--api` or OTW_API_URL names, else the daemon that holds the data
 * directory. Undefined where the command does its work itself.
 *
 * @throws HostError: 69 when the host that was named does not answer, 4 or 1 when it refuses.
 */
export async function findRemote({ api, ...options }: RemoteOptions): Promise<Remote | undefined> {
  const config = await loadConfig({
    cwd: process.cwd(),
    env: process.env,
    commandLine: { ...options, preferReal: true },
  });
  const named = api === undefined ? readEnvironment(process.env).OTW_API_URL : originOf(api);
  if (named === undefined) return daemonOf(config);
  const client = createApiClient({ origin: named, key: config.http.apiKey });
  return viaRemote(client, () => connect(client, config.timeZone));
}

/** Does something through the host, and puts its refusals into a command's words. */
export async function viaRemote<T>(client: ApiClient, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw remoteError(error, client);
  }
}

/** The connection a command names; the only one of the host where it names none. */
export function remoteConnection(
  { connections }: Remote,
  name: string | undefined,
): Remote['connections'][number] {
  const only = connections.length === 1 ? connections[0] : undefined;
  const found = name === undefined ? only : connections.find((connection) => connection.name === name);
  if (found) return found;
  const names = connections.map((connection) => connection.name).join(', ');
  throw new HostError(
    exitCodes.usage,
    `Expected a connection of the host (${names}), found ${name ?? 'none'}; for example otw run garmin`,
  );
}
