import type { Reach } from '@on-the-way/core';
import { Client } from 'pg';
import { installQueue, queueSchema } from '../queue/install.ts';
import { exitCodes, HostError } from '../host-error.ts';
import { clientConfig, isUnreachable, openDatabase, unreachable, type Database } from './database.ts';
import * as contract from './migrations/0001-contract.ts';
import * as ledger from './migrations/0002-ledger.ts';
import * as sessionsAndChanges from './migrations/0003-sessions-and-changes.ts';
import * as http from './migrations/0004-http.ts';
import * as queue from './migrations/0005-queue.ts';

/** In order; a name once released is never changed. */
const migrations = [
  { name: '0001-contract', up: contract.up },
  { name: '0002-ledger', up: ledger.up },
  { name: '0003-sessions-and-changes', up: sessionsAndChanges.up },
  { name: '0004-http', up: http.up },
  { name: '0005-queue', up: queue.up },
];

const schemas = ['app', 'raw', queueSchema];

const down = async (): Promise<void> => {
  throw new Error('Migrations go forward only');
};

const source = {
  getMigrations: async () => migrations,
  getMigrationName: (migration: (typeof migrations)[number]) => migration.name,
  getMigration: async ({ up }: (typeof migrations)[number]) => ({ up, down }),
};

/** Whether the database has all that this version needs. Rejects when it cannot be asked. */
export async function isMigrated(database: Database): Promise<boolean> {
  const { rows } = await database.raw<{ rows: { done: number }[] }>(
    'select count(distinct name)::int as done from app.migration where name = any(?)',
    [migrations.map(({ name }) => name)],
  );
  return rows[0]?.done === migrations.length;
}

const insufficientPrivilege = '42501';
// Any number will do, as long as every host uses this one.
const lockKey = 7_206_501;

/** The migrations, each telling of itself before it is committed. */
function sourceWith(reach: Reach | undefined): typeof source {
  if (!reach) return source;
  const getMigration = async ({ up }: (typeof migrations)[number]) => ({
    up: async (knex: Database) => {
      await up(knex);
      reach('mid-migration');
    },
    down,
  });
  return { ...source, getMigration };
}

/** Makes those that are missing: where all of them are there, no right to create any is needed. */
async function createSchemas(database: Database): Promise<void> {
  const { rows } = await database.raw<{ rows: { name: string }[] }>(
    'select name from unnest(?::text[]) as wanted (name) where to_regnamespace(name) is null',
    [schemas],
  );
  for (const { name } of rows) await database.raw('create schema ??', [name]);
}

/** What a user of the database who lacks rights is told to do. */
async function notAllowed(session: Client, cause: Error): Promise<HostError> {
  const { rows } = await session.query<{ user: string; database: string }>(
    'select quote_ident(current_user) as "user", quote_ident(current_database()) as database',
  );
  const { user = 'it', database = 'the database' } = rows[0] ?? {};
  const grant = ['grant create on database', database, 'to', user].join(' ');
  const made = schemas.map((name) => `create schema ${name} authorization ${user}`).join('; ');
  return new HostError(
    exitCodes.badConfig,
    `Expected the database user ${user} to own the schemas ${schemas.join(', ')} or to be allowed to create them, but: ` +
      `${cause.message}. Let an administrator run: ${grant}; or, instead: ${made}`,
    { cause },
  );
}

async function migrateWith(database: Database, reach: Reach | undefined): Promise<void> {
  const settings = { schemaName: 'app', tableName: 'migration', migrationSource: sourceWith(reach) };
  await createSchemas(database);
  // Whoever held knex's own lock is dead: the advisory lock is held by this session alone.
  await database.migrate.forceFreeMigrationsLock(settings);
  await database.migrate.latest(settings);
  await installQueue(database);
}

/**
 * Brings the database to this version. Called at every start; safe when several hosts start at once,
 * since an advisory lock lets one through at a time and the others then find nothing left to do.
 *
 * @throws HostError: exit 69 when the database is not reachable, exit 78 when it is newer than this host, or its user
 *   lacks rights.
 */
export async function migrate(url: string, timeZone: string, reach?: Reach): Promise<void> {
  const lock = new Client({
    ...clientConfig(url, timeZone),
    query_timeout: 120_000,
    statement_timeout: 120_000,
    lock_timeout: 0,
  });
  lock.on('error', () => undefined);
  const database = openDatabase(url, timeZone);
  try {
    await lock.connect();
    await lock.query('select pg_advisory_lock($1)', [lockKey]);
    await migrateWith(database, reach);
  } catch (error) {
    if (isUnreachable(error)) throw unreachable(url, error);
    if (error instanceof Error && 'code' in error && error.code === insufficientPrivilege)
      throw await notAllowed(lock, error);
    if (error instanceof Error && error.message.includes('migration directory is corrupt')) {
      const message =
        'Expected a database of this version or older, found a newer one: install the newer on the way';
      throw new HostError(exitCodes.badConfig, message, { cause: error });
    }
    throw error;
  } finally {
    await database.destroy();
    await lock.end();
  }
}
