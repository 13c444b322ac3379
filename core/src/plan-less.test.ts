import { addDays, daysOf, startOfDay, type DatasetInfo, type Day } from '@on-the-way/sdk';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { isNothingDue, planSlices, type Slice } from './plan-slices.ts';
import type { LedgerEntry, Outcome } from './ports.ts';
import type { PlanInput } from './wanted-days.ts';

// What a plan leaves out: days whose mark is the same, and datasets the source has none of.
const zone = 'Asia/Shanghai';
const hourMs = 3_600_000;
const dayMs = 24 * hourMs;
const today = '2026-02-26';
const now = startOfDay(today, zone) + 12 * hourMs;

function dataset(name: string, change: Partial<DatasetInfo> = {}): DatasetInfo {
  return { name, granularity: 'day', spanDays: 1, settleDays: 2, description: name, ...change };
}

const sleep = dataset('sleep', { watched: true });
const steps = dataset('steps', { watched: true });

/** A plan for 2026-02-26 at noon: window 3, backfill 10, nothing known. */
function plan(change: Partial<PlanInput> = {}): Slice[] {
  return planSlices({
    datasets: [sleep],
    entries: [],
    now,
    timeZone: zone,
    windowDays: 3,
    backfillFrom: '2026-02-17',
    ...change,
  });
}

function entry(day: Day, change: Partial<LedgerEntry> = {}): LedgerEntry {
  return { dataset: 'sleep', day, outcome: 'ok', attempts: 1, lastAttemptAt: now - hourMs, ...change };
}

const days = (from: Day, to: Day): Day[] => daysOf({ from, to });
const daysIn = (slices: readonly Slice[]): Day[] => slices.flatMap(({ window }) => daysOf(window)).toSorted();
const told = (slices: readonly Slice[]) => slices.map(({ window, reason }) => `${reason} ${window.from}`);
const asked = (slices: readonly Slice[]) => slices.filter(({ reason }) => reason !== 'absent');
const absent = (slices: readonly Slice[]) => slices.filter(({ reason }) => reason === 'absent');

/** What the ledger holds after the plan was carried out. */
function recorded(
  before: readonly LedgerEntry[],
  slices: readonly Slice[],
  {
    at = now,
    outcome = 'ok',
    marks = {},
  }: { at?: number; outcome?: Outcome; marks?: Record<Day, string> } = {},
): LedgerEntry[] {
  const ledger = new Map(before.map((of) => [`${of.dataset} ${of.day}`, of]));
  for (const { dataset: name, window, reason } of slices) {
    for (const day of daysOf(window)) {
      const mark = marks[day];
      const answer: Partial<LedgerEntry> =
        reason === 'absent' ? { outcome: 'not_supported', attempts: 0 } : { outcome, ...(mark && { mark }) };
      ledger.set(`${name} ${day}`, entry(day, { dataset: name, lastAttemptAt: at, ...answer }));
    }
  }
  return [...ledger.values()];
}

