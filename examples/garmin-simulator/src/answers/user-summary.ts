import { isoStamp } from '../calendar.ts';
import { FIRST_DAY } from '../person/person.ts';
import type { Person } from '../person/person.ts';
import { wornDay } from '../person/view.ts';
import type { View, WornDay } from '../person/view.ts';
import { NOT_FOUND, forDay, mean, ok, sum } from './answer.ts';
import { spo2Hours } from './breathing.ts';
import { weeklyRestingHeartRate } from './heart.ts';
import { movementOf } from './movement.ts';
import { EMPTY_MEMBERS, identity } from './user-summary-identity.ts';
import { bodyBatteryEvents, bodyBatteryTotals, stressTotals } from './stress.ts';

const two = (value: number): number => Math.round(value * 100) / 100;

/** Kilocalories a day at rest (Mifflin-St Jeor, a person of 38). */
function restingKilocalories(person: Person): number {
  return Math.round(person.weightGrams / 100 + 6.25 * person.heightCm - 5 * 38 + 5);
}

function energy(view: View, day: WornDay) {
  const part = (day.untilMs - day.plan.startMs) / (day.plan.endMs - day.plan.startMs);
  const bmr = Math.round(restingKilocalories(view.person) * part);
  const steps = sum(day.signals.steps.map(([, count]) => count));
  const active = Math.round(steps / 28 + sum(day.activities.map(({ load }) => load * 2.4)));
  return {
    totalKilocalories: bmr + active,
    activeKilocalories: active,
    bmrKilocalories: bmr,
    wellnessKilocalories: bmr + active,
    burnedKilocalories: null,
    consumedKilocalories: null,
    remainingKilocalories: null,
    netCalorieGoal: null,
    wellnessActiveKilocalories: active,
    netRemainingKilocalories: active,
    restingCaloriesFromActivity: day.activities.length > 0 ? Math.round(bmr / 24) : null,
  };
}

function activity(day: WornDay) {
  const movement = movementOf(day);
  const asleep = (day.night.endMs - Math.max(day.night.startMs, day.plan.startMs)) / 1000;
  const highlyActive = sum(day.activities.map(({ durationSeconds }) => durationSeconds));
  const active = Math.round(movement.steps * 0.5);
  const floors = floorsFrom(movement.steps);
  return {
    totalSteps: movement.steps,
    totalDistanceMeters: movement.distanceMeters,
    wellnessDistanceMeters: movement.distanceMeters,
    highlyActiveSeconds: highlyActive,
    activeSeconds: active,
    sedentarySeconds: Math.max(0, (day.untilMs - day.plan.startMs) / 1000 - asleep - highlyActive - active),
    sleepingSeconds: asleep,
    moderateIntensityMinutes: movement.moderateMinutes,
    vigorousIntensityMinutes: movement.vigorousMinutes,
    floorsAscended: floors,
    floorsDescended: two(floors * 0.94),
    floorsAscendedInMeters: two(floors * 3.048),
    floorsDescendedInMeters: two(floors * 0.94 * 3.048),
  };
}

const floorsFrom = (steps: number): number => two((steps % 1700) / 100 + 1);

function heart(view: View, day: WornDay) {
  const values = day.signals.heartRate.map(([, value]) => value);
  const [lowest, highest] = [Math.min(...values), Math.max(...values)];
  return {
    minHeartRate: lowest,
    maxHeartRate: highest,
    restingHeartRate: day.night.restingHeartRate,
    lastSevenDaysAvgRestingHeartRate: weeklyRestingHeartRate(view.person, day.plan.date),
    minAvgHeartRate: lowest + 1,
    maxAvgHeartRate: highest - 2,
    abnormalHeartRateAlertsCount: null,
  };
}

