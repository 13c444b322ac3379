import { eachDay, isoStamp } from '../calendar.ts';
import type { CalendarDate } from '../calendar.ts';
import { dayPlan, fitnessOn } from '../person/day-plan.ts';
import { wander } from '../person/person.ts';
import type { Person } from '../person/person.ts';
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

const thresholdRange = forRange({ start: 'start', end: 'end', maxDays: 365 }, (view, { start, end }, ask) => {
  const series = THRESHOLDS[ask.params['series'] ?? ''];
  if (series === undefined) return NOT_FOUND;
  if (ask.query['sport'] !== 'RUNNING') return ok([]);
  return ok(
    eachDay(start, end)
      // The watch finds a new threshold on every run.
      .filter((date) => ranOn(view, date))
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
