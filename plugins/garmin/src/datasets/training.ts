import type { Day, JsonValue } from '@on-the-way/sdk';
import { emptyTests } from '../empty.ts';
import { isFilled, memberOf, type JsonObject } from '../json-shape.ts';
import type { DatasetEntry, NamedRequest } from './entry.ts';
import { checkObject, datedRows, dayIn, dayUnder, groupByDay, oneRowADay, rowsOf } from './split.ts';
import { summaries } from './summaries.ts';

const readiness = { path: '/metrics-service/metrics/trainingreadiness/{day}' };

/** Recovery time, in minutes, of each readiness snapshot that has one. */
function toRecoveryTimes(answer: JsonValue): JsonValue {
  return rowsOf(answer, readiness.path)
    .filter((row) => isFilled(row['recoveryTime']))
    .map((row) => ({
      calendarDate: row['calendarDate'] ?? null,
      timestamp: row['timestamp'] ?? null,
      timestampLocal: row['timestampLocal'] ?? null,
      deviceId: row['deviceId'] ?? null,
      recoveryTimeMinutes: row['recoveryTime'] ?? null,
      changePhrase: row['recoveryTimeChangePhrase'] ?? null,
      factorPercent: row['recoveryTimeFactorPercent'] ?? null,
      factorFeedback: row['recoveryTimeFactorFeedback'] ?? null,
      inputContext: row['inputContext'] ?? null,
    }));
}

function dayOfMaxMet(row: JsonObject): Day | undefined {
  const running = dayIn(memberOf(row['generic'], 'calendarDate'));
  return running ?? dayIn(memberOf(row['cycling'], 'calendarDate'));
}

const thresholdSeries = [
  'lactateThresholdSpeed',
  'lactateThresholdHeartRate',
  'functionalThresholdPower',
] as const;

const thresholdRequests: readonly NamedRequest[] = thresholdSeries.map((name) => ({
  name,
  path: `/biometric-service/stats/${name}/range/{start}/{end}`,
  // Without the sport, speed is answered with 400.
  params: { sport: 'RUNNING', aggregation: 'daily', aggregationStrategy: 'LATEST' },
}));

function splitThresholds(answer: JsonValue, path: string): (readonly [Day, JsonValue])[] {
  const groups = thresholdSeries.map((name) => {
    const rows = rowsOf(memberOf(answer, name), path).filter((row) => isFilled(row['value']));
    const dayOf = (row: JsonObject) => dayIn(row['from']) ?? dayUnder('updatedDate', path)(row);
    return [name, groupByDay(rows, dayOf)] as const;
  });
  const days = new Set(groups.flatMap(([, group]) => [...group.keys()]));
  return [...days].map((day) => {
    const parts = groups.map(([name, group]) => [name, group.get(day) ?? []] as const);
    return [day, Object.fromEntries(parts)] as const;
  });
}

/** The datasets of training. */
export const training = {
  activities: {
    granularity: 'range',
    spanDays: 365,
    settleDays: 30,
    request: {
      path: '/activitylist-service/activities/search/activities',
      params: { startDate: '{start}', endDate: '{end}' },
      paging: { firstStart: 0, limit: 100, maxPages: 100, atMaxPages: 'fail', key: 'activityId' },
    },
    split: (answer, path) => groupByDay(rowsOf(answer, path), dayUnder('startTimeLocal', path)),
    description: 'The activities that began on a day.',
    method: 'get_activities_by_date',
    isEmpty: emptyTests.activities,
    personal: 'same',
  },
  training_status: {
    granularity: 'day',
    settleDays: 14,
    request: { path: '/metrics-service/metrics/trainingstatus/aggregated/{day}' },
    description: 'Training status, load balance and VO2 max as of a day.',
    method: 'get_training_status',
    isEmpty: emptyTests.training_status,
    watched: true,
    summary: summaries.training_status,
  },
  training_readiness: {
    granularity: 'day',
    settleDays: 14,
    request: readiness,
    isShared: true,
    description: 'Readiness snapshots of a day.',
    method: 'get_training_readiness',
    isEmpty: emptyTests.training_readiness,
    watched: true,
    summary: summaries.training_readiness,
  },
  recovery_time: {
    granularity: 'day',
    settleDays: 14,
    request: readiness,
    isShared: true,
    shape: toRecoveryTimes,
    description: 'Recovery time in minutes, from the readiness snapshots.',
    method: 'get_training_readiness',
    isEmpty: emptyTests.recovery_time,
    watched: true,
    summary: {
      ...summaries.training_readiness,
      split: (answer, path) =>
        [...datedRows(answer, path)].map(([day, rows]) => [day, toRecoveryTimes(rows)] as const),
      isEmpty: emptyTests.recovery_time,
    },
  },
  max_metrics_vo2: {
    granularity: 'range',
    spanDays: 365,
    settleDays: 28,
    request: { path: '/metrics-service/metrics/maxmet/daily/{start}/{end}' },
    split: (answer, path) => groupByDay(rowsOf(answer, path), dayOfMaxMet),
    description: 'New estimates of VO2 max.',
    method: 'get_max_metrics',
    isEmpty: emptyTests.max_metrics_vo2,
  },
  race_prediction: {
    granularity: 'range',
    spanDays: 366,
    settleDays: 28,
    request: {
      path: '/metrics-service/metrics/racepredictions/daily/{displayName}',
      params: { fromCalendarDate: '{start}', toCalendarDate: '{end}' },
    },
    split: oneRowADay('calendarDate'),
    description: 'Predicted times for 5 km, 10 km, half and full marathon.',
    method: 'get_race_predictions',
    isEmpty: emptyTests.race_prediction,
  },
  hill_score: {
    granularity: 'range',
    spanDays: 365,
    settleDays: 28,
    request: {
      path: '/metrics-service/metrics/hillscore/stats',
      params: { startDate: '{start}', endDate: '{end}', aggregation: 'daily' },
    },
    split: oneRowADay('calendarDate', 'hillScoreDTOList'),
    description: 'Hill score of a day.',
    method: 'get_hill_score',
    isEmpty: emptyTests.hill_score,
  },
  endurance_score: {
    granularity: 'day',
    settleDays: 28,
    request: { path: '/metrics-service/metrics/endurancescore', params: { calendarDate: '{day}' } },
    description: 'Endurance score of a day.',
    method: 'get_endurance_score',
    isEmpty: emptyTests.endurance_score,
    watched: true,
    summary: summaries.endurance_score,
  },
  lactate_threshold: {
    granularity: 'range',
    spanDays: 365,
    settleDays: 28,
    request: thresholdRequests,
    split: (answer, path) => splitThresholds(checkObject(answer, path), path),
    description: 'Threshold speed, heart rate and power of a day.',
    method: 'get_lactate_threshold',
    isEmpty: emptyTests.lactate_threshold,
  },
} as const satisfies Record<string, DatasetEntry>;
