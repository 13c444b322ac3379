import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { createMigratedDatabase, type TestDatabase } from '../../test/postgres.ts';
import { openDatabase, type Database } from './database.ts';
import { createDueRuns } from './due-runs.ts';

// 8,500 connections of other hosts, all of which have been due for longer than this host's own.
let made: TestDatabase;
let database: Database;
let statements = 0;

beforeAll(async () => {
  made = await createMigratedDatabase();
  database = openDatabase(made.url, 'Asia/Shanghai');
  await database.raw(`insert into app.connection_state (connection, next_run_at)
    select 'theirs ' || n, now() - interval '1 day' from generate_series(1, 8500) n`);
  await database.raw(`insert into app.connection_state (connection, next_run_at)
    select 'ours ' || n, now() + interval '1 hour' from generate_series(1, 3) n`);
  database.on('query', () => (statements += 1));
});

afterAll(async () => {
  await database.destroy();
  await made.drop();
});

const dueNow = (): Promise<unknown> =>
  database.raw(`update app.connection_state set next_run_at = now() where connection like 'ours%'`);

beforeEach(() => {
  statements = 0;
});

const ours = (count: number): Set<string> =>
  new Set(Array.from({ length: count }, (_, n) => `ours ${n + 1}`));

test('a host with few connections finds its own with one statement, however many of others are due', async () => {
  const dueRuns = createDueRuns(database);
  expect(await dueRuns.take(ours(3), 10)).toEqual([]);
  expect(statements).toBe(1);
  await dueNow();
  expect(await dueRuns.take(ours(3), 2)).toHaveLength(2);
  expect(await dueRuns.take(ours(3), 2)).toHaveLength(1);
  expect(await dueRuns.take(new Set<string>(), 2)).toEqual([]);
});

test('a host with very many reads a few pages a look, and goes on from there until it finds its own', async () => {
  await dueNow();
  const dueRuns = createDueRuns(database);
  statements = 0;
  const taken: number[] = [];
  for (let look = 0; look < 4; look += 1) taken.push((await dueRuns.take(ours(6_000), 2)).length);
  // Two looks at those of others; those that were found and not taken wait only until the next look.
  expect(taken).toEqual([0, 0, 2, 1]);
  expect(statements).toBe(4 + 4 + 2 + 2);
  // What is due since is found as well, from the front again.
  await dueNow();
  for (let look = 0; look < 3; look += 1) taken.push((await dueRuns.take(ours(6_000), 3)).length);
  expect(taken.slice(4)).toEqual([0, 0, 3]);
});
