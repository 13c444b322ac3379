import { addDays, eachDay } from '../calendar.ts';
import type { CalendarDate } from '../calendar.ts';
import { restingHeartRateOn } from '../person/night.ts';
import { dayPlan } from '../person/day-plan.ts';
import { FIRST_DAY } from '../person/person.ts';
import type { Person } from '../person/person.ts';
import { hasBegun, wornDay } from '../person/view.ts';
import type { View } from '../person/view.ts';
import { dayFrame, forDay, forRange, mean, ok, weekEnding } from './answer.ts';

/** Mean of the days of the week before that were worn. */
export function weeklyRestingHeartRate(person: Person, date: CalendarDate): number | null {
  const days = weekEnding(addDays(date, -1)).filter((day) => day >= FIRST_DAY && dayPlan(person, day).worn);
  return mean(days.map((day) => restingHeartRateOn(person, day)));
}

export const heartRate = forDay('date', (view, date) => {
  const day = wornDay(view, date);
  const values = day?.signals.heartRate.map(([, value]) => value) ?? [];
  return ok({
    ...dayFrame(view.person, date, day?.untilMs),
    maxHeartRate: day ? Math.max(...values) : null,
    minHeartRate: day ? Math.min(...values) : null,
    restingHeartRate: day?.night.restingHeartRate ?? null,
    lastSevenDaysAvgRestingHeartRate: day ? weeklyRestingHeartRate(view.person, date) : null,
    heartRateValueDescriptors: day
      ? [
          { key: 'timestamp', index: 0 },
          { key: 'heartrate', index: 1 },
        ]
      : null,
    heartRateValues: day?.signals.heartRate ?? null,
  });
});

/** Days not worn come as rows of null, as Garmin sends them. */
function restingRows(view: View, days: readonly CalendarDate[]) {
  return days
    .filter((date) => hasBegun(view, date))
    .map((date) => ({ value: wornDay(view, date)?.night.restingHeartRate ?? null, calendarDate: date }));
}

export const restingHeartRate = forRange(
  { start: 'fromDate', end: 'untilDate', maxDays: 366 },
  (view, { start, end }, { query }) => {
    const rows = query['metricId'] === '60' ? restingRows(view, eachDay(start, end)) : [];
    return ok({
      userProfileId: view.person.profileId,
      statisticsStartDate: start,
      statisticsEndDate: end,
      allMetrics: { metricsMap: rows.length > 0 ? { WELLNESS_RESTING_HEART_RATE: rows } : {} },
      groupedMetrics: null,
    });
  },
);
