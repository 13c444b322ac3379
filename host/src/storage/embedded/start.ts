import { existsSync, readFileSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { StorageError, systemCode } from '../storage-error.ts';
import { freePort, urlOf, waitUntilReady } from './connect.ts';
import { findBinaries } from './find-binaries.ts';
import type { Binaries } from './find-binaries.ts';
import { clearLeftovers, initCluster, isInitialised } from './init-cluster.ts';
import { layoutOf } from './layout.ts';
import type { Layout } from './layout.ts';
import { endPreviousServer } from './previous-server.ts';
import { chooseRunAs, giveTo } from './run-as.ts';
import type { RunAs } from './run-as.ts';
import { logSince, trimLog } from './server-log.ts';
import { startServer } from './server-process.ts';
import type { Exit, ServerProcess } from './server-process.ts';

/** What {@link startEmbeddedPostgres} needs to know. */
export interface EmbeddedPostgresOptions {
  /** Holds, or will hold, the database: `.otw/postgres`. Its data directory must be locked by the caller. */
  readonly directory: string;
  /** Default time zone of sessions, an IANA name. */
  readonly timeZone: string;
  /** False for tests only: faster, and a crash of the machine may destroy the database. */
  readonly durable: boolean;
  /** Told what happens, a sentence each. */
  readonly log?: (message: string) => void;
  /** Folder with `initdb` and `postgres`; default: found by itself. */
  readonly binaries?: string;
  /** Default 120_000: recovery after a crash replays at most a few minutes of writes. */
  readonly startTimeoutMs?: number;
}

/** A running embedded database. */
export interface EmbeddedPostgres {
  /** Address with the password: never to be shown. */
  readonly url: string;
  /** On 127.0.0.1; another one at every start. */
  readonly port: number;
  readonly pid: number;
  /** Resolves when the server has gone, whoever ended it; never rejects. */
  readonly exited: Promise<Exit>;
  /** Ends the server: 2 s for clients to leave, then without them. May be called again. */
  stop(): Promise<void>;
}

interface Prepared {
  readonly options: EmbeddedPostgresOptions;
  readonly layout: Layout;
  readonly runAs: RunAs | undefined;
  readonly binaries: Binaries;
}

/** The superuser's password of a database that has been started before, for other processes of the same user. */
function readEmbeddedPassword(directory: string): string {
  const path = layoutOf(resolve(directory)).password;
  try {
    return readFileSync(path, 'utf8').trim();
  } catch (error) {
    throw new StorageError(
      'permission',
      `Expected the database's password in ${path}, got ${systemCode(error)}: run as the user who started ` +
        'the host, or set DATABASE_URL',
      { cause: error },
    );
  }
}

/** The address of an embedded database that another process runs on this port. */
export function embeddedUrl(directory: string, port: number): string {
  return urlOf({ port, password: readEmbeddedPassword(directory) });
}

/**
 * Starts Postgres on a directory, creating the database first if need be. Resolves when it takes
 * queries. The server ends with this process, however that ends.
 */
export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const prepared = await prepare(options);
  // A port can be taken between our look and the server's: then another one.
  for (let attempt = 1; ; attempt += 1) {
    const outcome = await startOnce(prepared);
    if ('server' in outcome) return outcome.server;
    if (attempt === 5 || !outcome.said.includes('Address already in use'))
      throw startFailed(prepared, outcome);
    options.log?.(`port ${outcome.port} was taken meanwhile, trying another`);
  }
}

async function prepare(options: EmbeddedPostgresOptions): Promise<Prepared> {
  const layout = layoutOf(resolve(options.directory));
  const runAs = chooseRunAs(layout.cluster);
  const aside = clearLeftovers(layout);
  if (aside !== undefined) options.log?.(`${layout.directory} held no database: moved to ${aside}`);
  const binaries = findBinaries({ binaries: options.binaries, runAs, major: clusterMajor(layout) });
  const prepared = { options, layout, runAs, binaries };
  if (isInitialised(layout)) {
    if (runAs && statSync(layout.cluster).uid !== runAs.uid) giveTo(layout.cluster, runAs);
    await endPreviousServer(layout.cluster);
  } else {
    options.log?.(`creating the database in ${layout.directory}`);
    await initCluster({ ...prepared, durable: options.durable });
  }
  return prepared;
}

function clusterMajor(layout: Layout): number | undefined {
  const path = join(layout.cluster, 'PG_VERSION');
  return existsSync(path) ? Number.parseInt(readFileSync(path, 'utf8'), 10) : undefined;
}

interface Failure {
  readonly port: number;
  /** The last lines of the server's log. */
  readonly said: string;
  readonly cause: unknown;
}

async function startOnce(prepared: Prepared): Promise<{ server: EmbeddedPostgres } | Failure> {
  const { options, layout, runAs, binaries } = prepared;
  const address = { port: await freePort(), password: readEmbeddedPassword(layout.directory) };
  const { timeZone, durable } = options;
  const start = trimLog(layout.log);
  const server = await startServer({ layout, runAs, binaries, port: address.port, timeZone, durable });
  try {
    await ready(server, address, options.startTimeoutMs ?? 120_000);
  } catch (cause) {
    // A stranger on our port may answer before the server has noticed; let it say so in its log.
    await Promise.race([server.exited, delay(1_000)]);
    await server.stop();
    return { port: address.port, said: logSince(layout.log, start), cause };
  }
  return { server: { url: urlOf(address), port: address.port, ...server } };
}

/** Waits for the first connection, or rejects as soon as the server ends. */
async function ready(
  server: ServerProcess,
  address: { readonly port: number; readonly password: string },
  timeoutMs: number,
): Promise<void> {
  const gone = new AbortController();
  void server.exited.then(({ code, signal }) => gone.abort(new Error(`ended with ${code ?? signal}`)));
  const timeout = AbortSignal.timeout(timeoutMs);
  await waitUntilReady(address, AbortSignal.any([gone.signal, timeout]));
}

function startFailed({ layout }: Prepared, { said, cause }: Failure): StorageError {
  const problem = cause instanceof Error ? cause.message : String(cause);
  return new StorageError(
    'start_failed',
    `Expected Postgres to start on ${layout.cluster}, but: ${problem}. Its log (${layout.log}) ends:\n${said}`,
    { cause },
  );
}