describe('days with a mark', () => {
  const slow = { ...sleep, settleDays: 14 };
  const all = Object.fromEntries(days('2026-02-17', '2026-02-27').map((day) => [day, 'a']));
  const known = days('2026-02-17', '2026-02-27').map((day) => entry(day, { mark: 'a' }));

  test('that is the same are left out, but for today', () => {
    expect(told(plan({ entries: known, marks: all }))).toEqual(['live 2026-02-26']);
  });

  test('that is another one are asked for', () => {
    const marks = { ...all, '2026-02-24': 'b' };
    expect(told(plan({ entries: known, marks }))).toEqual(['live 2026-02-26', 'live 2026-02-24']);
  });

  test('that is not known, now or then, are asked for', () => {
    const { '2026-02-25': _, ...marks } = all;
    expect(told(plan({ entries: known, marks }))).toEqual(['live 2026-02-26', 'live 2026-02-25']);
    const unmarked = known.map(({ mark: _mark, ...rest }) => rest);
    expect(told(plan({ entries: unmarked, marks: all }))).toHaveLength(3);
  });

  test.each<[Outcome, number]>([
    ['ok', 1],
    ['no_data', 1],
    ['failed', 2],
    ['not_supported', 2],
  ])('that is the same and ended %s lead to %i slices', (outcome, slices) => {
    const entries = known.map((of) => (of.day === '2026-02-25' ? { ...of, outcome } : of));
    expect(plan({ entries, marks: all })).toHaveLength(slices);
  });

  test('are asked for once in 20 hours while they lie in the window', () => {
    const entries = known.map((of) => ({ ...of, lastAttemptAt: now - 20 * hourMs }));
    expect(told(plan({ entries, marks: all })).filter((line) => line.startsWith('live'))).toHaveLength(3);
  });

  test('are asked for once more when they have settled, and are final then', () => {
    const settledAt = startOfDay('2026-03-03', zone);
    const old = [entry('2026-02-17', { mark: 'a', lastAttemptAt: settledAt - 5 * dayMs })];
    const asks = (at: number, entries = old) =>
      told(plan({ datasets: [slow], entries, marks: all, now: at })).filter((line) =>
        line.endsWith('2026-02-17'),
      );
    expect(asks(settledAt - 1)).toEqual([]);
    expect(asks(settledAt)).toEqual(['unsettled 2026-02-17']);
    expect(asks(settledAt + dayMs, [{ ...old[0]!, lastAttemptAt: settledAt }])).toEqual([]);
  });

  test('that is another one are asked for again, final or not: a watch can sync weeks late', () => {
    const final = entry('2026-02-17', { mark: 'a', outcome: 'no_data' });
    const asks = (known: LedgerEntry, marks: Record<Day, string>) =>
      told(plan({ entries: [known], marks })).filter((line) => line.endsWith('2026-02-17'));
    expect(asks(final, { '2026-02-17': 'b' })).toEqual(['changed 2026-02-17']);
    expect(asks({ ...final, outcome: 'ok' }, { '2026-02-17': 'b' })).toEqual(['changed 2026-02-17']);
    expect(asks(final, { '2026-02-17': 'a' })).toEqual([]);
    expect(asks(final, {})).toEqual([]);
  });

  test('that came to be after nothing was found are asked for again, an answer without one is believed', () => {
    const { mark: _, ...unmarked } = entry('2026-02-17', { lastAttemptAt: now - dayMs });
    const asks = (known: LedgerEntry) =>
      told(plan({ entries: [known], marks: { '2026-02-17': 'b' } })).filter((line) => line.endsWith('02-17'));
    expect(asks({ ...unmarked, outcome: 'no_data' })).toEqual(['changed 2026-02-17']);
    expect(asks({ ...unmarked, outcome: 'ok' })).toEqual([]);
  });

  test('are asked for in the window, marks or not, when a person started the run', () => {
    const lines = told(plan({ entries: known, marks: all, rereadLive: true }));
    expect(lines).toEqual(['live 2026-02-26', 'live 2026-02-25', 'live 2026-02-24']);
  });

  test('are asked for as ever where the dataset is not watched, or a person names it', () => {
    const plain = { ...sleep, watched: false };
    expect(plan({ datasets: [plain], entries: known, marks: all })).toHaveLength(3);
    expect(plan({ entries: known, marks: all, onlyDatasets: ['sleep'] })).toHaveLength(3);
  });
});

