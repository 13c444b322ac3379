import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { startSuitePostgres } from '@on-the-way/host/testing';
import { defineSubject, type StoredEvent, type Surface } from '@on-the-way/sdk/testing';
import pg from 'pg';
import plugin from '../src/index.ts';
import { createRawEventTable } from '../src/test-table.ts';

let own: Promise<{ readonly url: string }> | undefined;

/** The superuser's address on OTW_TEST_POSTGRES_URL, or on a Postgres that lasts as long as this process. */
async function serverUrl(): Promise<string> {
  const { OTW_TEST_POSTGRES_URL: given } = process.env;
  if (given !== undefined) return given;
  own ??= startSuitePostgres();
  return (await own).url;
}

async function query<Row extends pg.QueryResultRow>(url: string, sql: string): Promise<Row[]> {
  const client = new pg.Client(url);
  await client.connect();
  try {
    return (await client.query<Row>(sql)).rows;
  } finally {
    await client.end();
  }
}

const stored = `select source_id as "sourceId", external_id as "externalId",
  to_char(occurred_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as "occurredAt",
  payload_json::text as payload from raw.raw_event`;

// Written when a version is published: the next one must keep what it promised.
const published = new URL('../published.json', import.meta.url);

/** A database for each check, on a real server. */
export default defineSubject({
  plugin,
  module: import.meta.resolve('../src/index.ts'),
  hasOneZero: true,
  ...(existsSync(published) && { published: JSON.parse(readFileSync(published, 'utf8')) as Surface }),
  async open() {
    const server = await serverUrl();
    const name = `suite_${randomBytes(6).toString('hex')}`;
    await query(server, `create database ${name}`);
    const url = new URL(server);
    url.pathname = `/${name}`;
    await createRawEventTable(url.href);
    return {
      config: { connectionString: url.href },
      stored: () => query<StoredEvent>(url.href, stored),
      close: async () => void (await query(server, `drop database ${name} with (force)`)),
    };
  },
});
