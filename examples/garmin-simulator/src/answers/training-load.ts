import { addDays, dayNumber, eachDay } from '../calendar.ts';
import type { CalendarDate } from '../calendar.ts';
import { dayPlan } from '../person/day-plan.ts';
import { FIRST_DAY } from '../person/person.ts';
import type { Person } from '../person/person.ts';
import type { PlannedActivity } from '../person/day-plan.ts';

const MINUTES = 60_000;

function loadOn(person: Person, date: CalendarDate): number {
  return dayPlan(person, date).activities.reduce((total, { load }) => total + load, 0);
}

export interface TrainingLoad {
  /** The last seven days. */
  readonly acute: number;
  /** A usual week of the last four. */
  readonly chronic: number;
  readonly ratio: number;
}

/** Load on the morning of a day: what was done up to the evening before. */
export function trainingLoad(person: Person, date: CalendarDate): TrainingLoad {
  const sum = (days: number): number =>
    eachDay(addDays(date, -days), addDays(date, -1))
      .filter((day) => day >= FIRST_DAY)
      .reduce((total, day) => total + loadOn(person, day), 0);
  const acute = Math.round(sum(7));
  const chronic = Math.round(sum(28) / 4);
  return { acute, chronic, ratio: chronic === 0 ? 0 : Math.round((acute / chronic) * 10) / 10 };
}

/** Minutes of rest the watch asks for after an exercise. */
function recoveryAfter(activity: PlannedActivity): number {
  return Math.round(activity.load * 11);
}

/** Minutes of rest still asked for at an instant; recovery runs down by the clock. */
export function recoveryMinutesAt(person: Person, date: CalendarDate, atMs: number): number {
  return eachDay(addDays(date, -4), date)
    .filter((day) => day >= FIRST_DAY)
    .flatMap((day) => dayPlan(person, day).activities)
    .filter((activity) => activity.endMs <= atMs)
    .reduce((rest, activity) => {
      const left = recoveryAfter(activity) - Math.floor((atMs - activity.endMs) / MINUTES);
      return Math.max(rest, left);
    }, 0);
}

/** Days since the last run whose VO2 max the watch could estimate; undefined when none in four weeks. */
export function lastRunBefore(person: Person, date: CalendarDate): CalendarDate | undefined {
  return eachDay(addDays(date, -28), date)
    .filter((day) => day >= FIRST_DAY)
    .findLast((day) => dayPlan(person, day).activities.some(({ sport }) => sport === 'running'));
}

/** Training status and scores need some weeks of training first. */
export function hasTrained(date: CalendarDate): boolean {
  return dayNumber(date) - dayNumber(FIRST_DAY) >= 14;
}
