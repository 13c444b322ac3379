import { randomUUID } from 'node:crypto';
import { nextFrontiers, planSlices, readForPlan, type PlanInput, type SliceOutcome } from '@on-the-way/core';
import { addDays, daysOf, type DatasetInfo, type Day } from '@on-the-way/sdk';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createMigratedDatabase, type TestDatabase } from '../../test/postgres.ts';
import { revisionsJson, revisionsOf } from '../revisions.ts';
import { openDatabase, type Database } from './database.ts';
import { createLedgerStore, type LedgerStore } from './ledger.ts';

let made: TestDatabase;
let database: Database;
let store: LedgerStore;

beforeAll(async () => {
  made = await createMigratedDatabase();
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
      errorCode: setAsideAfter === undefined ? 'transient' : 'bad_data',
      errorMessage: 'a secret that is no number',
      ...(setAsideAfter !== undefined && { setAsideAfter }),
    });
  type Connection = Awaited<ReturnType<typeof connectionOf>>;
  const times = async (count: number, { record }: Connection, change = {}) => {
    for (let run = 0; run < count; run += 1) await record(failed(3, 10), change);
  };
  const retries = async ({ plan }: Connection, change: Partial<PlanInput>) =>
    planSlices(await plan(change)).filter(({ reason }) => reason === 'retry').length;
  const lettersOf = async (name: string) =>
    (
      await database.raw<{ rows: Record<string, unknown>[] }>(
        `select kind, dataset, from_day::text, to_day::text, attempts, error_code, error_message, plugin_version
         from app.dead_letter where connection = ? order by from_day`,
        [name],
      )
    ).rows;

  test('are set aside with their letters by the tenth run with a bad answer, and left out of plans then', async () => {
    const connection = await connectionOf();
    const { record, name } = connection;
    await record(outcomes('sleep', history));
    // Tries count once a run, and a network that is away not at all.
    await record(failed(70));
    await times(9, connection);
    await record(failed(3));
    expect(await lettersOf(name)).toEqual([]);
    expect(await retries(connection, { rereadLive: true })).toBe(3);
    await record(failed(1, 10));
    const about = {
      kind: 'slice',
      dataset: 'sleep',
      attempts: 101,
      error_code: 'bad_data',
      error_message: 'a *** that is no number',
      plugin_version: '1',
    };
    expect(await lettersOf(name)).toEqual([
      { ...about, from_day: '2025-12-01', to_day: '2025-12-03' },
      { ...about, from_day: '2025-12-09', to_day: '2025-12-10' },
    ]);
    expect(await retries(connection, { rereadLive: true })).toBe(0);
    expect(await retries(connection, { version: '2', now: noon(today) + 3_600_000 })).toBe(3);
  });

  test('count their bad answers anew once they have had a good one', async () => {
    const connection = await connectionOf();
    await times(9, connection);
    await connection.record(outcomes('sleep', days));
    await times(9, connection);
    expect(await lettersOf(connection.name)).toEqual([]);
    await times(1, connection);
    expect(await lettersOf(connection.name)).toHaveLength(2);
  });

  test('are asked for by another version until it has had an answer, also when the network was away meanwhile', async () => {
    const connection = await connectionOf();
    await times(10, connection);
    const next = { version: '2', at: noon(today) };
    await connection.record(failed(3), next);
    const later = { now: noon(addDays(today, 3)), version: '2' };
    expect(await retries(connection, later)).toBe(3);
    expect(await retries(connection, { ...later, version: '1' })).toBe(0);
    await times(1, connection, next);
    expect(await retries(connection, later)).toBe(0);
    expect(await retries(connection, { ...later, version: '3' })).toBe(3);
  });

  test('stay set aside while they fail, with no second letter, and are as any other once they have an answer', async () => {
    const connection = await connectionOf();
    const { record, plan, name } = connection;
    await times(10, connection, { at: noon(today) - 1000 });
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

test('a failed day of what is read as it is now is answered for by the next run that reads it to the end', async () => {
  const { name, record } = await connectionOf();
  const failed = { outcome: 'failed', errorCode: 'transient', errorMessage: 'away', rowsWritten: 0 } as const;
  await record([
    ...outcomes('events', ['2026-02-20'], failed),
    ...outcomes('events', ['2026-02-21'], { ...failed, rowsWritten: 7 }),
    ...outcomes('sleep', ['2026-02-21'], failed),
  ]);
  const shown = async () =>
    (await store.coverage(name, '2026-02-20', '2026-02-24')).map(
      ({ dataset: of, day, outcome, errorCode }) => `${of} ${day.slice(8)} ${outcome} ${errorCode}`,
    );
  await record(outcomes('events', ['2026-02-22'], { outcome: 'no_data' }));
  expect((await shown()).filter((line) => line.includes('failed'))).toHaveLength(3);
  await record(outcomes('events', ['2026-02-23'], { coversEarlier: true }));
  expect(await shown()).toEqual([
    'events 20 no_data null',
    'events 21 ok null',
    'events 22 no_data null',
    'events 23 ok null',
    'sleep 21 failed transient',
  ]);
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
