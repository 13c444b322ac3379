import { randomBytes } from 'node:crypto';
import knex from 'knex';
import { expect, test } from 'vitest';
import { createTestDatabase } from '../../test/postgres.ts';
import { migrate } from './migrate.ts';

async function withDatabase(
  work: (url: string, query: (sql: string) => Promise<unknown[]>) => Promise<void>,
): Promise<void> {
  const database = await createTestDatabase();
  const client = knex({ client: 'pg', connection: database.url });
  try {
    await work(database.url, async (sql) => (await client.raw<{ rows: unknown[] }>(sql)).rows);
  } finally {
    await client.destroy();
    await database.drop();
  }
}

test('eight hosts that start at once migrate once', () =>
  withDatabase(async (url, query) => {
    await Promise.all(Array.from({ length: 8 }, () => migrate(url, 'Asia/Shanghai')));
    expect(await query('select name, count(*)::int as n from app.migration group by 1 order by 1')).toEqual([
      { name: '0001-contract', n: 1 },
      { name: '0002-ledger', n: 1 },
      { name: '0003-sessions-and-changes', n: 1 },
      { name: '0004-http', n: 1 },
      { name: '0005-queue', n: 1 },
    ]);
  }));

test('a database user without the right to create schemas is told what to do, and needs none where they are there', () =>
  withDatabase(async (url, query) => {
    const user = `limited_${randomBytes(6).toString('hex')}`;
    const own = Object.assign(new URL(url), { username: user, password: 'p' }).href;
    await query(`create role ${user} login password 'p'`);
    try {
      await expect(migrate(own, 'UTC')).rejects.toMatchObject({
        exitCode: 78,
        message: expect.stringMatching(
          `permission denied for database.*grant create on database test_.* to ${user}`,
        ),
      });
      for (const schema of ['app', 'raw', 'otw_queue'])
        await query(`create schema ${schema} authorization ${user}`);
      await migrate(own, 'UTC');
      await migrate(own, 'UTC');
    } finally {
      await query(`drop owned by ${user} cascade`);
      await query(`drop role ${user}`);
    }
  }));

test("a lock that a killed host left in knex' own table does not keep the next one out", () =>
  withDatabase(async (url, query) => {
    await migrate(url, 'UTC');
    await query('update app.migration_lock set is_locked = 1');
    await migrate(url, 'UTC');
  }));

test('a database of a newer version is refused with what to do', () =>
  withDatabase(async (url, query) => {
    await migrate(url, 'UTC');
    await query(`insert into app.migration (name, batch, migration_time) values ('9999-later', 9, now())`);
    await expect(migrate(url, 'UTC')).rejects.toMatchObject({
      exitCode: 78,
      message: expect.stringMatching(/newer/),
    });
  }));

test("the predecessor's rows and counters are kept when its tables are taken over", () =>
  withDatabase(async (url, query) => {
    await query('create schema raw');
    await query('create schema app');
    await query(`create table raw.raw_event (raw_id uuid primary key default gen_random_uuid(), source_id text not null,
      external_id text not null, occurred_at timestamptz not null, payload_json jsonb not null, payload_hash text not null,
      request_id uuid not null, ingested_at timestamptz not null default now(), unique (source_id, external_id))`);
    await query(`insert into raw.raw_event (source_id, external_id, occurred_at, payload_json, payload_hash, request_id)
      values ('s', 'e', now(), '{}', 'h', gen_random_uuid())`);
    await query(`create table app.connector_health (id int primary key default 1 check (id = 1), last_run_at timestamptz,
      last_status text, success_count bigint, failure_count bigint, updated_at timestamptz)`);
    await query(`insert into app.connector_health (last_run_at, last_status, success_count, failure_count)
      values ('2026-02-26T10:10:06+08:00', 'ok', 41, 2)`);
    await migrate(url, 'UTC');
    await migrate(url, 'UTC');
    expect(await query('select source_id from raw.raw_event')).toEqual([{ source_id: 's' }]);
    expect(
      await query(
        'select connection, last_status, success_count::int, failure_count::int from app.connector_health',
      ),
    ).toEqual([{ connection: 'garmin', last_status: 'ok', success_count: 41, failure_count: 2 }]);
  }));

test('the contract’s tables have its columns and types', () =>
  withDatabase(async (url, query) => {
    await migrate(url, 'UTC');
    const columns = (await query(
      `select table_name || '.' || column_name || ' ' || data_type || case is_nullable when 'NO' then ' not null' else '' end as c
       from information_schema.columns where table_schema in ('raw', 'app')
         and table_name in ('raw_event', 'request_audit', 'connector_health')`,
    )) as { c: string }[];
    expect(columns.map(({ c }) => c)).toEqual(
      expect.arrayContaining([
        'raw_event.raw_id uuid not null',
        'raw_event.source_id text not null',
        'raw_event.external_id text not null',
        'raw_event.occurred_at timestamp with time zone not null',
        'raw_event.payload_json jsonb not null',
        'raw_event.payload_hash text not null',
        'raw_event.request_id uuid not null',
        'raw_event.ingested_at timestamp with time zone not null',
        'request_audit.request_id uuid not null',
        'request_audit.status text not null',
        'request_audit.received_at timestamp with time zone not null',
        'connector_health.last_run_at timestamp with time zone',
        'connector_health.last_status text not null',
        'connector_health.success_count bigint not null',
        'connector_health.failure_count bigint not null',
      ]),
    );
  }));
