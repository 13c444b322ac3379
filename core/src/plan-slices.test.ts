import { addDays, countDays, dayAt, daysOf, startOfDay, type DatasetInfo, type Day } from '@on-the-way/sdk';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { setAsideAfterOf } from './failed-days.ts';
import { planSlices, type Slice } from './plan-slices.ts';
import type { LedgerEntry, Outcome } from './ports.ts';
import { isFinal, type PlanInput } from './wanted-days.ts';

const zone = 'Asia/Shanghai';
const hourMs = 3_600_000;
const noon = (day: Day, timeZone = zone): number => startOfDay(day, timeZone) + 12 * hourMs;

function dataset(name: string, change: Partial<DatasetInfo> = {}): DatasetInfo {
  return { name, granularity: 'day', spanDays: 1, settleDays: 2, description: name, ...change };
}

const sleep = dataset('sleep');

/** A plan for 2026-02-26 at noon: window 3, backfill 10, nothing known. */
function plan(change: Partial<PlanInput> = {}): Slice[] {
  return planSlices({
    datasets: [sleep],
    entries: [],
    now: noon('2026-02-26'),
    timeZone: zone,
    windowDays: 3,
    backfillFrom: '2026-02-17',
    ...change,
  });
}

function entry(day: Day, change: Partial<LedgerEntry> = {}): LedgerEntry {
  return { dataset: 'sleep', day, outcome: 'ok', attempts: 1, lastAttemptAt: noon('2026-02-26'), ...change };
}

/** What the ledger holds after all slices of a plan ended at `at` with the outcome. */
function answered(slices: readonly Slice[], at: number, outcome: Outcome = 'ok'): LedgerEntry[] {
  return slices.flatMap((slice) =>
    daysOf(slice.window).map((day) => entry(day, { dataset: slice.dataset, outcome, lastAttemptAt: at })),
  );
}

function merged(...ledgers: LedgerEntry[][]): LedgerEntry[] {
  return [...new Map(ledgers.flat().map((known) => [`${known.dataset} ${known.day}`, known])).values()];
}

const daysIn = (slices: readonly Slice[]): Day[] => slices.flatMap(({ window }) => daysOf(window)).toSorted();
const days = (from: Day, to: Day): Day[] => daysOf({ from, to });
const told = (slices: readonly Slice[]) => slices.map(({ window, reason }) => `${reason} ${window.from}`);

