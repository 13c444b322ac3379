import { eachDay, isoStamp } from '../calendar.ts';
import type { CalendarDate } from '../calendar.ts';
import { dayPlan, fitnessOn } from '../person/day-plan.ts';
import { dayRandom, wander } from '../person/person.ts';
import type { Person } from '../person/person.ts';
import type { View } from '../person/view.ts';
import { NOT_FOUND, badRequest, forRange, ok } from './answer.ts';
import type { Answerer } from './answer.ts';
import { ranOn } from './fitness.ts';

/** Raw units as Garmin stores them: speed in tenths of metres a second, pulse in beats, power in watts. */
const THRESHOLDS: Readonly<Record<string, (person: Person, date: CalendarDate) => number>> = {
  lactateThresholdSpeed: (person, date) => Math.round((fitnessOn(person, date) * 0.0079 + 0.002) * 1e5) / 1e5,
  lactateThresholdHeartRate: (person, date) =>
    Math.round(person.maxHeartRate * 0.895 + wander(person, date, 'threshold', 60) * 2),
  functionalThresholdPower: (person, date) => Math.round(fitnessOn(person, date) * 5.9),
};

/** The watch finds a new threshold on one run in nine or so. */
const detected = (view: View, date: CalendarDate): boolean =>
  ranOn(view, date) && dayRandom(view.person, date, 'threshold').chance(1 / 9);

const thresholdRange = forRange({ start: 'start', end: 'end', maxDays: 365 }, (view, { start, end }, ask) => {
  const series = THRESHOLDS[ask.params['series'] ?? ''];
  if (series === undefined) return NOT_FOUND;
  if (ask.query['sport'] !== 'RUNNING') return ok([]);
  return ok(
    eachDay(start, end)
      .filter((date) => detected(view, date))
      .map((date) => ({
        from: date,
        until: date,
        series: 'running',
        value: series(view.person, date),
        updatedDate: isoStamp(dayPlan(view.person, date).activities[0]?.endMs ?? 0).slice(0, 10),
      })),
  );
});

export const lactateThreshold: Answerer = (ask) =>
  ask.query['sport'] === undefined && ask.params['series'] === 'lactateThresholdSpeed'
    ? badRequest('sport is required')
    : thresholdRange(ask);
