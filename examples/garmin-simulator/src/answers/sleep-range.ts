import { eachDay } from '../calendar.ts';
import type { CalendarDate } from '../calendar.ts';
import type { Night } from '../person/night.ts';
import { wornDay } from '../person/view.ts';
import type { View } from '../person/view.ts';
import { forRange, mean, ok } from './answer.ts';
import type { DayRange } from './answer.ts';
import { sleepScores } from './sleep-scores.ts';

interface DatedNight {
  readonly calendarDate: CalendarDate;
  readonly night: Night;
}

function nightsOf(view: View, { start, end }: DayRange): DatedNight[] {
  return eachDay(start, end).flatMap((calendarDate) => {
    const night = wornDay(view, calendarDate)?.night;
    return night === undefined ? [] : [{ calendarDate, night }];
  });
}

const asleepSeconds = ({ seconds }: Night): number => seconds.deep + seconds.light + seconds.rem;

function values(view: View, night: Night) {
  const { zone, features } = view.person;
  return {
    remTime: night.seconds.rem,
    deepTime: night.seconds.deep,
    lightTime: night.seconds.light,
    awakeTime: night.seconds.awake,
    totalSleepTimeInSeconds: asleepSeconds(night),
    sleepScore: night.score,
    sleepScoreQuality: sleepScores(night).overall.qualifierKey,
    restingHeartRate: night.restingHeartRate,
    spO2: night.spo2,
    respiration: night.respiration,
    avgOvernightHrv: features.hrv ? night.hrvAverage : null,
    bodyBatteryChange: Math.round((night.endMs - night.startMs) / 480_000),
    gmtSleepStartTimeInMillis: night.startMs,
    gmtSleepEndTimeInMillis: night.endMs,
    localSleepStartTimeInMillis: zone.toLocal(night.startMs),
    localSleepEndTimeInMillis: zone.toLocal(night.endMs),
  };
}

/** Only nights that were measured are listed. */
export const sleepRange = forRange({ start: 'start', end: 'end', maxDays: 28 }, (view, range) => {
  const nights = nightsOf(view, range);
  return ok({
    overallStats: {
      averageSleepScore: mean(nights.map(({ night }) => night.score)),
      averageSleepSeconds: mean(nights.map(({ night }) => asleepSeconds(night))),
    },
    individualStats: nights.map(({ calendarDate, night }) => ({ calendarDate, values: values(view, night) })),
  });
});

export const sleepScoreRange = forRange({ start: 'start', end: 'end', maxDays: 28 }, (view, range) =>
  ok(nightsOf(view, range).map(({ calendarDate, night }) => ({ calendarDate, value: night.score }))),
);
