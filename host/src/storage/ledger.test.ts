import { randomUUID } from 'node:crypto';
import { nextFrontiers, planSlices, readForPlan, type PlanInput, type SliceOutcome } from '@on-the-way/core';
import { addDays, daysOf, type DatasetInfo, type Day } from '@on-the-way/sdk';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../test/postgres.ts';
import { revisionsJson, revisionsOf } from '../revisions.ts';
import { openDatabase, type Database } from './database.ts';
import { createLedgerStore, type LedgerStore } from './ledger.ts';
import { migrate } from './migrate.ts';

let made: TestDatabase;
let database: Database;
let store: LedgerStore;

beforeAll(async () => {
  made = await createTestDatabase();
  await migrate(made.url, 'Asia/Shanghai');
  database = openDatabase(made.url, 'Asia/Shanghai');
  store = createLedgerStore(database, (text) => text.replaceAll('secret', '***'));
});

afterAll(async () => {
  await database.destroy();
  await made.drop();
});

const zone = 'Asia/Shanghai';
const noon = (day: Day): number => Date.parse(`${day}T12:00:00+08:00`);
const today = '2026-02-26';

function dataset(name: string, change: Partial<DatasetInfo> = {}): DatasetInfo {
  return {
    name,
    granularity: 'day',
    spanDays: 1,
    settleDays: 2,
    watched: true,
    description: name,
    ...change,
  };
}

const sleep = dataset('sleep');

/** A connection of its own, held by a claim. */
async function connectionOf() {
  const name = `c${randomUUID().slice(0, 8)}`;
  const fence = { connection: name, epoch: 3 };
  await database.raw('insert into app.connection_claim (connection, epoch, host_id) values (?, 3, ?::uuid)', [
    name,
    randomUUID(),
  ]);
  const ledger = store.under(fence);
  const run = { connection: name, runId: randomUUID(), version: '1', at: noon(today) };
  return {
    name,
    ledger,
    record: (outcomes: readonly SliceOutcome[], change: Partial<typeof run> = {}) =>
      ledger.record({ ...run, ...change }, outcomes),
    plan: (change: Partial<PlanInput> = {}) =>
      readForPlan(ledger, name, {
        datasets: [sleep],
        now: noon(today),
        timeZone: zone,
        windowDays: 3,
        version: '1',
        backfillFrom: '2025-10-01',
        ...change,
      }),
  };
}

function outcomes(name: string, days: readonly Day[], change: Partial<SliceOutcome> = {}): SliceOutcome[] {
  return days.map((day) => ({
    dataset: name,
    day,
    outcome: 'ok',
    attempts: 1,
    digest: 'd',
    rowsWritten: 1,
    rowsUnchanged: 0,
    conflicts: 0,
    ...change,
  }));
}

const history = daysOf({ from: '2025-10-01', to: '2026-02-27' });

describe('what a plan reads', () => {
  test('is recent days, failures and what lies outside the frontier, and the plan is the same', async () => {
    const { ledger, record, plan, name } = await connectionOf();
    await record(outcomes('sleep', history));
    await record(outcomes('sleep', ['2025-12-24'], { outcome: 'failed', errorCode: 'source' }));
    const first = await plan();
    expect(first.entries).toHaveLength(history.length);
    const frontiers = nextFrontiers(first);
    expect(frontiers).toMatchObject([{ dataset: 'sleep', from: '2025-10-01', to: '2026-01-30' }]);
    await ledger.frontiers?.save(frontiers);
    expect(await store.frontiers.load(name)).toEqual(frontiers);

    const second = await plan();
    expect(second.entries).toHaveLength(28 + 1);
    expect(planSlices(second)).toEqual(planSlices(first));
    expect(nextFrontiers(second)).toEqual([]);
    // Earlier days are read once they are wanted.
    const raised = await plan({ backfillFrom: '2025-09-29' });
    expect(planSlices(raised).filter(({ reason }) => reason === 'gap')).toHaveLength(2);
  });

  test('is all of a dataset that has no frontier, whatever the others have', async () => {
    const { ledger, record, plan } = await connectionOf();
    await record([...outcomes('sleep', history), ...outcomes('naps', history)]);
    await ledger.frontiers?.save(nextFrontiers(await plan()));
    const both = await plan({ datasets: [sleep, dataset('naps')] });
    expect(both.entries.filter((entry) => entry.dataset === 'naps')).toHaveLength(history.length);
    expect(both.entries.filter((entry) => entry.dataset === 'sleep')).toHaveLength(28);
  });

  test('is everything once after a sign-in, or when an absence that answered for days is over', async () => {
    const { ledger, record, plan } = await connectionOf();
    const notSupported = 'This account has none';
    await record(outcomes('sleep', history, { outcome: 'not_supported', attempts: 0 }));
    const absent = { datasets: [dataset('sleep', { notSupported })] };
    await ledger.frontiers?.save(nextFrontiers(await plan(absent)));
    expect((await plan(absent)).entries).toHaveLength(28);
    const over = await plan();
    expect(over.entries).toHaveLength(history.length);
    expect(planSlices(over)).toHaveLength(history.length);
    expect((await plan({ ...absent, signedInAt: noon(today) })).entries).toHaveLength(history.length);
  });
});

