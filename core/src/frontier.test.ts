import { addDays, dayAt, daysOf, startOfDay, type DatasetInfo, type Day } from '@on-the-way/sdk';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { setAsideAfterOf } from './failed-days.ts';
import { createModelLedger, type ModelLedger } from '../test/model-ledger.ts';
import { planSlices, type Slice } from './plan-slices.ts';
import { readForPlan } from './read-plan.ts';
import { nextFrontiers, type FrontierInput } from './frontier.ts';
import type { Outcome, SliceOutcome } from './ports.ts';

const hourMs = 3_600_000;
const firstDay = '2026-02-26';
const start = startOfDay(firstDay, 'Asia/Shanghai') + 12 * hourMs;

const base: DatasetInfo = { name: '', granularity: 'day', spanDays: 1, settleDays: 2, description: '' };
const datasets: readonly DatasetInfo[] = [
  { ...base, name: 'steps', watched: true },
  { ...base, name: 'sleep', watched: true, settleDays: 14 },
  { ...base, name: 'naps' },
  { ...base, name: 'weight', granularity: 'range', spanDays: 7 },
  { ...base, name: 'device', granularity: 'snapshot' },
  { ...base, name: 'feed', granularity: 'cursor' },
];

type Mood = Outcome | 'mixed';

/** One run, and what happens before it and in it. */
interface Step {
  readonly afterHours: number;
  readonly signIn: boolean;
  readonly windowDays: number;
  readonly earlier: number;
  readonly settle: number;
  readonly zone: string;
  readonly unsupported: readonly boolean[];
  readonly moods: readonly Mood[];
  /** Of its slices, how many are recorded before it is interrupted. */
  readonly share: number;
  readonly marks: Readonly<Record<number, string>>;
  readonly kind: 'live' | 'person' | 'days' | 'dataset' | 'backfill' | 'refresh' | 'both';
  readonly past: readonly [number, number];
  readonly version: string;
  readonly salt: number;
}

const mood = fc.oneof(
  { weight: 4, arbitrary: fc.constant<Mood>('no_data') },
  { weight: 3, arbitrary: fc.constant<Mood>('ok') },
  { weight: 2, arbitrary: fc.constantFrom<Mood>('not_supported', 'mixed', 'failed') },
);

const rarely = (value: boolean) =>
  fc.oneof({ weight: 30, arbitrary: fc.constant(!value) }, { weight: 1, arbitrary: fc.constant(value) });

const step: fc.Arbitrary<Step> = fc.record({
  afterHours: fc.oneof(
    { weight: 5, arbitrary: fc.integer({ min: 0, max: 48 }) },
    { weight: 2, arbitrary: fc.integer({ min: 7 * 24, max: 9 * 24 }) },
    { weight: 1, arbitrary: fc.integer({ min: 30 * 24, max: 45 * 24 }) },
  ),
  signIn: rarely(true),
  windowDays: fc.constantFrom(3, 3, 3, 3, 1, 35),
  earlier: fc.constantFrom(0, 0, 0, 5, 30),
  settle: fc.oneof({ weight: 20, arbitrary: fc.constant(2) }, { weight: 1, arbitrary: fc.constant(40) }),
  zone: fc.oneof(
    { weight: 20, arbitrary: fc.constant('Asia/Shanghai') },
    { weight: 1, arbitrary: fc.constant('America/New_York') },
  ),
  unsupported: fc.tuple(rarely(true), rarely(true), rarely(true), rarely(true)),
  moods: fc.tuple(mood, mood, mood, mood, mood, mood),
  share: fc.constantFrom(1, 1, 1, 0.5, 0),
  marks: fc.dictionary(fc.integer({ min: 0, max: 27 }).map(String), fc.constantFrom('a', 'b'), {
    maxKeys: 4,
  }),
  kind: fc.constantFrom<Step['kind']>(
    'live',
    'live',
    'live',
    'live',
    'live',
    'person',
    'days',
    'dataset',
    'backfill',
    'refresh',
    'both',
  ),
  past: fc.tuple(fc.integer({ min: 0, max: 140 }), fc.integer({ min: 0, max: 40 })),
  version: fc.constantFrom('1', '1', '1', '2'),
  salt: fc.nat(),
});

function hash(text: string): number {
  let value = 7;
  for (const char of text) value = (Math.imul(value, 31) + (char.codePointAt(0) ?? 0)) >>> 0;
  return value;
}

const all: readonly Outcome[] = ['ok', 'no_data', 'not_supported', 'failed'];

