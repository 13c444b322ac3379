import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Client } from 'pg';
import type { HostConfig } from '../config/host-config.ts';
import { exitCodes, HostError } from '../host-error.ts';
import { createFreeSpace } from '../ingest/free-space.ts';
import { isUnreachable } from './database.ts';
import { lockDataDir, readDataDirLock, updateDataDirLock, type DataDirLock } from './data-dir-lock.ts';
import { embeddedUrl, startEmbeddedPostgres } from './embedded/index.ts';
import { StorageError } from './storage-error.ts';

/** A database to work with, and how to leave it. */
export interface Storage {
  readonly url: string;
  /** `external`: DATABASE_URL. `own`: this process runs it. `attached`: another process of this machine does. */
  readonly kind: 'external' | 'own' | 'attached';
  /** Tells other processes of this machine where the API is; nothing to tell for an external database. */
  publish(apiUrl: string): void;
  /** Resolves if the database ends by itself; never for one that is not ours. */
  readonly ended: Promise<void>;
  close(): Promise<void>;
}

/** What opening needs to know. */
export interface OpenStorageOptions {
  /** Written into the lock: `start`, `run`. */
  readonly role: string;
  /** Refuse to share the data directory with a process that has it. */
  readonly exclusive: boolean;
  readonly log: (message: string) => void;
}

const exitCodeOf: Readonly<Record<StorageError['code'], number>> = {
  data_dir_in_use: exitCodes.dataDirInUse,
  no_postgres: exitCodes.unreachable,
  version_mismatch: exitCodes.badConfig,
  permission: exitCodes.badConfig,
  no_user_name: exitCodes.badConfig,
  init_failed: exitCodes.unreachable,
  start_failed: exitCodes.unreachable,
};

const never = new Promise<void>(() => undefined);
const attachWithinMs = 20_000;
// Any number will do, as long as every command uses this one.
const guestsLock = 7_206_503;
const waitForOthersMs = 60_000;

function directoryOf(config: HostConfig): string {
  return join(config.dataDir, 'postgres');
}

/** Waits for the holder of the lock to say where its database is. Undefined if it went away meanwhile. */
async function databasePort(config: HostConfig): Promise<number | undefined> {
  const deadline = performance.now() + attachWithinMs;
  for (let lock: DataDirLock | undefined; performance.now() < deadline; await delay(100)) {
    lock = readDataDirLock(config.dataDir);
    if (!lock) return undefined;
    if (lock.databasePort !== undefined) return lock.databasePort;
  }
  throw new HostError(
    exitCodes.unreachable,
    `Expected the host that holds ${config.dataDir} to be up within 20 s, but it is not`,
  );
}

/**
 * Resolves when no other command uses the database any more, or after a minute. From then on none can begin to: the
 * lock is held until the database has ended. Resolves with what ends the session then.
 */
async function othersGone(url: string, log: (message: string) => void): Promise<() => Promise<void>> {
  const client = new Client(url);
  client.on('error', (error) => log(`the database has gone: ${error.message}`));
  await client.connect();
  const deadline = performance.now() + waitForOthersMs;
  for (let told = false; performance.now() < deadline; await delay(100)) {
    const { rows } = await client.query<{ alone: boolean }>('select pg_try_advisory_lock($1) as alone', [
      guestsLock,
    ]);
    if (rows[0]?.alone === true) break;
    if (!told) log('waiting for another command that uses the database');
    told = true;
  }
  return () => client.end().catch(() => undefined);
}

/**
 * Makes this process one that the holder of the database waits for, until the session ends. Undefined where the
 * holder is leaving.
 */
async function joinGuests(url: string, log: (message: string) => void): Promise<Client | undefined> {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: 5_000 });
  client.on('error', (error) => log(`the database has gone: ${error.message}`));
  try {
    await client.connect();
    const { rows } = await client.query<{ joined: boolean }>(
      'select pg_try_advisory_lock_shared($1) as joined',
      [guestsLock],
    );
    if (rows[0]?.joined === true) return client;
  } catch (error) {
    if (!isUnreachable(error)) throw error;
  }
  await client.end().catch(() => undefined);
  return undefined;
}

/** A database that runs out of disk stops in the middle of its work; the daemon is not to bring it there. */
function expectRoom({ dataDir, minFreeMb }: HostConfig): void {
  const problem = createFreeSpace({ folder: dataDir, minFreeMb }).problem();
  if (problem === undefined) return;
  throw new HostError(
    exitCodes.unreachable,
    `${problem} there (${dataDir}), choose another OTW_DATA_DIR, or lower OTW_MIN_FREE_MB`,
  );
}

async function openOwn(config: HostConfig, options: OpenStorageOptions): Promise<Storage> {
  if (options.role === 'start') expectRoom(config);
  const lock = lockDataDir(config.dataDir, { role: options.role });
  try {
    const directory = directoryOf(config);
    const server = await startEmbeddedPostgres({
      directory,
      timeZone: config.timeZone,
      durable: true,
      log: options.log,
    });
    updateDataDirLock(config.dataDir, { databasePort: server.port });
    return {
      url: server.url,
      kind: 'own',
      publish: (url) => updateDataDirLock(config.dataDir, { url, databasePort: server.port }),
      ended: server.exited.then(() => undefined),
      async close() {
        // A daemon leaves when it is told to; a command must not pull the floor from under another one.
        let leave: (() => Promise<void>) | undefined;
        try {
          if (options.role !== 'start') leave = await othersGone(server.url, options.log);
        } catch (error) {
          // The server may have ended by itself; then nobody is left to wait for.
          options.log(`nobody to wait for: ${error instanceof Error ? error.message : String(error)}`);
        } finally {
          await server.stop();
          await leave?.();
          lock.release();
        }
      },
    };
  } catch (error) {
    lock.release();
    throw error;
  }
}

/** Shares the database of the process that holds the data directory; undefined where it has just left, or is leaving. */
async function attach(config: HostConfig, { log }: OpenStorageOptions): Promise<Storage | undefined> {
  const port = await databasePort(config);
  if (port === undefined) return undefined;
  const url = embeddedUrl(directoryOf(config), port);
  const guest = await joinGuests(url, log);
  return (
    guest && {
      url,
      kind: 'attached',
      publish: () => undefined,
      ended: never,
      close: () => guest.end().catch(() => undefined),
    }
  );
}

async function openEmbedded(config: HostConfig, options: OpenStorageOptions): Promise<Storage> {
  const deadline = performance.now() + waitForOthersMs;
  for (;;) {
    try {
      return await openOwn(config, options);
    } catch (error) {
      const inUse = error instanceof StorageError && error.code === 'data_dir_in_use';
      if (!inUse || options.exclusive || performance.now() > deadline) throw error;
    }
    const attached = await attach(config, options);
    if (attached) return attached;
    await delay(50);
  }
}

/**
 * Opens the database the configuration names: DATABASE_URL, else the embedded one, started here or, when
 * another process of this machine has it, shared with that process.
 *
 * @throws HostError: 73 when the data directory is taken, 69 when no database can be had.
 */
export async function openStorage(config: HostConfig, options: OpenStorageOptions): Promise<Storage> {
  if (config.databaseUrl !== undefined) {
    const nothing = { publish: () => undefined, ended: never, close: async () => undefined };
    return { url: config.databaseUrl, kind: 'external', ...nothing };
  }
  try {
    return await openEmbedded(config, options);
  } catch (error) {
    if (error instanceof StorageError)
      throw new HostError(exitCodeOf[error.code], error.message, { cause: error });
    throw error;
  }
}
