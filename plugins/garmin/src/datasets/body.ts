import type { Day, JsonValue } from '@on-the-way/sdk';
import { emptyTests } from '../empty.ts';
import { hasAny, listOf, memberOf } from '../json-shape.ts';
import type { DatasetEntry } from './entry.ts';
import { checkObject, dayIn, dayUnder, groupByDay, oneRowADay, rowsOf } from './split.ts';

const compositionKeys = ['bodyFat', 'bodyWater', 'boneMass', 'muscleMass'];

/** Splits a list that stands under a key, and puts each day's part under the same key. */
function splitList(key: string, dayKey: string) {
  return (answer: JsonValue, path: string): (readonly [Day, JsonValue])[] => {
    const rows = rowsOf(memberOf(checkObject(answer, path), key), path);
    return [...groupByDay(rows, dayUnder(dayKey, path))].map(
      ([day, part]) => [day, { [key]: part }] as const,
    );
  };
}

/** Samples of a scale that measures more than weight; the others are in `weight`. */
function splitComposition(answer: JsonValue, path: string): (readonly [Day, JsonValue])[] {
  const samples = rowsOf(memberOf(checkObject(answer, path), 'dateWeightList'), path);
  const rich = samples.filter((sample) => hasAny(sample, compositionKeys));
  return splitList('dateWeightList', 'calendarDate')({ dateWeightList: rich }, path);
}

const weighings = {
  request: { path: '/weight-service/weight/range/{start}/{end}', params: { includeAll: 'true' } },
} as const;

/** The same samples from the answer of `weight`, in the shape that body composition has of its own. */
function splitWeighings(answer: JsonValue, path: string): (readonly [Day, JsonValue])[] {
  const days = rowsOf(memberOf(checkObject(answer, path), 'dailyWeightSummaries'), path);
  const samples = days.flatMap((day) => rowsOf(day['allWeightMetrics'] ?? null, path));
  return splitComposition({ dateWeightList: samples }, path);
}

const loggedDays = ['loggedSymptomDays', 'loggedOvulationDays', 'loggedNoteDays'] as const;

/** Cycles that begin on a day, and what was logged on it. */
function splitCalendar(answer: JsonValue, path: string): (readonly [Day, JsonValue])[] {
  const calendar = checkObject(answer, path);
  const cycles = groupByDay(rowsOf(memberOf(calendar, 'cycleSummaries'), path), dayUnder('startDate', path));
  const logged = loggedDays.map((key) => [key, listOf(memberOf(calendar, key))] as const);
  const days = [...cycles.keys(), ...logged.flatMap(([, list]) => list.map(dayIn))].filter(
    (day) => day !== undefined,
  );
  return [...new Set(days)].map((day) => {
    const parts = logged.map(([key, list]) => [key, list.filter((entry) => dayIn(entry) === day)] as const);
    return [day, { cycleSummaries: cycles.get(day) ?? [], ...Object.fromEntries(parts) }] as const;
  });
}

/** The datasets of the body. */
export const body = {
  weight: {
    granularity: 'range',
    spanDays: 365,
    settleDays: 30,
    ...weighings,
    split: oneRowADay('summaryDate', 'dailyWeightSummaries'),
    description: 'Every weighing of a day.',
    method: 'get_weigh_ins',
    isEmpty: emptyTests.weight,
    personal: 'same',
  },
  body_composition: {
    granularity: 'range',
    spanDays: 365,
    settleDays: 30,
    request: {
      path: '/weight-service/weight/dateRange',
      params: { startDate: '{start}', endDate: '{end}' },
    },
    split: splitComposition,
    description: 'Weighings with body fat, water, bone or muscle mass.',
    method: 'get_body_composition',
    isEmpty: emptyTests.body_composition,
    personal: {
      ...weighings,
      spanDays: 365,
      split: splitWeighings,
      method: 'get_weigh_ins',
      isEmpty: emptyTests.body_composition,
    },
  },
  hydration: {
    granularity: 'range',
    spanDays: 28,
    settleDays: 30,
    request: { path: '/usersummary-service/stats/hydration/daily/{start}/{end}' },
    split: oneRowADay('calendarDate'),
    description: 'What was drunk, and the goal.',
    method: 'get_hydration_data',
    isEmpty: emptyTests.hydration,
    personal: 'same',
  },
  blood_pressure: {
    granularity: 'range',
    spanDays: 365,
    settleDays: 30,
    request: {
      path: '/bloodpressure-service/bloodpressure/range/{start}/{end}',
      params: { includeAll: 'true' },
    },
    split: splitList('measurementSummaries', 'startDate'),
    description: 'Blood pressure measurements of a day.',
    method: 'get_blood_pressure',
    isEmpty: emptyTests.blood_pressure,
  },
  menstrual: {
    granularity: 'range',
    // Garmin refuses more than 92 days.
    spanDays: 90,
    settleDays: 30,
    request: { path: '/periodichealth-service/menstrualcycle/calendar/{start}/{end}' },
    split: splitCalendar,
    description: 'Cycles that begin on a day, and days with logged symptoms, ovulation or notes.',
    method: 'get_menstrual_calendar_data',
    isEmpty: emptyTests.menstrual,
    personal: 'same',
  },
  pregnancy: {
    granularity: 'snapshot',
    settleDays: 0,
    request: { path: '/periodichealth-service/menstrualcycle/pregnancysnapshot' },
    description: 'The current pregnancy, if one is tracked.',
    method: 'get_pregnancy_summary',
    isEmpty: emptyTests.pregnancy,
  },
} as const satisfies Record<string, DatasetEntry>;