describe('a dataset the source has none of', () => {
  const askedAt = now - 2 * dayMs;
  const refusal = (day: Day, change: Partial<LedgerEntry> = {}) =>
    entry(day, { outcome: 'not_supported', lastAttemptAt: askedAt, reason: 'No such device', ...change });
  const refused = days('2026-02-22', '2026-02-25').map((day) => refusal(day));

  test('is not asked for; the days that are wanted are recorded in spans, with the reason', () => {
    expect(plan({ entries: refused })).toEqual([
      {
        dataset: 'sleep',
        window: { from: '2026-02-25', to: '2026-02-27' },
        reason: 'absent',
        why: 'No such device (so since 2026-02-22; asked again weekly)',
      },
      {
        dataset: 'sleep',
        window: { from: '2026-02-17', to: '2026-02-22' },
        reason: 'absent',
        why: expect.any(String),
      },
    ]);
  });

  test('takes three refused days, so that a watch left on the table is none', () => {
    expect(absent(plan({ entries: refused.slice(-2) }))).toEqual([]);
    expect(absent(plan({ entries: refused.slice(-3) }))).not.toEqual([]);
    const worn = [...refused.slice(0, 2), entry('2026-02-24'), refusal('2026-02-25')];
    expect(absent(plan({ entries: worn }))).toEqual([]);
  });

  test('takes one refusal where one request answers for many days, or for now', () => {
    for (const granularity of ['range', 'snapshot'] as const) {
      const one = dataset('sleep', { granularity, spanDays: granularity === 'range' ? 28 : 1 });
      expect(asked(plan({ datasets: [one], entries: [refusal('2026-02-25')] }))).toEqual([]);
    }
  });

  test('is asked for in the window after a week, and older days wait for an answer', () => {
    const later = plan({ entries: refused, now: askedAt + 7 * dayMs });
    expect(told(asked(later))).toEqual(['live 2026-03-03', 'live 2026-03-02', 'live 2026-03-01']);
    expect(daysIn(absent(later))).toEqual([
      ...days('2026-02-17', '2026-02-22'),
      ...days('2026-02-25', '2026-03-01'),
    ]);
  });

  test('that is refused again after a week is left alone for another', () => {
    const week = askedAt + 7 * dayMs;
    const again = recorded(refused, plan({ entries: refused, now: week }), {
      at: week,
      outcome: 'not_supported',
    });
    expect(asked(plan({ entries: again, now: week + 6.9 * dayMs }))).toEqual([]);
    expect(asked(plan({ entries: again, now: week + 7 * dayMs }))).toHaveLength(3);
  });

  test('that answers again has its gaps read', () => {
    const before = recorded(refused, plan({ entries: refused }));
    const back = [...before.filter(({ day }) => day !== today), entry(today)];
    const next = plan({ entries: back });
    expect(absent(next)).toEqual([]);
    // What was refused when it was asked for stays so; what was only recorded is a gap.
    expect(told(next).filter((line) => line.startsWith('gap'))).toEqual(
      days('2026-02-17', '2026-02-22')
        .toReversed()
        .map((day) => `gap ${day}`),
    );
  });

  test('is asked for after a person signed in, also on the days it was refused before', () => {
    const next = plan({
      entries: recorded(refused, plan({ entries: refused })),
      signedInAt: now,
      now: now + 1,
    });
    expect(absent(next)).toEqual([]);
    expect(daysIn(next)).toEqual(days('2026-02-17', '2026-02-27'));
  });

  test('is asked for when a person names days or the dataset', () => {
    const only = { from: '2026-02-18', to: '2026-02-20' };
    expect(told(plan({ entries: refused, only }))).toEqual(['asked 2026-02-19', 'asked 2026-02-18']);
    expect(asked(plan({ entries: refused, onlyDatasets: ['sleep'] }))).not.toEqual([]);
  });

  describe('since a device that works has been silent for a fortnight', () => {
    const silent = days('2026-02-12', '2026-02-26').map((day) => entry(day, { outcome: 'no_data' }));
    const other = entry('2026-02-25', { dataset: 'steps' });
    const input = { datasets: [sleep, steps], backfillFrom: '2026-02-01' };
    const ofSleep = (slices: readonly Slice[]) => slices.filter((slice) => slice.dataset === 'sleep');

    test('is not asked for from then on, and older days still are', () => {
      const slices = ofSleep(plan({ ...input, entries: [...silent, other] }));
      expect(told(absent(slices))).toEqual([`absent ${today}`]);
      expect(daysIn(asked(slices))).toEqual(days('2026-02-01', '2026-02-12'));
    });

    test('is asked for while no other dataset tells that the device works, or one day has data', () => {
      expect(absent(plan({ ...input, entries: silent }))).toEqual([]);
      const data = silent.map((of) => (of.day === '2026-02-13' ? { ...of, outcome: 'ok' as const } : of));
      expect(absent(plan({ ...input, entries: [...data, other] }))).toEqual([]);
    });
  });
});

