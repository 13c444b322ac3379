import { randomUUID } from 'node:crypto';
import type { RunSummary } from '@on-the-way/core';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createOtherHost, type OtherHost } from '../../test/other-host.ts';
import { createTestDatabase, type TestDatabase } from '../../test/postgres.ts';
import { createClaimStore } from './claims.ts';
import { createConnectionStore } from './connections.ts';
import { openDatabase, type Database } from './database.ts';
import { createDueRuns } from './due-runs.ts';
import { createLedgerStore } from './ledger.ts';
import { migrate } from './migrate.ts';
import { createRunPruner } from './prune-runs.ts';
import { createRawEventStore } from './raw-events.ts';
import { createRunEndStore } from './run-end.ts';
import { createRunStore } from './runs.ts';

// 100,000 connections; of other tables as many rows as it takes to make an index worth its while.
let made: TestDatabase;
let database: Database;
let host: OtherHost;
const clean = (text: string): string => text;

const fill = `
  insert into app.connection_state (connection, backfill_from, next_run_at, datasets)
    select 'c' || n, '2026-01-01', now() + (n - 100) * interval '1 second', '[]' from generate_series(1, 100000) n;
  create temporary table few as select 'c' || n as connection from generate_series(1, 10000) n;
  insert into app.connector_health (connection) select connection from few;
  insert into app.connection_claim (connection, epoch) select connection, 1 from few;
  insert into app.run (run_id, connection, trigger, status, started_at, finished_at)
    select gen_random_uuid(), connection, 'schedule', 'succeeded', now(), now() from few;
  insert into app.slice_ledger (connection, dataset, day, outcome, attempts, run_id, plugin_version, first_attempt_at,
      last_attempt_at) select connection, 'steps', '2026-01-01', 'ok', 1, gen_random_uuid(), '1', now(), now()
    from few;
  insert into app.dataset_frontier (connection, dataset, from_day, to_day, basis)
    select connection, 'steps', '2025-01-01', '2026-01-01', '' from few;
  insert into raw.raw_event (source_id, external_id, occurred_at, payload_json, payload_hash, request_id)
    select 's', n::text, timestamptz '2026-01-01' + n * interval '1 minute', '{}', '', gen_random_uuid()
    from generate_series(1, 5000) n;
  analyze app.connection_state, app.connector_health, app.connection_claim, app.run, app.slice_ledger,
    app.dataset_frontier, raw.raw_event`;

beforeAll(async () => {
  made = await createTestDatabase();
  await migrate(made.url, 'Asia/Shanghai');
  database = openDatabase(made.url, 'Asia/Shanghai');
  host = createOtherHost({ databaseUrl: made.url });
  await database.raw(fill);
}, 60_000);

afterAll(async () => {
  await host.close();
  await database.destroy();
  await made.drop();
});

interface Statement {
  readonly sql: string;
  readonly bindings: readonly unknown[];
  readonly options?: { readonly name?: string };
}

async function explain(client: pg.Client, { sql, bindings, options }: Statement): Promise<string> {
  const read = async (text: string, values: unknown[] = []): Promise<string> => {
    const { rows } = await client.query<{ 'QUERY PLAN': string }>(text, values);
    return rows.map((row) => row['QUERY PLAN']).join('\n');
  };
  const own = await read(`explain ${sql}`, [...bindings]);
  if (options?.name === undefined) return own;
  // What is planned once is planned for any values.
  await client.query(`prepare ${options.name} as ${sql}`);
  const nulls = bindings.map(() => 'null').join();
  return `${own}\n${await read(`explain execute ${options.name}(${nulls})`)}`;
}

