import { addDays, eachDay } from '../calendar.ts';
import type { CalendarDate } from '../calendar.ts';
import { FIRST_DAY, dayRandom, wander } from '../person/person.ts';
import type { Person } from '../person/person.ts';
import { isEntered } from '../person/view.ts';
import type { View } from '../person/view.ts';
import { forDay, forRange, ok } from './answer.ts';
import type { DayRange } from './answer.ts';

interface WeighIn {
  readonly samplePk: number;
  /** Local wall clock written as if it were UTC. */
  readonly date: number;
  readonly calendarDate: CalendarDate;
  readonly weight: number;
  readonly [member: string]: unknown;
}

const COMPOSITION = 'bmi bodyFat bodyWater boneMass muscleMass physiqueRating visceralFat metabolicAge'.split(
  ' ',
);
const NO_COMPOSITION = Object.fromEntries(COMPOSITION.map((name) => [name, null]));
const NO_WEIGH_IN = {
  samplePk: null,
  date: null,
  calendarDate: null,
  weight: null,
  ...NO_COMPOSITION,
  sourceType: null,
  timestampGMT: null,
  weightDelta: null,
};

function gramsOn(person: Person, date: CalendarDate): number {
  const noise = dayRandom(person, date, 'grams').spread() * 260;
  return Math.round((person.weightGrams + wander(person, date, 'weight', 90) * 1600 + noise) / 10) * 10;
}

/** About two mornings a week; one in six typed in by hand instead of weighed. */
function weighInOn(person: Person, date: CalendarDate): WeighIn | undefined {
  const random = dayRandom(person, date, 'weigh-in');
  if (date < FIRST_DAY || !random.chance(2 / 7)) return undefined;
  const atMs = person.zone.instantOf(date, random.int(7 * 60 + 12, 7 * 60 + 27)) + random.int(0, 59) * 1000;
  const byScale = random.chance(5 / 6);
  const weight = gramsOn(person, date);
  const meters = person.heightCm / 100;
  const fat = random.int(145, 205) / 10;
  const measured = {
    bmi: Math.round(weight / 100 / meters / meters) / 10,
    bodyFat: fat,
    bodyWater: Math.round((100 - fat) * 7.3) / 10,
    boneMass: Math.round(weight * 0.055),
    muscleMass: Math.round(weight * (1 - fat / 100) * 0.55),
  };
  return {
    samplePk: atMs + random.int(1000, 40_000),
    date: person.zone.toLocal(atMs),
    calendarDate: date,
    weight,
    ...NO_COMPOSITION,
    ...(byScale ? measured : {}),
    sourceType: byScale ? 'INDEX_SCALE' : 'MANUAL',
    timestampGMT: atMs,
    weightDelta: random.int(-6, 6) * 100,
  };
}

function knownWeighIn(view: View, date: CalendarDate): WeighIn | undefined {
  const weighIn = weighInOn(view.person, date);
  return weighIn !== undefined && isEntered(view, Number(weighIn['timestampGMT'])) ? weighIn : undefined;
}

/** Newest first. */
function weighIns(view: View, { start, end }: DayRange): WeighIn[] {
  return eachDay(start, end)
    .flatMap((date) => knownWeighIn(view, date) ?? [])
    .toReversed();
}

function totalAverage(list: readonly WeighIn[], { start, end }: DayRange) {
  const average = (name: string): number | null => {
    const values = list.map((weighIn) => weighIn[name]).filter((value) => typeof value === 'number');
    if (values.length === 0) return null;
    return Math.round((values.reduce((sum, value) => sum + value, 0) / values.length) * 10) / 10;
  };
  return {
    from: Date.parse(`${start}T00:00:00Z`),
    until: Date.parse(`${end}T23:59:59.999Z`),
    ...Object.fromEntries(['weight', ...COMPOSITION].map((name) => [name, average(name)])),
  };
}

/** The last weigh-in of the month before; never the next one, so that a finished range never changes. */
function previousWeighIn(view: View, start: CalendarDate) {
  const before = weighIns(view, { start: addDays(start, -30), end: addDays(start, -1) });
  return before[0] ?? NO_WEIGH_IN;
}

const YEAR = 365;

export const weightRange = forRange(
  { start: 'start', end: 'end', maxDays: YEAR },
  (view, range, { query }) => {
    const list = weighIns(view, range);
    return ok({
      dailyWeightSummaries: list.map((weighIn) => ({
        summaryDate: weighIn.calendarDate,
        numOfWeightEntries: 1,
        minWeight: weighIn.weight,
        maxWeight: weighIn.weight,
        latestWeight: weighIn,
        allWeightMetrics: query['includeAll'] === 'true' ? [weighIn] : [],
      })),
      totalAverage: totalAverage(list, range),
      previousDateWeight: previousWeighIn(view, range.start),
      nextDateWeight: NO_WEIGH_IN,
    });
  },
);

function weightList(view: View, range: DayRange) {
  const list = weighIns(view, range);
  return ok({
    startDate: range.start,
    endDate: range.end,
    dateWeightList: list,
    totalAverage: totalAverage(list, range),
  });
}

export const bodyComposition = forRange({ start: 'startDate', end: 'endDate', maxDays: YEAR }, weightList);
export const weightDay = forDay('day', (view, date) => weightList(view, { start: date, end: date }));