describe('from run to run, with a window of 3 days and 10 days of history', () => {
  const firstAt = noon('2026-02-26');
  const first = plan();
  const known = answered(first, firstAt);

  test('the first run asks for the history, the window first, newest first', () => {
    expect(told(first)).toEqual([
      'live 2026-02-26',
      'live 2026-02-25',
      'live 2026-02-24',
      'gap 2026-02-23',
      'gap 2026-02-22',
      'gap 2026-02-21',
      'gap 2026-02-20',
      'gap 2026-02-19',
      'gap 2026-02-18',
      'gap 2026-02-17',
    ]);
  });

  test('a run hours later asks for the window alone', () => {
    const later = plan({ entries: known, now: firstAt + 5 * hourMs });
    expect(told(later)).toEqual(['live 2026-02-26', 'live 2026-02-25', 'live 2026-02-24']);
  });

  test('the next day’s run asks for the new day and the two before it', () => {
    const next = plan({ entries: known, now: noon('2026-02-27') });
    expect(daysIn(next)).toEqual(days('2026-02-25', '2026-02-28'));
  });

  test('raising the history later asks for the missing days and nothing that is there', () => {
    const raised = plan({ entries: known, now: firstAt + 5 * hourMs, backfillFrom: '2026-02-12' });
    expect(daysIn(raised)).toEqual([
      ...days('2026-02-12', '2026-02-17'),
      ...days('2026-02-24', '2026-02-27'),
    ]);
  });

  test('lowering the history asks for no less than the window', () => {
    expect(daysIn(plan({ backfillFrom: '2026-02-26' }))).toEqual(days('2026-02-24', '2026-02-27'));
    expect(daysIn(plan({ backfillFrom: '2026-03-05' }))).toEqual(days('2026-02-24', '2026-02-27'));
  });

  test('a window of one day is today', () => {
    expect(daysIn(plan({ windowDays: 1, backfillFrom: '2026-02-26' }))).toEqual(['2026-02-26']);
  });

  test('a window wider than the history asks for the window', () => {
    expect(daysIn(plan({ windowDays: 5, backfillFrom: '2026-02-25' }))).toEqual(
      days('2026-02-22', '2026-02-27'),
    );
  });

  test('a host that was off for 20 days asks for each day it missed', () => {
    const back = plan({ entries: known, now: noon('2026-03-18') });
    expect(daysIn(back)).toEqual(
      // 02-25 and 02-26 were asked for before they had settled.
      days('2026-02-25', '2026-03-19'),
    );
    expect(back.slice(0, 3).map(({ reason }) => reason)).toEqual(['live', 'live', 'live']);
    expect(told(back)).toContain('gap 2026-02-27');
    expect(told(back)).toContain('unsettled 2026-02-26');
  });

  test('an interrupted run leaves gaps for the next', () => {
    const half = answered(first.slice(0, 6), firstAt);
    const next = plan({ entries: half, now: firstAt + hourMs });
    expect(daysIn(next)).toEqual([...days('2026-02-17', '2026-02-21'), ...days('2026-02-24', '2026-02-27')]);
  });

  test('an entry of another dataset answers for nothing here', () => {
    const others = known.map((other) => ({ ...other, dataset: 'naps' }));
    expect(daysIn(plan({ entries: others }))).toEqual(days('2026-02-17', '2026-02-27'));
  });
});