/** A run of one connection, and what hosts look at beside it. */
async function work(on: Database): Promise<void> {
  const connections = createConnectionStore(on, clean);
  const runs = createRunStore(on, clean);
  const runId = randomUUID();
  // By page, as with very many, and by name.
  await createDueRuns(on).take(new Set(Array.from({ length: 6_000 }, (_, n) => `c${n}`)), 10);
  await createDueRuns(on).take(new Set(['c7']), 10);
  await connections.state('c7');
  const run = () => ({ runId, trigger: 'schedule', startedAt: Date.now(), dayStartedAt: 0 }) as const;
  const claim = await createClaimStore(on, host.hosts).take('c7', { waitMs: 0, runId, begins: { run } });
  if (!claim) throw new Error('Expected the connection to be free');
  await connections.under(claim).wantFrom('c7', '2026-01-01');
  await runs.requestsSince('c7', Date.now());
  const ledger = createLedgerStore(on, clean).under(claim);
  const frontiers = (await ledger.frontiers?.load('c7')) ?? [];
  await ledger.read('c7', { from: '2025-01-01', datasets: ['steps'], frontiers, version: '1' });
  const outcome = { dataset: 'steps', day: '2026-01-02', outcome: 'ok', attempts: 1 } as const;
  const at = { connection: 'c7', runId, version: '1', at: Date.now() };
  await ledger.record(at, [{ ...outcome, rowsWritten: 1, rowsUnchanged: 0, conflicts: 0 }]);
  const nothing = { slicesPlanned: 0, datasets: {}, requests: 0, startedAt: 0, finishedAt: 0 };
  const summary: RunSummary = { runId, connection: 'c7', status: 'succeeded', ...nothing };
  const teller = { isWanted: false, host: 'test', simulated: true };
  const pass = { change: null, at: 0 };
  const end = { summary, elapsedMs: 0, intervalSeconds: 60, pass };
  await createRunEndStore({ database: on, clean, random: () => 0, teller }).record(end, claim);
  await runs.unheld();
  await runs.list({ connection: 'c7', limit: 10 });
  await createRawEventStore(on).list({ limit: 10, maxBytes: 1_000_000 });
  await createRunPruner(on, { keepDays: 7 }).prune();
}

test('with 100,000 connections no statement of a run, nor of a look for work, reads a whole table', async () => {
  const on = openDatabase(made.url, 'Asia/Shanghai');
  const statements = new Map<string, Statement>();
  on.on('query', (statement: Statement) => statements.set(statement.sql, statement));
  await work(on);
  await on.destroy();
  const client = new pg.Client(made.url);
  await client.connect();
  const wrong: string[] = [];
  await client.query('set plan_cache_mode = force_generic_plan');
  const isExplained = ({ sql }: Statement): boolean =>
    /^\s*(?:select|with|insert|update|delete)\b/i.test(sql);
  const explained = [...statements.values()].filter(isExplained);
  for (const statement of explained) {
    const plan = await explain(client, statement);
    const big = /Seq Scan on (?:run|raw_event|connect\w+|slice_ledger|dataset_frontier)\b/;
    if (big.test(plan)) wrong.push(`${statement.sql}\n${plan}`);
  }
  expect(explained.filter(({ options }) => options?.name !== undefined).length).toBeGreaterThan(8);
  await client.end();
  expect(explained.length).toBeGreaterThan(20);
  expect(wrong).toEqual([]);
});

test('runs of long ago are deleted, but for the newest, the last that went well and the last that was no backfill', async () => {
  await database.raw(`insert into app.run (run_id, connection, trigger, status, started_at, finished_at)
    select gen_random_uuid(), 'a', case when n <= 40 then 'schedule' else 'backfill' end,
      case when n = 10 then 'succeeded' else 'failed' end, now() - interval '30 days' + n * interval '1 minute', now()
    from generate_series(1, 100) n`);
  await database.raw(`insert into app.connection_state (connection) values ('a')`);
  const left = async () => {
    const sql = `select trigger, status, count(*)::int as runs from app.run where connection = 'a' group by 1, 2 order by 1, 2`;
    return (await database.raw<{ rows: unknown[] }>(sql)).rows;
  };
  await createRunPruner(database, { keepDays: 31 }).prune();
  expect(await left()).toHaveLength(3);
  let now = 0;
  const pruner = createRunPruner(database, { keepDays: 29, now: () => now });
  expect(await pruner.prune()).toBe(78);
  expect(await left()).toEqual([
    { trigger: 'backfill', status: 'failed', runs: 20 },
    { trigger: 'schedule', status: 'failed', runs: 1 },
    { trigger: 'schedule', status: 'succeeded', runs: 1 },
  ]);
  // All connections in some hundred batches, and then none for an hour.
  await database.raw(`delete from app.connection_state where connection > 'c1'`);
  for (let batch = 0; batch < 2; batch += 1) expect(await pruner.prune()).toBe(0);
  // Of those that began at the same moment no more are deleted than of others.
  await database.raw(`insert into app.run (run_id, connection, trigger, status, started_at, finished_at)
    select gen_random_uuid(), 'a', 'backfill', 'failed', date_trunc('day', now() - interval '29 days'), now()
    from generate_series(1, 30) n`);
  expect(await pruner.prune()).toBe(0);
  now = 3_600_000;
  expect(await pruner.prune()).toBe(30);
  expect(await left()).toEqual([
    { trigger: 'backfill', status: 'failed', runs: 20 },
    { trigger: 'schedule', status: 'failed', runs: 1 },
    { trigger: 'schedule', status: 'succeeded', runs: 1 },
  ]);
});