/** What a run in such a mood learns of a slice. */
function outcomesOf(
  slice: Slice,
  { moods, salt }: Step,
  marks: Readonly<Record<Day, string>>,
): SliceOutcome[] {
  const about = moods[datasets.findIndex(({ name }) => name === slice.dataset)] ?? 'ok';
  return daysOf(slice.window).map((day): SliceOutcome => {
    const chance = hash(`${slice.dataset} ${day} ${salt}`);
    // Now and then a single day is another one than those around it.
    const odd = about === 'mixed' || chance % 23 === 0;
    const asked = odd ? all[chance % all.length]! : about;
    const outcome = slice.reason === 'absent' ? 'not_supported' : asked;
    const code = chance % 3 === 0 ? 'transient' : 'bad_data';
    const after = outcome === 'failed' ? setAsideAfterOf(slice.reason, code) : undefined;
    const mark = marks[day];
    const coversEarlier =
      ['device', 'feed'].includes(slice.dataset) && (outcome === 'ok' || outcome === 'no_data');
    return {
      dataset: slice.dataset,
      day,
      outcome,
      attempts: slice.reason === 'absent' ? 0 : 1 + (chance % 3),
      ...(mark !== undefined && { mark }),
      ...(coversEarlier && { coversEarlier }),
      ...(outcome === 'failed' && { errorCode: code }),
      ...(outcome === 'not_supported' && { errorMessage: slice.why ?? `refused ${chance % 2}` }),
      // Sooner than in life: there are few runs.
      ...(after !== undefined && { setAsideAfter: 2 }),
      rowsWritten: 0,
      rowsUnchanged: 0,
      conflicts: 0,
    };
  });
}

interface Situation {
  now: number;
  backfillFrom: Day;
  signedInAt: number | undefined;
}

function inputOf(at: Situation, given: Step): FrontierInput {
  const { kind, past, windowDays, version, zone } = given;
  const today = dayAt(at.now, zone);
  const window = { from: addDays(today, -past[0] - past[1]), to: addDays(today, 1 - past[0]) };
  const backfills = [{ window, ...(kind === 'refresh' && { since: at.now - 10 * hourMs }) }];
  return {
    datasets: datasets.map((dataset, index) => ({
      ...dataset,
      ...(index === 0 && { settleDays: given.settle }),
      ...(given.unsupported[index] === true && { notSupported: 'This account has none' }),
    })),
    now: at.now,
    timeZone: zone,
    windowDays,
    version,
    backfillFrom: at.backfillFrom,
    ...(at.signedInAt !== undefined && { signedInAt: at.signedInAt }),
    ...(kind === 'person' && { rereadLive: true }),
    ...(kind === 'days' && { only: window }),
    ...(kind === 'dataset' && { onlyDatasets: ['steps'] }),
    ...((kind === 'backfill' || kind === 'refresh') && { backfills, scope: 'backfill' as const }),
    ...(kind === 'both' && { backfills }),
  };
}

/** Plans as a run does, with frontiers and without, and records what the run learns. */
async function runOnce(ledger: ModelLedger, at: Situation, given: Step): Promise<{ hidden: number }> {
  const input = inputOf(at, given);
  const marks = Object.fromEntries(
    Object.entries(given.marks).map(([back, mark]) => [
      addDays(dayAt(at.now, given.zone), -Number(back)),
      mark,
    ]),
  );
  const frugal = await readForPlan(ledger, 'mine', input);
  const whole = await readForPlan({ read: ledger.read }, 'mine', input);
  for (const known of [{}, { marks }]) {
    const [planned, expected] = [planSlices({ ...frugal, ...known }), planSlices({ ...whole, ...known })];
    // As text, since there are many.
    if (JSON.stringify(planned) !== JSON.stringify(expected)) expect(planned).toEqual(expected);
  }
  await ledger.frontiers.save(nextFrontiers(frugal));
  const slices = planSlices({ ...whole, marks });
  const run = { connection: 'mine', runId: 'run', version: given.version, at: at.now };
  for (const slice of slices.slice(0, Math.ceil(slices.length * given.share))) {
    await ledger.record(run, outcomesOf(slice, given, marks));
  }
  return { hidden: whole.entries.length - frugal.entries.length };
}

describe('a plan that leaves out what lies within the frontiers', () => {
  test('is the plan that reads everything, whatever happened before', async () => {
    let [hidden, plans] = [0, 0];
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 40, max: 130 }),
        fc.array(step, { minLength: 4, maxLength: 16 }),
        async (history, steps) => {
          const ledger = createModelLedger();
          const at: Situation = {
            now: start,
            backfillFrom: addDays(firstDay, -history),
            signedInAt: undefined,
          };
          for (const given of steps) {
            at.now += given.afterHours * hourMs;
            at.backfillFrom = addDays(at.backfillFrom, -given.earlier);
            if (given.signIn) at.signedInAt = at.now;
            hidden += (await runOnce(ledger, at, given)).hidden > 0 ? 1 : 0;
            plans += 1;
          }
        },
      ),
      { numRuns: Number(process.env['RUNS'] ?? 15) },
    );
    // Otherwise nothing was compared.
    expect(hidden / plans, `${hidden} of ${plans} plans`).toBeGreaterThan(0.25);
  }, 600_000);
});
