import type { Day, JsonValue } from '@on-the-way/sdk';
import { emptyTests } from '../empty.ts';
import { isObject, memberOf } from '../json-shape.ts';
import { offloadedTests } from '../offloaded.ts';
import type { DatasetEntry } from './entry.ts';
import { checkObject, dayUnder, daysIn, groupByDay, keepDay, oneRowADay, rowsOf } from './split.ts';
import { summaries } from './summaries.ts';

/** A day's part, in the envelope a question for that day alone is answered with. */
function splitStatistics(answer: JsonValue, path: string): (readonly [Day, JsonValue])[] {
  const statistics = checkObject(answer, path);
  if (!isObject(statistics)) return [];
  const { allMetrics, groupedMetrics } = statistics;
  return [...daysIn([allMetrics ?? null, groupedMetrics ?? null])].map((day) => {
    const data = {
      ...statistics,
      statisticsStartDate: day,
      statisticsEndDate: day,
      allMetrics: keepDay(allMetrics, day),
      groupedMetrics: keepDay(groupedMetrics, day),
    };
    return [day, data] as const;
  });
}

/**
 * The datasets of every day. Ranges settle after four weeks, since a watch can sync that late and one request
 * covers them; single days settle sooner, and are asked for again when their mark changes.
 */
export const daily = {
  user_summary: {
    granularity: 'day',
    settleDays: 3,
    request: {
      path: '/usersummary-service/usersummary/daily/{displayName}',
      params: { calendarDate: '{day}' },
    },
    description: 'Steps, calories, distance, heart rate, stress and more of a day.',
    method: 'get_user_summary',
    isEmpty: emptyTests.user_summary,
    watched: true,
    summary: summaries.user_summary,
    personal: summaries.steps,
  },
  sleep: {
    granularity: 'day',
    settleDays: 7,
    request: {
      path: '/wellness-service/wellness/dailySleepData/{displayName}',
      params: { date: '{day}', nonSleepBufferMinutes: '60' },
    },
    description: 'The night that ended on the day: stages, scores, readings.',
    method: 'get_sleep_data',
    isEmpty: emptyTests.sleep,
    watched: true,
    isOffloaded: offloadedTests.sleep,
    summary: summaries.sleep,
  },
  heart_rate: {
    granularity: 'day',
    settleDays: 3,
    request: { path: '/wellness-service/wellness/dailyHeartRate/{displayName}', params: { date: '{day}' } },
    description: 'Heart rate every two minutes, and the extremes of the day.',
    method: 'get_heart_rates',
    isEmpty: emptyTests.heart_rate,
    watched: true,
    isOffloaded: offloadedTests.heart_rate,
  },
  resting_heart_rate: {
    granularity: 'range',
    spanDays: 365,
    settleDays: 27,
    request: {
      path: '/userstats-service/wellness/daily/{displayName}',
      params: { fromDate: '{start}', untilDate: '{end}', metricId: '60' },
    },
    split: splitStatistics,
    description: 'Resting heart rate of a day.',
    method: 'get_rhr_day',
    isEmpty: emptyTests.resting_heart_rate,
  },
  stress: {
    granularity: 'day',
    settleDays: 3,
    request: { path: '/wellness-service/wellness/dailyStress/{day}' },
    description: 'Stress level and body battery every three minutes.',
    method: 'get_stress_data',
    isEmpty: emptyTests.stress,
    watched: true,
    isOffloaded: offloadedTests.stress,
    summary: summaries.stress,
    personal: summaries.stress,
  },
  body_battery: {
    granularity: 'range',
    spanDays: 28,
    settleDays: 27,
    request: {
      path: '/wellness-service/wellness/bodyBattery/reports/daily',
      params: { startDate: '{start}', endDate: '{end}' },
    },
    split: (answer, path) => groupByDay(rowsOf(answer, path), dayUnder('date', path)),
    description: 'Body battery charged and drained, and its turning points.',
    method: 'get_body_battery',
    isEmpty: emptyTests.body_battery,
    personal: 'same',
  },
  respiration: {
    granularity: 'day',
    settleDays: 3,
    request: { path: '/wellness-service/wellness/daily/respiration/{day}' },
    description: 'Breaths a minute, every two minutes.',
    method: 'get_respiration_data',
    isEmpty: emptyTests.respiration,
    watched: true,
    isOffloaded: offloadedTests.respiration,
  },
  spo2: {
    granularity: 'day',
    settleDays: 3,
    request: { path: '/wellness-service/wellness/daily/spo2/{day}' },
    description: 'Blood oxygen readings and averages.',
    method: 'get_spo2_data',
    isEmpty: emptyTests.spo2,
    watched: true,
    isOffloaded: offloadedTests.spo2,
    personal: 'same',
  },
  hrv: {
    granularity: 'day',
    settleDays: 7,
    request: { path: '/hrv-service/hrv/{day}' },
    description: 'Heart rate variability of the night, every five minutes.',
    method: 'get_hrv_data',
    isEmpty: emptyTests.hrv,
    watched: true,
    summary: summaries.hrv,
    personal: summaries.hrv,
  },
  intensity_minutes: {
    granularity: 'range',
    spanDays: 28,
    settleDays: 27,
    request: { path: '/usersummary-service/stats/im/daily/{start}/{end}' },
    split: oneRowADay('calendarDate'),
    description: 'Moderate and vigorous minutes of a day.',
    method: 'get_intensity_minutes_data',
    isEmpty: emptyTests.intensity_minutes,
  },
} as const satisfies Record<string, DatasetEntry>;

/** True when the answer hides its values because it is somebody else's. */
export function isHidden(answer: JsonValue): boolean {
  return memberOf(answer, 'privacyProtected') === true && emptyTests.user_summary(answer);
}
