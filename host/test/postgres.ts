import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { inject } from 'vitest';
// For the type of what the global setup provides.
import type {} from './global-setup.ts';
import { migrated } from './migrated-template.ts';
import { makeTemplate } from './postgres-template.ts';

/** A database of a test's own. */
export interface TestDatabase {
  readonly url: string;
  /** Removes it, ending whatever is still connected. */
  drop(): Promise<void>;
}

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

let template: Promise<string> | undefined;

/** Makes one with all a host needs in it, as `migrate` leaves it: migrating takes ten times as long as a copy. */
export async function createMigratedDatabase(): Promise<TestDatabase> {
  template ??= makeTemplate(inject('postgresUrl'), migrated());
  return createFrom(await template);
}