function stress(day: WornDay) {
  const asleep = stressTotals(
    day.signals.stress.filter(([atMs]) => atMs >= day.night.startMs && atMs < day.night.endMs),
  );
  const asleepSeconds = asleep.restSeconds + asleep.lowSeconds + asleep.mediumSeconds + asleep.highSeconds;
  const totals = stressTotals(day.signals.stress);
  const stressed = totals.lowSeconds + totals.mediumSeconds + totals.highSeconds;
  const seconds = {
    stress: stressed,
    restStress: totals.restSeconds,
    activityStress: totals.activitySeconds,
    uncategorizedStress: totals.uncategorizedSeconds,
    totalStress: stressed + totals.restSeconds + totals.activitySeconds + totals.uncategorizedSeconds,
    lowStress: totals.lowSeconds,
    mediumStress: totals.mediumSeconds,
    highStress: totals.highSeconds,
  };
  const { totalStress, ...parts } = seconds;
  const durations = Object.entries(seconds).map(([name, value]) => [`${name}Duration`, value]);
  const shares = Object.entries(parts).map(([name, value]) => [
    `${name}Percentage`,
    two((100 * value) / totalStress),
  ]);
  return {
    averageStressLevel: totals.average,
    maxStressLevel: totals.max,
    ...Object.fromEntries([...durations, ...shares]),
    stressQualifier: (totals.average ?? 0) > 35 ? 'STRESSFUL' : 'BALANCED',
    measurableAwakeDuration: totals.restSeconds + stressed - asleepSeconds,
    measurableAsleepDuration: asleepSeconds,
  };
}

function bodyBattery(view: View, day: WornDay) {
  const totals = bodyBatteryTotals(day.signals.bodyBattery);
  return {
    bodyBatteryChargedValue: totals.charged,
    bodyBatteryDrainedValue: totals.drained,
    bodyBatteryHighestValue: totals.highest,
    bodyBatteryLowestValue: totals.lowest,
    bodyBatteryMostRecentValue: totals.latest,
    bodyBatteryDuringSleep: Math.round((day.night.endMs - day.night.startMs) / 480_000),
    bodyBatteryAtWakeTime: day.night.bodyBatteryAtWake,
    bodyBatteryVersion: 3.0,
    bodyBatteryDynamicFeedbackEvent: null,
    endOfDayBodyBatteryDynamicFeedbackEvent: null,
    bodyBatteryActivityEventList: bodyBatteryEvents(view, day).map((event) => ({
      ...event,
      deviceId: view.person.watchId,
      activityName: null,
      activityType: null,
      activityId: null,
    })),
  };
}

function breathing(view: View, day: WornDay) {
  const { zone } = view.person;
  const valid = day.signals.respiration.filter(([, value]) => value > 0);
  const values = valid.map(([, value]) => value);
  const spo2 = spo2Hours(view, day.plan.date);
  const [lastSpo2, lastBreath] = [spo2[spo2.length - 1], valid[valid.length - 1]];
  return {
    averageSpo2: mean(spo2.map(([, value]) => value)),
    lowestSpo2: spo2.length > 0 ? Math.min(...spo2.map(([, value]) => value)) : null,
    latestSpo2: lastSpo2?.[1] ?? null,
    latestSpo2ReadingTimeGmt: lastSpo2 ? isoStamp(lastSpo2[0]) : null,
    latestSpo2ReadingTimeLocal: lastSpo2 ? isoStamp(zone.toLocal(lastSpo2[0])) : null,
    avgWakingRespirationValue: mean(
      valid.filter(([atMs]) => atMs >= day.night.endMs).map(([, value]) => value),
    ),
    highestRespirationValue: Math.max(...values),
    lowestRespirationValue: Math.min(...values),
    latestRespirationValue: lastBreath?.[1] ?? null,
    latestRespirationTimeGMT: lastBreath ? isoStamp(lastBreath[0]) : null,
    respirationAlgorithmVersion: 200,
  };
}

/** Everything measured on a day, in one object. */
export function daySummary(view: View, day: WornDay) {
  return {
    ...energy(view, day),
    ...activity(day),
    ...heart(view, day),
    ...stress(day),
    ...bodyBattery(view, day),
    ...breathing(view, day),
  };
}

export const userSummary = forDay('calendarDate', (view, date) => {
  if (date < FIRST_DAY) return NOT_FOUND;
  const day = wornDay(view, date);
  if (day === undefined) {
    const nothing = Object.fromEntries(EMPTY_MEMBERS.map((name) => [name, null]));
    return ok({ ...identity(view, date, undefined), ...nothing });
  }
  return ok({ ...identity(view, date, day), ...daySummary(view, day) });
});
