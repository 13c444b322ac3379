import { MINUTE_MS, isoStamp } from '../calendar.ts';
import type { CalendarDate } from '../calendar.ts';
import { wornDay } from '../person/view.ts';
import type { View, WornDay } from '../person/view.ts';
import { forDay, ok } from './answer.ts';
import { hrvFactorPercent, weeklyHrv } from './hrv.ts';
import { recoveryMinutesAt, trainingLoad } from './training-load.ts';

type Occasion = 'AFTER_WAKEUP_RESET' | 'AFTER_POST_EXERCISE_RESET' | 'UPDATE_REALTIME_VARIABLES';

function occasions(view: View, day: WornDay): { atMs: number; occasion: Occasion }[] {
  const { zone } = view.person;
  const at = (minutes: number): number => zone.instantOf(day.plan.date, minutes);
  return [
    { atMs: day.night.endMs + MINUTE_MS, occasion: 'AFTER_WAKEUP_RESET' as const },
    { atMs: at(13 * 60 + 20), occasion: 'UPDATE_REALTIME_VARIABLES' as const },
    ...day.activities.map(({ endMs }) => ({
      atMs: endMs + MINUTE_MS,
      occasion: 'AFTER_POST_EXERCISE_RESET' as const,
    })),
    { atMs: at(20 * 60 + 50), occasion: 'UPDATE_REALTIME_VARIABLES' as const },
  ].filter(({ atMs }) => atMs <= day.untilMs);
}

function feedback(percent: number): string {
  if (percent >= 70) return 'GOOD';
  return percent >= 40 ? 'MODERATE' : 'POOR';
}

function level(score: number): string {
  if (score >= 75) return 'HIGH';
  return score >= 50 ? 'MODERATE' : 'LOW';
}

/** Percent of each factor behind the score. */
function factors(view: View, date: CalendarDate, day: WornDay, atMs: number) {
  const recovery = recoveryMinutesAt(view.person, date, atMs);
  const { ratio } = trainingLoad(view.person, date);
  return {
    recovery,
    percents: {
      sleepScore: Math.max(10, day.night.score - 8),
      recoveryTime: Math.max(1, Math.round(100 - recovery / 36)),
      acwr: Math.max(20, Math.round(100 - Math.abs(ratio - 1) * 50)),
      stressHistory: Math.max(30, 98 - day.night.stress),
      hrv: hrvFactorPercent(view, date),
      sleepHistory: Math.max(20, day.night.score - 3),
    },
  };
}

function snapshot(view: View, day: WornDay, atMs: number, occasion: Occasion) {
  const { person } = view;
  const { date } = day.plan;
  const { recovery, percents } = factors(view, date, day, atMs);
  const values = Object.values(percents);
  const score = Math.round(
    values.reduce((total, value) => total + value, 0) / values.length - recovery / 120,
  );
  const named = Object.entries(percents).flatMap(([name, percent]) => [
    [`${name}FactorPercent`, percent],
    [`${name}FactorFeedback`, feedback(percent)],
    [`${name}FactorFeedbackPhrase`, null],
  ]);
  return {
    userProfilePK: person.profileId,
    calendarDate: date,
    timestamp: isoStamp(atMs),
    timestampLocal: isoStamp(person.zone.toLocal(atMs)),
    deviceId: person.watchId,
    level: level(score),
    feedbackLong: score >= 75 ? 'HIGH_RT_AVAILABLE_SS_GOOD' : 'MOD_RT_MOD_SS_GOOD',
    feedbackShort: recovery > 0 ? 'RECOVERY_IN_PROGRESS' : 'WELL_RECOVERED',
    score,
    sleepScore: day.night.score,
    recoveryTime: recovery,
    acuteLoad: trainingLoad(person, date).acute,
    hrvWeeklyAverage: person.features.hrv ? weeklyHrv(view, date) : null,
    ...Object.fromEntries(named),
    validSleep: true,
    inputContext: occasion,
    primaryActivityTracker: true,
    recoveryTimeChangePhrase: null,
  };
}

/** Newest first: on waking up, at midday, after each exercise and in the evening. */
export function readinessOn(view: View, date: CalendarDate) {
  const day = wornDay(view, date);
  if (day === undefined) return [];
  return occasions(view, day)
    .toSorted((left, right) => right.atMs - left.atMs)
    .map(({ atMs, occasion }) => snapshot(view, day, atMs, occasion));
}

export const trainingReadiness = forDay('day', (view, date) => ok(readinessOn(view, date)));