describe('days that failed', () => {
  const failed = (day: Day, attempts: number) => entry(day, { outcome: 'failed', attempts });

  test('are asked for again in each run, also those before the history begins', () => {
    const entries = [
      ...answered(plan(), noon('2026-02-26')),
      failed('2026-02-20', 1),
      failed('2025-11-03', 1),
    ];
    const next = plan({ entries: merged(entries), now: noon('2026-02-26') + hourMs });
    expect(told(next).slice(3)).toEqual(['retry 2026-02-20', 'retry 2025-11-03']);
  });

  test('come after live days, by turns with gaps; the one that failed least often first, then the newest', () => {
    const entries = [
      failed('2026-02-20', 7),
      failed('2026-02-18', 2),
      failed('2026-02-21', 2),
      failed('2026-02-25', 9),
    ];
    expect(told(plan({ entries, rereadLive: true }))).toEqual([
      'live 2026-02-26',
      'live 2026-02-25',
      'live 2026-02-24',
      'gap 2026-02-23',
      'retry 2026-02-21',
      'gap 2026-02-22',
      'retry 2026-02-18',
      'gap 2026-02-19',
      'retry 2026-02-20',
      'gap 2026-02-17',
    ]);
  });

  test('and what was never asked for or may have changed keep one another waiting for one slice at most', () => {
    const at = { lastAttemptAt: noon('2026-02-22') };
    const reasons = (change: Partial<PlanInput>) =>
      plan({ datasets: [dataset('sleep', { settleDays: 14 })], windowDays: 4, ...change })
        .slice(4)
        .map(({ reason }) => reason);
    const entries = [
      ...days('2025-01-01', '2025-10-28').map((day, index) => ({ ...failed(day, 1 + (index % 9)), ...at })),
      ...['2026-02-20', '2026-02-21'].map((day) => entry(day, at)),
    ];
    const [retries, fresh] = [Array<string>(300).fill('retry'), ['gap', 'gap', 'unsettled', 'unsettled']];
    expect(reasons({ entries, backfillFrom: '2026-02-19' })).toEqual([
      ...fresh.flatMap((reason, turn) => [reason, retries[turn]]),
      ...retries.slice(4),
    ]);
    const history = { entries: [{ ...failed('2026-02-20', 9), ...at }], backfillFrom: '2023-02-26' };
    expect(reasons(history).slice(0, 3)).toEqual(['gap', 'retry', 'gap']);
  });

  test('rest twice as long after each attempt, a day at most, unless a person waits', () => {
    const at = noon('2026-02-26');
    const isAsked = (attempts: number, minutes: number, change: Partial<PlanInput> = {}): boolean =>
      told(
        plan({ entries: [failed('2026-02-20', attempts)], now: at + minutes * 60_000, ...change }),
      ).includes('retry 2026-02-20');
    const rests = (attempts: number): number =>
      [0, 30, 60, 120, 240, 480, 960, 1200].find((minutes) => isAsked(attempts, minutes)) ?? Infinity;
    expect([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 400].map(rests)).toEqual([
      0, 0, 0, 30, 60, 120, 240, 480, 960, 1200, 1200,
    ]);
    expect(isAsked(9, 959)).toBe(false);
    expect(isAsked(9, 0, { rereadLive: true })).toBe(true);
  });

  test('and were set aside are left to a person, to another version of the plugin, or to the window', () => {
    const entries = ['2026-02-20', '2026-02-25'].map((day) =>
      entry(day, { outcome: 'failed', attempts: 12, lastAttemptAt: noon('2026-02-01'), setAsideBy: '1' }),
    );
    const asked = (change: Partial<PlanInput>): string[] =>
      told(plan({ entries, ...change })).filter((slice) => /02-20|02-25/.test(slice));
    expect(asked({ version: '1' })).toEqual(['live 2026-02-25']);
    expect(asked({ version: '1', rereadLive: true })).toEqual(['live 2026-02-25']);
    expect(asked({ version: '2' })).toEqual(['live 2026-02-25', 'retry 2026-02-20']);
    expect(asked({ version: '1', only: { from: '2026-02-20', to: '2026-02-21' } })).toEqual([
      'asked 2026-02-20',
    ]);
  });

  test('and were set aside are asked for by another version once an hour has passed, and by it as any other until it had an answer', () => {
    const at = noon('2026-02-26');
    const met = (change: Partial<LedgerEntry>): LedgerEntry[] => [
      entry('2026-02-20', { outcome: 'failed', attempts: 12, lastAttemptAt: at, setAsideBy: '1', ...change }),
    ];
    const isAsked = (entries: LedgerEntry[], hours = 0): boolean =>
      told(plan({ entries, version: '2', now: at + hours * hourMs })).includes('retry 2026-02-20');
    expect(isAsked(met({ askedBy: '1' }), 0.9)).toBe(false);
    expect(isAsked(met({ askedBy: '1' }), 1)).toBe(true);
    expect(isAsked(met({ askedBy: '2' }), 19)).toBe(false);
    expect(isAsked(met({ askedBy: '2' }), 20)).toBe(true);
    expect(isAsked(met({ askedBy: '2', setAsideBy: '2' }), 20)).toBe(false);
  });

  test('are set aside after ten runs where time does not mend it, but never in the window', () => {
    expect(setAsideAfterOf('retry', 'bad_data')).toBe(10);
    expect(setAsideAfterOf('gap', 'plugin_bug')).toBe(10);
    expect(setAsideAfterOf('live', 'bad_data')).toBeUndefined();
    expect(setAsideAfterOf('asked', 'bad_data')).toBeUndefined();
    for (const code of ['transient', 'rate_limited', 'auth', 'needs_user', 'budget_spent', 'breaker_open']) {
      expect(setAsideAfterOf('retry', code), code).toBeUndefined();
    }
  });

  test('are never final, however old', () => {
    expect(isFinal(failed('2020-01-01', 50), 1, zone)).toBe(false);
  });
});

