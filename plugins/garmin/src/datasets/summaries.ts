import type { Day, JsonValue } from '@on-the-way/sdk';
import { emptyTests, type EmptyTest } from '../empty.ts';
import { isFilled, isObject, memberOf, textOf, type JsonObject } from '../json-shape.ts';
import type { RangeQuestion } from './entry.ts';
import { checkObject, datedRows, dayIn } from './split.ts';

type Days = (readonly [Day, JsonValue])[];

const graphQlPath = '/graphql-gateway/graphql';
// Names of the day and the person, and goals, which are there on days without any data.
const framing = /(?:calendarDate|goal|id|pk)$/i;

/** True when a row has nothing but its frame: no text, and no number above 0, which stands for no reading. */
export const isBareRow: EmptyTest = (row) => {
  if (Array.isArray(row)) return row.every((part: JsonValue) => isBareRow(part));
  if (!isObject(row)) return typeof row === 'number' ? row <= 0 : !isFilled(row);
  return Object.entries(row).every(([key, value]) => framing.test(key) || isBareRow(value ?? null));
};

/** One row a day; a day with several keeps them as a list. */
function splitRows(answer: JsonValue, path: string): Days {
  return [...datedRows(answer, path)].map(([day, rows]) => {
    const [row = null, ...others] = rows;
    return [day, others.length === 0 ? row : rows] as const;
  });
}

/** Rows as a list, as the answer for one day has them. */
function splitLists(answer: JsonValue, path: string): Days {
  return [...datedRows(answer, path)];
}

function splitHrv(answer: JsonValue, path: string): Days {
  return splitRows(answer, path).map(([day, row]) => [day, { hrvSummary: row }] as const);
}

/** Rows of every device, where the answer for one day has them: by device under the newest status. */
function splitTrainingStatus(answer: JsonValue, path: string): Days {
  const weekly = memberOf(checkObject(answer, path), 'weeklyTrainingStatus');
  return [...datedRows(weekly, path)].map(([day, rows]) => {
    const byDevice = rows.map((row) => [textOf(row['deviceId']), row] as const);
    const latest = Object.fromEntries<JsonObject>(byDevice);
    return [day, { mostRecentTrainingStatus: { latestTrainingStatusData: latest } }] as const;
  });
}

/** A week's score stands under the day on which the week begins. */
function splitWeeks(answer: JsonValue, path: string): Days {
  const weeks = memberOf(checkObject(answer, path), 'groupMap');
  return Object.entries(isObject(weeks) ? weeks : {}).flatMap(([key, group]) => {
    const day = dayIn(key);
    return day === undefined ? [] : [[day, { groupMap: { [day]: group ?? null } }] as const];
  });
}

/**
 * Questions for many days at once that stand in for those of a single day: values of the whole day or
 * week without its readings.
 */
export const summaries = {
  user_summary: {
    request: { path: '/usersummary-service/stats/daily/{start}/{end}' },
    spanDays: 28,
    split: splitRows,
    method: 'get_user_summary_daily',
    isEmpty: isBareRow,
  },
  steps: {
    request: { path: '/usersummary-service/stats/steps/daily/{start}/{end}' },
    spanDays: 28,
    split: splitRows,
    method: 'get_daily_steps',
    isEmpty: isBareRow,
  },
  sleep: {
    request: { path: '/sleep-service/stats/sleep/daily/{start}/{end}' },
    spanDays: 28,
    split: splitRows,
    method: 'get_sleep_daily',
    isEmpty: isBareRow,
  },
  stress: {
    request: { path: '/usersummary-service/stats/stress/daily/{start}/{end}' },
    spanDays: 28,
    split: splitRows,
    method: 'get_stress_daily',
    isEmpty: isBareRow,
  },
  hrv: {
    request: { path: '/hrv-service/hrv/daily/{start}/{end}' },
    spanDays: 28,
    split: splitHrv,
    method: 'get_hrv_data_range',
    isEmpty: emptyTests.hrv,
  },
  training_status: {
    request: { path: '/mobile-gateway/usersummary/trainingstatus/weekly/{start}/{end}' },
    // Garmin answers for 52 weeks.
    spanDays: 364,
    split: splitTrainingStatus,
    method: 'get_training_status_weekly',
    isEmpty: emptyTests.training_status,
  },
  training_readiness: {
    request: {
      path: graphQlPath,
      body: { query: 'query{trainingReadinessRangeScalar(startDate:"{start}",endDate:"{end}")}' },
    },
    spanDays: 365,
    isShared: true,
    split: splitLists,
    method: 'get_training_readiness_range',
    isEmpty: emptyTests.training_readiness,
  },
  endurance_score: {
    request: {
      path: '/metrics-service/metrics/endurancescore/stats',
      params: { startDate: '{start}', endDate: '{end}', aggregation: 'weekly' },
    },
    spanDays: 357,
    daysBeyond: 6,
    split: splitWeeks,
    method: 'get_endurance_score_weekly',
    isEmpty: isBareRow,
  },
} as const satisfies Record<string, RangeQuestion>;
