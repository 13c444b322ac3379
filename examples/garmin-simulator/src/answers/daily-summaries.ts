import { eachDay } from '../calendar.ts';
import type { CalendarDate } from '../calendar.ts';
import { hasBegun, wornDay } from '../person/view.ts';
import type { View } from '../person/view.ts';
import { forRange, ok } from './answer.ts';
import { daySummary } from './user-summary.ts';

/** Members that the range has under the name the day has. */
const SAME_NAME =
  `totalKilocalories activeKilocalories bmrKilocalories totalSteps restingHeartRate minHeartRate
  maxHeartRate averageStressLevel maxStressLevel stressDuration restStressDuration lowStressDuration
  mediumStressDuration highStressDuration bodyBatteryChargedValue bodyBatteryDrainedValue bodyBatteryHighestValue
  bodyBatteryLowestValue moderateIntensityMinutes vigorousIntensityMinutes floorsAscended floorsDescended
  sleepingSeconds sedentarySeconds activeSeconds highlyActiveSeconds averageSpo2 lowestSpo2
  avgWakingRespirationValue highestRespirationValue lowestRespirationValue`.split(/\s+/);

function valuesOn(view: View, date: CalendarDate): Record<string, unknown> {
  const day = wornDay(view, date);
  const summary: Record<string, unknown> = day === undefined ? {} : daySummary(view, day);
  return {
    ...Object.fromEntries(SAME_NAME.map((name) => [name, summary[name] ?? null])),
    totalDistance: summary['totalDistanceMeters'] ?? null,
    stepGoal: day === undefined ? null : view.person.stepGoal,
  };
}

/** One row a day that has begun; a day the watch was not worn is a row of nulls. */
export const dailySummaries = forRange({ start: 'start', end: 'end', maxDays: 28 }, (view, { start, end }) =>
  ok(
    eachDay(start, end)
      .filter((date) => hasBegun(view, date))
      .map((date) => ({ calendarDate: date, values: valuesOn(view, date) })),
  ),
);