describe('days that may still change', () => {
  const slow = dataset('sleep', { settleDays: 14 });
  const settling = (lastAttemptAt: number) => [
    ...answered(plan(), noon('2026-02-26')).filter(({ day }) => day !== '2026-02-17'),
    entry('2026-02-17', { lastAttemptAt }),
  ];
  const at = noon('2026-02-26');
  const asks = (entries: LedgerEntry[], now = at) =>
    told(plan({ datasets: [slow], entries, now })).filter((line) => line.includes('2026-02-17'));

  test('are asked for once a day, after everything else', () => {
    expect(asks(settling(at - 19 * hourMs))).toEqual([]);
    expect(asks(settling(at - 20 * hourMs))).toEqual(['unsettled 2026-02-17']);
    expect(told(plan({ datasets: [slow], entries: settling(at - 20 * hourMs) })).at(-1)).toBe(
      'unsettled 2026-02-17',
    );
  });

  test('are asked for once more after they have settled, and then never again', () => {
    // 2026-02-17 settles when 2026-03-03 begins.
    const settledAt = startOfDay('2026-03-03', zone);
    expect(asks(settling(settledAt - 1), settledAt + 24 * hourMs)).toEqual(['unsettled 2026-02-17']);
    expect(asks(settling(settledAt), settledAt + 24 * hourMs)).toEqual([]);
    expect(asks(settling(settledAt), settledAt + 500 * 24 * hourMs)).toEqual([]);
  });

  test.each<Outcome>(['ok', 'no_data', 'not_supported'])('the outcome %s becomes final', (outcome) => {
    const settled = entry('2026-02-17', { outcome, lastAttemptAt: startOfDay('2026-03-03', zone) });
    expect(isFinal(settled, 14, zone)).toBe(true);
    expect(isFinal({ ...settled, lastAttemptAt: settled.lastAttemptAt - 1 }, 14, zone)).toBe(false);
  });

  test('a day is never final on that day, even where answers settle at once', () => {
    expect(isFinal(entry('2026-02-26', { lastAttemptAt: noon('2026-02-26') }), 0, zone)).toBe(false);
    expect(isFinal(entry('2026-02-26', { lastAttemptAt: startOfDay('2026-02-27', zone) }), 0, zone)).toBe(
      true,
    );
  });
});

describe('snapshots', () => {
  const devices = dataset('devices', { granularity: 'snapshot' });

  test('are asked for today alone, whatever was missed or failed', () => {
    const entries = [entry('2026-02-20', { dataset: 'devices', outcome: 'failed' })];
    expect(plan({ datasets: [devices], entries })).toEqual([
      { dataset: 'devices', window: { from: '2026-02-26', to: '2026-02-27' }, reason: 'live' },
    ]);
  });

  test('are left out when a person asks for days without today', () => {
    expect(plan({ datasets: [devices], only: { from: '2026-02-01', to: '2026-02-26' } })).toEqual([]);
    expect(plan({ datasets: [devices], only: { from: '2026-02-01', to: '2026-02-27' } })).toEqual([
      { dataset: 'devices', window: { from: '2026-02-26', to: '2026-02-27' }, reason: 'asked' },
    ]);
  });
});

describe('datasets that answer for several days', () => {
  const weight = dataset('weight', { granularity: 'range', spanDays: 28 });
  const known = (from: Day, to: Day) =>
    days(from, to).map((day) =>
      entry(day, { dataset: 'weight', lastAttemptAt: noon('2026-02-26') - hourMs }),
    );

  test('are asked in spans, and a span is as urgent as its most urgent day', () => {
    const slices = plan({ datasets: [weight], backfillFrom: '2026-01-10' });
    expect(slices).toEqual([
      { dataset: 'weight', window: { from: '2026-02-07', to: '2026-02-27' }, reason: 'live' },
      { dataset: 'weight', window: { from: '2026-01-10', to: '2026-02-07' }, reason: 'gap' },
    ]);
  });

  test('are not asked for days between that have an answer', () => {
    const slices = plan({
      datasets: [weight],
      backfillFrom: '2026-02-01',
      entries: known('2026-02-05', '2026-02-20'),
    });
    expect(slices.map(({ window }) => window)).toEqual([
      { from: '2026-02-20', to: '2026-02-27' },
      { from: '2026-02-01', to: '2026-02-05' },
    ]);
  });

  test('are asked again for the one day that failed', () => {
    const failed = entry('2026-02-10', { dataset: 'weight', outcome: 'failed' });
    const slices = plan({ datasets: [weight], entries: merged(known('2026-02-01', '2026-02-27'), [failed]) });
    expect(told(slices)).toEqual(['live 2026-02-24', 'retry 2026-02-10']);
  });
});

