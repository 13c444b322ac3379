import { MINUTE_MS, addDays, dayNumber, eachDay, isoStamp } from '../calendar.ts';
import type { CalendarDate } from '../calendar.ts';
import { dayPlan } from '../person/day-plan.ts';
import { nightOf } from '../person/night.ts';
import type { Night } from '../person/night.ts';
import { FIRST_DAY, dayRandom } from '../person/person.ts';
import { wornDay } from '../person/view.ts';
import type { View } from '../person/view.ts';
import { NO_CONTENT, forDay, forRange, mean, ok, weekEnding } from './answer.ts';

/** The watch needs about three weeks of nights before it knows what is normal for the person. */
const BASELINE_DAYS = 21;

function hrvNight(view: View, date: CalendarDate): Night | undefined {
  return view.person.features.hrv ? wornDay(view, date)?.night : undefined;
}

export function weeklyHrv(view: View, date: CalendarDate): number | null {
  const { person } = view;
  const nights = weekEnding(date).filter((day) => day >= FIRST_DAY && dayPlan(person, day).worn);
  return mean(nights.map((day) => nightOf(person, day).hrvAverage));
}

function summary(view: View, date: CalendarDate, night: Night) {
  const usual = view.person.nightHrvMs;
  const weekly = weeklyHrv(view, date) ?? usual;
  const known = dayNumber(date) - dayNumber(FIRST_DAY) >= BASELINE_DAYS;
  const balanced = weekly >= usual - 6 && weekly <= usual + 9;
  return {
    calendarDate: date,
    weeklyAvg: weekly,
    lastNightAvg: night.hrvAverage,
    lastNight5MinHigh: night.hrvAverage + dayRandom(view.person, date, 'hrv-high').int(14, 38),
    baseline: known
      ? { lowUpper: usual - 10, balancedLow: usual - 6, balancedUpper: usual + 9, markerValue: 0.375 }
      : null,
    status: known ? (balanced ? 'BALANCED' : 'UNBALANCED') : 'NONE',
    feedbackPhrase: known ? (balanced ? 'HRV_BALANCED_7' : 'HRV_UNBALANCED_3') : 'ONBOARDING_1',
    createTimeStamp: `${isoStamp(night.endMs + 4 * MINUTE_MS).slice(0, 19)}.231`,
  };
}

function readings(view: View, date: CalendarDate, night: Night) {
  const random = dayRandom(view.person, date, 'hrv-readings');
  const { zone } = view.person;
  const rows = [];
  for (let atMs = night.startMs + 5 * MINUTE_MS; atMs < night.endMs; atMs += 5 * MINUTE_MS) {
    rows.push({
      hrvValue: Math.max(12, Math.round(night.hrvAverage + random.spread() * 14)),
      readingTimeGMT: isoStamp(atMs),
      readingTimeLocal: isoStamp(zone.toLocal(atMs)),
    });
  }
  return rows;
}

export const hrvDay = forDay('day', (view, date) => {
  const night = hrvNight(view, date);
  if (night === undefined) return NO_CONTENT;
  const { zone, profileId } = view.person;
  const firstMs = night.startMs + 5 * MINUTE_MS;
  return ok({
    userProfilePk: profileId,
    hrvSummary: summary(view, date, night),
    hrvReadings: readings(view, date, night),
    startTimestampGMT: isoStamp(firstMs),
    endTimestampGMT: isoStamp(night.endMs),
    startTimestampLocal: isoStamp(zone.toLocal(firstMs)),
    endTimestampLocal: isoStamp(zone.toLocal(night.endMs)),
    sleepStartTimestampGMT: isoStamp(night.startMs),
    sleepEndTimestampGMT: isoStamp(night.endMs),
    sleepStartTimestampLocal: isoStamp(zone.toLocal(night.startMs)),
    sleepEndTimestampLocal: isoStamp(zone.toLocal(night.endMs)),
  });
});

export const hrvRange = forRange({ start: 'start', end: 'end', maxDays: 28 }, (view, { start, end }) => {
  const hrvSummaries = eachDay(start, end).flatMap((date) => {
    const night = hrvNight(view, date);
    return night === undefined ? [] : [summary(view, date, night)];
  });
  if (hrvSummaries.length === 0) return NO_CONTENT;
  return ok({ hrvSummaries, userProfilePk: view.person.profileId });
});

/** Balanced share of the readiness score: nearer to the usual value is better. */
export function hrvFactorPercent(view: View, date: CalendarDate): number {
  const yesterday = weeklyHrv(view, addDays(date, -1)) ?? view.person.nightHrvMs;
  return Math.max(40, Math.min(99, 99 - Math.abs(yesterday - view.person.nightHrvMs) * 5));
}
