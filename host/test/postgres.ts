import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { inject } from 'vitest';
import { migrate } from '../src/storage/migrate.ts';
// For the type of what the global setup provides.
import type {} from './global-setup.ts';

/** A database of a test's own. */
export interface TestDatabase {
  readonly url: string;
  /** Removes it, ending whatever is still connected. */
  drop(): Promise<void>;
}

/** Where the run's databases are. */
const timeZone = 'Asia/Shanghai';
// Any number that no host uses.
const templateLock = 7_206_599;

async function withServer<T>(work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client(inject('postgresUrl'));
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

function urlOf(name: string): string {
  const url = new URL(inject('postgresUrl'));
  url.pathname = `/${name}`;
  return url.href;
}

async function createFrom(template: string): Promise<TestDatabase> {
  const name = `test_${randomBytes(6).toString('hex')}`;
  // Copied as files: that this does not write what is copied into the log too halves the time.
  await withServer((client) =>
    client.query(`CREATE DATABASE ${name} TEMPLATE ${template} STRATEGY file_copy`),
  );
  return {
    url: urlOf(name),
    async drop() {
      await withServer((client) => client.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`));
    },
  };
}

/** Makes an empty database on the run's Postgres. */
export function createTestDatabase(): Promise<TestDatabase> {
  return createFrom('template0');
}

async function makeTemplate(): Promise<string> {
  const name = 'migrated';
  return withServer(async (client) => {
    await client.query('SELECT pg_advisory_lock($1)', [templateLock]);
    const { rowCount } = await client.query('SELECT 1 FROM pg_database WHERE datname = $1', [name]);
    if (rowCount === 1) return name;
    await client.query('CREATE DATABASE being_migrated TEMPLATE template0');
    await migrate(urlOf('being_migrated'), timeZone);
    await client.query(`ALTER DATABASE being_migrated RENAME TO ${name}`);
    return name;
  });
}

let template: Promise<string> | undefined;

/** Makes one with all a host needs in it, as `migrate` leaves it: migrating takes ten times as long as a copy. */
export async function createMigratedDatabase(): Promise<TestDatabase> {
  template ??= makeTemplate();
  return createFrom(await template);
}