describe('when a person asks', () => {
  test('for days, they are asked for though final, and nothing else is', () => {
    const entries = answered(plan(), noon('2026-12-31'));
    const slices = plan({ entries, only: { from: '2025-12-30', to: '2026-01-02' } });
    expect(told(slices)).toEqual(['asked 2026-01-01', 'asked 2025-12-31', 'asked 2025-12-30']);
    expect(daysIn(plan({ entries, only: { from: '2026-02-18', to: '2026-02-20' } }))).toEqual(
      days('2026-02-18', '2026-02-20'),
    );
  });

  test('days after today are left out', () => {
    expect(daysIn(plan({ only: { from: '2026-02-25', to: '2026-04-01' } }))).toEqual([
      '2026-02-25',
      '2026-02-26',
    ]);
    expect(plan({ only: { from: '2026-02-27', to: '2026-04-01' } })).toEqual([]);
  });

  test('for datasets, the others are left out, and unknown names change nothing', () => {
    const datasets = [sleep, dataset('stress'), dataset('steps')];
    const slices = plan({ datasets, onlyDatasets: ['steps', 'oops'], backfillFrom: '2026-02-26' });
    expect(slices.map((slice) => slice.dataset)).toEqual(['steps', 'steps', 'steps']);
    expect(plan({ datasets, onlyDatasets: ['oops'] })).toEqual([]);
  });
});

