import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { HostRun, HostRunRequest, SuiteHost } from '@on-the-way/sdk/testing';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createMigratedDatabase, type TestDatabase } from '../../test/postgres.ts';
import { scriptedPlugin, startScriptedSource, type ScriptedSource } from '../../test/scripted-source.ts';
import { startRotatingSource } from '../../test/rotating-source.ts';
import { startSuiteHost } from './index.ts';

const fixture = (name: string): string =>
  pathToFileURL(join(import.meta.dirname, '../../test/fixtures', `${name}.ts`)).href;

const window = { from: '2026-02-26', to: '2026-02-28' };
let source: ScriptedSource;
let database: TestDatabase;
let host: SuiteHost;

beforeAll(async () => {
  source = await startScriptedSource();
  database = await createMigratedDatabase();
  host = await startSuiteHost({ databaseUrl: database.url });
});
afterAll(async () => {
  await host.close();
  await database.drop();
  await source.close();
});

function runScripted(changes: Partial<HostRunRequest> = {}): Promise<HostRun> {
  return host.run({
    connection: 'scripted',
    module: pathToFileURL(scriptedPlugin).href,
    config: { origin: source.origin, datasets: { steps: { granularity: 'day' } } },
    timeZone: 'Asia/Shanghai',
    window,
    ...changes,
  });
}

/** Of the connection, by outcome. */
function eventsOf({ metrics }: HostRun, connection = 'scripted'): Record<string, number> {
  const found: Record<string, number> = {};
  const counted = new RegExp(
    `^otw_events_(read_)?total\\{connection="${connection}"(?:,outcome="(\\w+)")?\\} (\\d+)$`,
    'gm',
  );
  for (const [, , label = 'read', value] of metrics.matchAll(counted)) found[label] = Number(value);
  return found;
}

test('the days of a request are read and stored, and the metrics count on from run to run', async () => {
  const first = await runScripted();
  expect(first.status).toBe('succeeded');
  expect(eventsOf(first)).toMatchObject({ read: 2, written: 2, unchanged: 0 });
  const second = await runScripted();
  expect(eventsOf(second)).toMatchObject({ read: 4, written: 2, unchanged: 2 });
  expect(second.metrics).toContain('otw_runs_total{connection="scripted",status="succeeded"} 2');
  expect(second.said.match(/run finished/g)).toHaveLength(1);
});

test('without days it reads today', async () => {
  source.requests();
  await host.run({
    connection: 'today',
    module: pathToFileURL(scriptedPlugin).href,
    config: { origin: source.origin, datasets: { steps: { granularity: 'day' } } },
    timeZone: 'Asia/Shanghai',
  });
  const asked = source.requests().filter((request) => request.startsWith('steps'));
  expect(asked).toEqual([expect.stringMatching(/^steps \d{4}-\d\d-\d\d$/)]);
});

test('a rate limit is a failed run that says so, and until when nothing is asked of that connection', async () => {
  const usual = source.answer;
  source.answer = () => ({ error: { code: 'rate_limited', message: 'Too many', retryAfterMs: 600_000 } });
  const limited = await runScripted({ connection: 'limited' });
  source.answer = usual;
  expect(limited).toMatchObject({
    status: 'failed',
    error: expect.stringMatching(/^rate_limited: Too many/),
  });
  const pauseMs = Date.parse(limited.notBefore ?? '') - Date.now();
  expect(pauseMs).toBeGreaterThan(500_000);
  expect(pauseMs).toBeLessThanOrEqual(600_000);
  source.requests();
  expect((await runScripted({ connection: 'limited' })).error).toMatch(/^rate_limited: /);
  expect(source.requests()).toEqual([]);
  const other = await runScripted({ connection: 'other' });
  expect(other.status).toBe('succeeded');
  expect(other.notBefore).toBeUndefined();
});

test('what a connector says, throws and cannot store is said, without what it marked secret', async () => {
  const password = 'canary-password-4711';
  const { said, status } = await host.run({
    connection: 'indiscreet',
    module: fixture('indiscreet'),
    config: { password },
    timeZone: 'UTC',
    window: { from: '2026-02-26', to: '2026-02-27' },
  });
  expect(status).toBe('partial');
  // Its log, what it printed, the error of a dataset, the dead letter.
  expect(said).toContain('signed in with');
  expect(said).toContain('on stderr');
  expect(said).toContain('https://me:[redacted]@source.example');
  expect(said).toMatch(/"payload":.*\\\\u0000/);
  expect(said).not.toContain(password);
});

test('tokens are there as an earlier run would have saved them', async () => {
  const rotating = await startRotatingSource();
  const { status, error } = await host.run({
    connection: 'rotating',
    module: fixture('rotating'),
    config: { origin: rotating.origin },
    tokens: { session: rotating.session() },
    timeZone: 'UTC',
  });
  await rotating.close();
  expect({ status, error }).toEqual({ status: 'succeeded', error: undefined });
});

test('a sink of a request gets the events instead of the database', async () => {
  const other = await createMigratedDatabase();
  const config = { connectionString: other.url };
  const sink = { module: import.meta.resolve('../../../plugins/postgres/src/index.ts'), config };
  const run = await runScripted({ connection: 'elsewhere', sink });
  expect(eventsOf(run, 'elsewhere')).toMatchObject({ read: 2, written: 2 });
  const client = new pg.Client(other.url);
  await client.connect();
  const { rows } = await client.query('select count(*)::int as stored from raw.raw_event');
  await client.end();
  await other.drop();
  expect(rows).toEqual([{ stored: 2 }]);
});

test('without an address it starts a Postgres of its own, and takes it away', async () => {
  const own = await startSuiteHost();
  const run = await own.run({
    connection: 'hello',
    module: import.meta.resolve('../../../examples/hello-connector/index.ts'),
    config: {},
    timeZone: 'UTC',
    window,
  });
  expect(eventsOf(run, 'hello')).toMatchObject({ written: 2 });
  await own.close();
  // Closing what was never used starts nothing.
  await (await startSuiteHost()).close();
});