describe('a dataset the connector cannot ask for', () => {
  const why = 'No credential covers it';
  const closed = { ...sleep, notSupported: why };

  test('is recorded with its reason, once, and keeps the answers it had', () => {
    const had = [entry('2026-02-25'), entry('2026-02-23')];
    const first = plan({ datasets: [closed], entries: had });
    expect(asked(first)).toEqual([]);
    expect(new Set(first.map((slice) => slice.why))).toEqual(new Set([why]));
    expect(daysIn(first)).not.toContain('2026-02-25');
    expect(plan({ datasets: [closed], entries: recorded(had, first) })).toEqual([]);
  });

  test('is asked for every day it missed once the reason is gone', () => {
    const entries = recorded([], plan({ datasets: [closed] }));
    expect(daysIn(asked(plan({ entries })))).toEqual(days('2026-02-17', '2026-02-27'));
  });

  test('is not asked for by a person either, who is told so again', () => {
    const entries = recorded([], plan({ datasets: [closed] }));
    const only = { from: '2026-02-18', to: '2026-02-20' };
    expect(told(plan({ datasets: [closed], entries, only }))).toEqual(['absent 2026-02-18']);
  });
});

test('absent slices come first, since they cost nothing', () => {
  const slices = plan({ datasets: [steps, { ...sleep, notSupported: 'no' }] });
  expect(slices[0]).toMatchObject({ dataset: 'sleep', reason: 'absent' });
  expect(slices.findLastIndex(({ reason }) => reason === 'absent')).toBe(absent(slices).length - 1);
});

describe('nothing is due', () => {
  const known = days('2026-02-17', '2026-02-27').map((day) => entry(day));
  const due = (entries: LedgerEntry[], change: Partial<PlanInput> = {}) =>
    !isNothingDue(plan({ entries, ...change }), entries);

  test('when every day has an answer', () => expect(due(known)).toBe(false));
  test('unless a day failed, in the window or before it', () => {
    for (const day of ['2026-02-25', '2026-02-18'] as const) {
      expect(due(known.map((of) => (of.day === day ? { ...of, outcome: 'failed' } : of)))).toBe(true);
    }
  });
  test('unless a day was never asked for, in the window or before it', () => {
    for (const day of ['2026-02-25', '2026-02-18'])
      expect(due(known.filter((of) => of.day !== day))).toBe(true);
  });
  test('unless more history is wanted', () => expect(due(known, { backfillFrom: '2026-02-01' })).toBe(true));
});