describe('what a person wants of the past', () => {
  const past = { window: { from: '2026-01-10', to: '2026-01-14' } };
  const entries = [
    entry('2026-01-11'),
    entry('2026-01-12', { outcome: 'failed', attempts: 2, lastAttemptAt: noon('2026-02-25') }),
  ];

  test('comes after everything else, the newest day first, without what has its answer', () => {
    const all = told(plan({ entries, backfills: [past] }));
    expect(all.slice(-2)).toEqual(['backfill 2026-01-13', 'backfill 2026-01-10']);
    // What failed is left to the schedule, which asks for it anyway.
    expect(all).toContain('retry 2026-01-12');
  });

  test('can be all there is to do, in parts', () => {
    const scope = 'backfill';
    expect(told(plan({ entries, backfills: [past], scope }))).toEqual([
      'backfill 2026-01-13',
      'backfill 2026-01-10',
    ]);
    expect(told(plan({ entries, backfills: [past], scope, sliceLimit: 1 }))).toEqual(['backfill 2026-01-13']);
    // A dataset whose newest days are left does not take all of the room.
    const done = days('2026-01-11', '2026-01-14').map((day) => entry(day, { dataset: 'naps' }));
    const both = { datasets: [sleep, dataset('naps')], entries: done, backfills: [past], scope } as const;
    expect(plan({ ...both, sliceLimit: 3 }).map((slice) => [slice.dataset, slice.window.from])).toEqual([
      ['sleep', '2026-01-13'],
      ['sleep', '2026-01-12'],
      ['naps', '2026-01-10'],
    ]);
    expect(plan({ entries, scope })).toEqual([]);
    expect(plan({ entries, backfills: [{ ...past, datasets: ['naps'] }], scope })).toEqual([]);
  });

  test('is still wanted where it failed for the network, behind what has not failed; a bad answer counts as asked', () => {
    const failed = (day: Day, change: Partial<LedgerEntry>): LedgerEntry =>
      entry(day, { outcome: 'failed', attempts: 1, lastAttemptAt: noon('2026-02-25'), ...change });
    const met = [
      failed('2026-01-13', { errorCode: 'transient' }),
      failed('2026-01-12', { errorCode: 'bad_data' }),
      failed('2026-01-11', { errorCode: 'transient', setAsideBy: '1' }),
    ];
    const scope = 'backfill';
    const left = ['backfill 2026-01-10', 'backfill 2026-01-13'];
    expect(told(plan({ entries: met, backfills: [past], scope }))).toEqual(left);
    const hidden = { dataset: 'sleep', from: '2026-01-11', to: '2026-01-14', basis: '', row: [] };
    expect(told(plan({ entries: met, frontiers: [hidden], backfills: [past], scope }))).toEqual(left);
  });

  test('is asked for again where it was last asked for before the wish, if the wish says so', () => {
    const since = noon('2026-02-26') - 1;
    const again = plan({ entries, backfills: [{ ...past, since }], scope: 'backfill' });
    expect(told(again)).toEqual(['backfill 2026-01-13', 'backfill 2026-01-10', 'backfill 2026-01-12']);
    const all = plan({ entries, backfills: [{ ...past, since: since + 2 }], scope: 'backfill' });
    expect(daysIn(all)).toEqual(days('2026-01-10', '2026-01-14'));
  });

  test('is asked for of a dataset that is absent today too, and of days recorded as absent', () => {
    const refused = days('2026-02-20', '2026-02-27').map((day) => entry(day, { outcome: 'not_supported' }));
    const unasked = entry('2026-01-12', { outcome: 'not_supported', attempts: 0 });
    const slices = plan({ entries: [...refused, unasked], backfills: [past], scope: 'backfill' });
    expect(slices.map(({ reason }) => reason)).not.toContain('absent');
    expect(daysIn(slices)).toEqual(days('2026-01-10', '2026-01-14'));
  });

  test('leaves out snapshots, days to come, and what the connector itself cannot do', () => {
    const now = { window: { from: '2026-02-25', to: '2026-03-05' } };
    const device = dataset('device', { granularity: 'snapshot' });
    const absent = dataset('naps', { notSupported: 'None here' });
    const slices = plan({ datasets: [device, absent, sleep], backfills: [now], scope: 'backfill' });
    expect(told(slices)).toEqual(['backfill 2026-02-26', 'backfill 2026-02-25']);
    expect(slices.every(({ dataset: name }) => name === 'sleep')).toBe(true);
  });
});

describe('a day begins at the midnight of the connection’s zone', () => {
  const today = (now: string, timeZone: string) =>
    daysIn(plan({ now: Date.parse(now), timeZone, windowDays: 1, backfillFrom: '2030-01-01' }));

  test('in Shanghai at 16:00 UTC', () => {
    expect(today('2026-02-25T15:59:59.999Z', 'Asia/Shanghai')).toEqual(['2026-02-25']);
    expect(today('2026-02-25T16:00:00Z', 'Asia/Shanghai')).toEqual(['2026-02-26']);
  });

  test('in New York an hour earlier once summer time has begun', () => {
    expect(today('2026-03-08T04:59:59Z', 'America/New_York')).toEqual(['2026-03-07']);
    expect(today('2026-03-08T05:00:00Z', 'America/New_York')).toEqual(['2026-03-08']);
    expect(today('2026-03-09T03:59:59Z', 'America/New_York')).toEqual(['2026-03-08']);
    expect(today('2026-03-09T04:00:00Z', 'America/New_York')).toEqual(['2026-03-09']);
  });

  test('and a run at any hour of the days around a change of clocks asks for every day once', () => {
    for (
      let now = Date.parse('2018-11-02T00:00Z');
      now < Date.parse('2018-11-07T00:00Z');
      now += hourMs / 2
    ) {
      const timeZone = 'America/Sao_Paulo';
      const asked = daysIn(plan({ now, timeZone, backfillFrom: '2018-10-28' }));
      expect(asked).toEqual(days('2018-10-28', addDays(dayAt(now, timeZone), 1)));
    }
  });
});