describe('a frontier', () => {
  const old = addDays(today, -60);

  test('is forgotten with an answer that tells whether its dataset is absent, and no other', async () => {
    const { ledger, record, plan, name } = await connectionOf();
    const kept = async () => (await store.frontiers.load(name)).length;
    const silent = history.filter((day) => day > old);
    await record(outcomes('sleep', history));
    await record(outcomes('sleep', silent, { outcome: 'no_data' }));
    await ledger.frontiers?.save(nextFrontiers(await plan()));
    await record(outcomes('sleep', [addDays(old, -1)], { outcome: 'no_data' }));
    await record(outcomes('sleep', [today], { outcome: 'no_data' }));
    expect(await kept()).toBe(1);
    await record(outcomes('sleep', [old], { outcome: 'no_data' }));
    expect(await kept()).toBe(0);
  });

  test('is kept while the failure that ends its newest days fails again', async () => {
    const { ledger, record, plan, name } = await connectionOf();
    await record(outcomes('sleep', history, { outcome: 'no_data' }));
    const failed = outcomes('sleep', [old], { outcome: 'failed', errorCode: 'source' });
    await record(failed);
    await ledger.frontiers?.save(nextFrontiers(await plan()));
    await record(failed);
    expect(await store.frontiers.load(name)).toHaveLength(1);
    await record(outcomes('sleep', [old]));
    expect(await store.frontiers.load(name)).toEqual([]);
  });

  test('is not written once another host has the connection', async () => {
    const { ledger, record, plan, name } = await connectionOf();
    await record(outcomes('sleep', history));
    const frontiers = nextFrontiers(await plan());
    await database.raw('update app.connection_claim set epoch = 4 where connection = ?', [name]);
    await expect(ledger.frontiers?.save(frontiers)).rejects.toMatchObject({ code: 'fenced' });
    expect(await store.frontiers.load(name)).toEqual([]);
  });
});

describe('days that fail again and again', () => {
  const days = ['2025-12-01', '2025-12-02', '2025-12-09'];
  const failed = (attempts: number, setAsideAfter?: number) =>
    outcomes('sleep', days, {
      outcome: 'failed',
      attempts,
      errorCode: 'bad_data',
      errorMessage: 'a secret that is no number',
      ...(setAsideAfter !== undefined && { setAsideAfter }),
    });
  const lettersOf = async (name: string) =>
    (
      await database.raw<{ rows: Record<string, unknown>[] }>(
        `select kind, dataset, from_day::text, to_day::text, attempts, error_code, error_message, plugin_version
         from app.dead_letter where connection = ? order by from_day`,
        [name],
      )
    ).rows;

  test('are set aside with their letters at the tenth attempt, and left out of plans then', async () => {
    const { record, plan, name } = await connectionOf();
    await record(outcomes('sleep', history));
    await record(failed(9));
    await record(failed(0, 10));
    expect(await lettersOf(name)).toEqual([]);
    expect(
      planSlices(await plan({ rereadLive: true })).filter(({ reason }) => reason === 'retry'),
    ).toHaveLength(3);
    await record(failed(1, 10));
    const about = {
      kind: 'slice',
      dataset: 'sleep',
      attempts: 10,
      error_code: 'bad_data',
      error_message: 'a *** that is no number',
      plugin_version: '1',
    };
    expect(await lettersOf(name)).toEqual([
      { ...about, from_day: '2025-12-01', to_day: '2025-12-03' },
      { ...about, from_day: '2025-12-09', to_day: '2025-12-10' },
    ]);
    expect(planSlices(await plan({ rereadLive: true })).filter(({ reason }) => reason === 'retry')).toEqual(
      [],
    );
    expect(planSlices(await plan({ version: '2' })).filter(({ reason }) => reason === 'retry')).toHaveLength(
      3,
    );
  });

  test('stay set aside while they fail, with no second letter, and are as any other once they have an answer', async () => {
    const { record, plan, name } = await connectionOf();
    await record(failed(12, 10), { at: noon(today) - 1000 });
    await database.raw('delete from app.dead_letter where connection = ?', [name]);
    await record(failed(1), { version: '2' });
    await record(failed(1, 10), { version: '2' });
    expect(await lettersOf(name)).toEqual([]);
    const entries = async () => (await plan({ version: '2' })).entries.map((entry) => entry.setAsideBy);
    expect(await entries()).toEqual(['2', '2', '2']);
    await record(outcomes('sleep', days));
    expect(await entries()).toEqual([undefined, undefined, undefined]);
  });
});

test('which days changed after they were first read, how often and how late, is told by dataset', async () => {
  const { name, record } = await connectionOf();
  const window = { from: '2026-02-01', to: '2026-02-11' };
  const days = daysOf(window);
  await record([...outcomes('sleep', days), ...outcomes('naps', days)], { at: noon('2026-02-11') });
  const changed = (at: Day, of: readonly Day[], digest: string) =>
    record(outcomes('sleep', of, { digest }), { at: noon(at) });
  await changed('2026-02-12', days.slice(8), 'e');
  await changed('2026-02-14', ['2026-02-10'], 'f');
  // Failing, and the same answer again, are no changes.
  await record(outcomes('sleep', ['2026-02-03'], { outcome: 'failed' }));
  await changed('2026-02-20', ['2026-02-03'], 'd');
  const revisions = await revisionsOf(store, name, window);
  expect(revisionsJson(revisions, zone)).toMatchObject({
    from: '2026-02-01',
    to: '2026-02-10',
    days: [
      { dataset: 'sleep', day: '2026-02-09', revisions: 1, days_late: 3 },
      { dataset: 'sleep', day: '2026-02-10', revisions: 2, days_late: 4 },
    ],
    datasets: [
      { dataset: 'naps', days: 10, changed: 0, median_days_late: null, most_days_late: null },
      { dataset: 'sleep', days: 10, changed: 2, median_days_late: 3, p95_days_late: 4, most_days_late: 4 },
    ],
  });
});