describe('whatever the ledger says', () => {
  const info = fc.record({
    granularity: fc.constantFrom('day' as const, 'range' as const, 'snapshot' as const),
    spanDays: fc.integer({ min: 1, max: 9 }),
    settleDays: fc.integer({ min: 0, max: 20 }),
    watched: fc.boolean(),
  });
  const ledger = fc.uniqueArray(
    fc.record({
      offset: fc.integer({ min: -40, max: 0 }),
      outcome: fc.constantFrom<Outcome>('ok', 'no_data', 'not_supported', 'not_supported', 'failed'),
      attempts: fc.integer({ min: 0, max: 3 }),
      hoursAgo: fc.integer({ min: 0, max: 24 * 20 }),
      mark: fc.constantFrom('a', 'b', undefined),
    }),
    { selector: ({ offset }) => offset, maxLength: 41 },
  );
  const marksOf = fc.dictionary(
    fc.integer({ min: -27, max: 0 }).map((offset) => addDays(today, offset)),
    fc.constantFrom('a', 'b'),
    { noNullPrototype: true },
  );
  const signIn = fc.option(
    fc.integer({ min: 0, max: 24 * 20 }).map((hours) => now - hours * hourMs),
    {
      nil: undefined,
    },
  );
  type Known = typeof ledger extends fc.Arbitrary<infer Entries> ? Entries : never;

  const entriesOf = (known: Known) =>
    known.map(({ offset, hoursAgo, mark, ...rest }) =>
      entry(addDays(today, offset), {
        ...rest,
        lastAttemptAt: now - hoursAgo * hourMs,
        ...(mark && { mark }),
      }),
    );
  const inputOf = (
    { granularity, spanDays, ...rest }: { granularity: DatasetInfo['granularity']; spanDays: number },
    known: Known,
    signedInAt: number | undefined,
  ): Partial<PlanInput> => ({
    datasets: [
      dataset('sleep', { ...rest, granularity, spanDays: granularity === 'range' ? spanDays : 1 }),
      steps,
    ],
    entries: [
      ...entriesOf(known),
      ...days('2026-02-17', '2026-02-27').map((day) => entry(day, { dataset: 'steps' })),
    ],
    backfillFrom: addDays(today, -20),
    ...(signedInAt !== undefined && { signedInAt }),
  });
  const keys = (slices: readonly Slice[]) =>
    slices.flatMap((slice) => daysOf(slice.window).map((day) => `${slice.dataset} ${day}`));

  test('no day is in two slices, and marks add none but days that have changed', () => {
    fc.assert(
      fc.property(info, ledger, marksOf, signIn, (of, known, marks, signedInAt) => {
        const input = inputOf(of, known, signedInAt);
        const without = keys(plan(input));
        const marked = plan({ ...input, marks });
        const withMarks = keys(marked.filter(({ reason }) => reason !== 'changed'));
        expect(new Set(keys(marked)).size).toBe(keys(marked).length);
        expect(new Set(without).size).toBe(without.length);
        expect(without).toEqual(expect.arrayContaining(withMarks));
      }),
    );
  });

  test('every wanted day without an answer is asked for or recorded', () => {
    fc.assert(
      fc.property(info, ledger, marksOf, signIn, (of, known, marks, signedInAt) => {
        const input = inputOf(of, known, signedInAt);
        const planned = new Set(keys(plan({ ...input, marks })));
        const answered = new Set(
          (input.entries ?? []).flatMap(({ dataset: name, day, outcome }) =>
            outcome === 'failed' ? [] : [`${name} ${day}`],
          ),
        );
        const wanted = of.granularity === 'snapshot' ? [today] : days(addDays(today, -20), addDays(today, 1));
        expect(
          wanted.map((day) => `sleep ${day}`).filter((key) => !planned.has(key) && !answered.has(key)),
        ).toEqual([]);
      }),
    );
  });

  test('with marks that are all the same and fresh, nothing of a watched dataset is asked for but today', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 5, max: 20 }),
        fc.integer({ min: 0, max: 19 }),
        (settleDays, hoursAgo) => {
          const marks = Object.fromEntries(days('2026-02-17', '2026-02-27').map((day) => [day, 'a']));
          const entries = Object.keys(marks).map((day) =>
            entry(day, { mark: 'a', lastAttemptAt: now - hoursAgo * hourMs }),
          );
          expect(daysIn(plan({ datasets: [{ ...sleep, settleDays }], entries, marks }))).toEqual([today]);
        },
      ),
    );
  });

  test('runs that are answered soon have nothing left to do but the window', () => {
    fc.assert(
      fc.property(
        info,
        ledger,
        signIn,
        fc.constantFrom<Outcome>('ok', 'no_data'),
        (of, known, at, outcome) => {
          const input = inputOf(of, known, at);
          let entries = input.entries ?? [];
          // Enough for an absence that ends in the first run, and for the gaps it leaves.
          for (let run = 1; run <= 3; run += 1) {
            entries = recorded(entries, plan({ ...input, entries, now: now + run }), {
              at: now + run,
              outcome,
            });
          }
          const last = plan({ ...input, entries, now: now + 4 });
          expect(last.filter(({ reason }) => reason !== 'live')).toEqual([]);
        },
      ),
      { numRuns: 300 },
    );
  });
});