describe('whatever the ledger says', () => {
  const today = '2026-02-26';
  const info = fc.record({
    granularity: fc.constantFrom('day' as const, 'range' as const),
    spanDays: fc.integer({ min: 1, max: 9 }),
    settleDays: fc.integer({ min: 0, max: 20 }),
  });
  const known = fc.uniqueArray(
    fc.record({
      offset: fc.integer({ min: -60, max: 3 }),
      outcome: fc.constantFrom<Outcome>('ok', 'no_data', 'not_supported', 'failed'),
      attempts: fc.integer({ min: 0, max: 5 }),
      hoursAgo: fc.integer({ min: 0, max: 24 * 60 }),
    }),
    { selector: ({ offset }) => offset, maxLength: 60 },
  );
  const settings = fc.record({
    windowDays: fc.integer({ min: 1, max: 8 }),
    backfillDays: fc.integer({ min: 0, max: 40 }),
  });

  test('every day that is wanted and there is asked for exactly once, and no other', () => {
    fc.assert(
      fc.property(
        info,
        known,
        settings,
        ({ granularity, spanDays, settleDays }, ledger, { windowDays, backfillDays }) => {
          const one = dataset('sleep', {
            granularity,
            settleDays,
            spanDays: granularity === 'day' ? 1 : spanDays,
          });
          const now = noon(today);
          const there = ledger.filter(({ outcome }) => outcome !== 'not_supported');
          const entries = there.map(({ offset, outcome, attempts, hoursAgo }) =>
            entry(addDays(today, offset), { outcome, attempts, lastAttemptAt: now - hoursAgo * hourMs }),
          );
          const backfillFrom = addDays(today, -backfillDays);
          const slices = plan({ datasets: [one], entries, now, windowDays, backfillFrom });

          const byDay = new Map(entries.map((of) => [of.day, of]));
          const wanted = days(addDays(today, -60), addDays(today, 1)).filter((day) => {
            const of = byDay.get(day);
            if (countDays(day, today) < windowDays) return true;
            // After four attempts in vain it rests for half an hour, after five for an hour.
            if (of?.outcome === 'failed') return of.attempts <= 3 || now > of.lastAttemptAt;
            if (day < backfillFrom) return false;
            return !of || (!isFinal(of, settleDays, zone) && now - of.lastAttemptAt >= 20 * hourMs);
          });
          expect(daysIn(slices)).toEqual(wanted);
          for (const { window } of slices) {
            expect(countDays(window.from, window.to)).toBeLessThanOrEqual(one.spanDays);
          }
        },
      ),
      { numRuns: 300 },
    );
  });

  test('the same question has the same answer, in whatever order entries come', () => {
    fc.assert(
      fc.property(known, (ledger) => {
        const entries = ledger.map(({ offset, outcome, attempts }) =>
          entry(addDays(today, offset), { outcome, attempts }),
        );
        expect(plan({ entries: entries.toReversed() })).toEqual(plan({ entries }));
      }),
    );
  });
});

describe('much history', () => {
  const many = (count: number) =>
    Array.from({ length: count }, (_, index) => dataset(`d${index}`, { settleDays: 14 }));

  test('three years of 32 datasets are asked for once, and then only what may still change', () => {
    const input = { datasets: many(32), backfillFrom: addDays('2026-02-26', -3 * 365), windowDays: 3 };
    const first = plan(input);
    expect(first).toHaveLength(32 * (3 * 365 + 1));
    const next = plan({ ...input, entries: answered(first, noon('2026-02-26')), now: noon('2026-02-27') });
    // The window of 3 and the days of the last fortnight that have not settled.
    expect(next).toHaveLength(32 * 15);
  });
});
