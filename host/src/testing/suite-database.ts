import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startEmbeddedPostgres } from '../storage/embedded/index.ts';
import { migrate } from '../storage/migrate.ts';

/** Zone of the database's sessions. */
export const suiteTimeZone = 'UTC';

/** A folder for what is temporary, and how to remove it before its time. */
function temporaryFolder(): { readonly path: string; remove(): void } {
  const path = mkdtempSync(join(tmpdir(), 'otw-suite-'));
  const remove = (): void => rmSync(path, { recursive: true, force: true, maxRetries: 3 });
  // Also where the process is told to leave at once.
  process.once('exit', remove);
  return {
    path,
    remove() {
      process.off('exit', remove);
      remove();
    },
  };
}

/** A Postgres for the length of a suite. */
export interface SuitePostgres {
  /** Of its superuser, with the password. */
  readonly url: string;
  /** Ends it and removes its data. */
  close(): Promise<void>;
}

/**
 * Starts an empty Postgres that is fast and not durable. It ends with this process, if `close` was not called before.
 *
 * @throws StorageError where it does not start.
 */
export async function startSuitePostgres(): Promise<SuitePostgres> {
  const folder = temporaryFolder();
  try {
    const directory = join(folder.path, 'postgres');
    const server = await startEmbeddedPostgres({ directory, timeZone: suiteTimeZone, durable: false });
    return { url: server.url, close: () => server.stop().finally(() => folder.remove()) };
  } catch (error) {
    folder.remove();
    throw error;
  }
}

/** A database with all a host needs in it, and a folder for what a host keeps beside it. */
export interface SuiteDatabase {
  readonly url: string;
  /** Of this host alone; connectors cannot read it. */
  readonly dataDir: string;
  /** Ends what was started and removes the folder. */
  close(): Promise<void>;
}

/**
 * Opens the database at `url`, which is migrated where need be, or starts a Postgres of its own.
 *
 * @throws HostError (exit 69) where the database is not reachable; StorageError where Postgres does not start.
 */
export async function openSuiteDatabase(given: string | undefined): Promise<SuiteDatabase> {
  const server = given === undefined ? await startSuitePostgres() : undefined;
  const url = given ?? server?.url ?? '';
  const folder = temporaryFolder();
  const close = async (): Promise<void> => {
    await server?.close();
    folder.remove();
  };
  try {
    await migrate(url, suiteTimeZone);
    return { url, dataDir: folder.path, close };
  } catch (error) {
    await close();
    throw error;
  }
}
