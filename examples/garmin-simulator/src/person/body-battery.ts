import { addDays } from '../calendar.ts';
import type { CalendarDate } from '../calendar.ts';
import { dayPlan } from './day-plan.ts';
import type { DayPlan, PlannedActivity } from './day-plan.ts';
import { nightOf } from './night.ts';
import { dayRandom } from './person.ts';
import type { Person } from './person.ts';
import { series } from './samples.ts';
import type { Sample } from './samples.ts';

/** Body battery at bedtime on the evening of a day. */
function bedtimeLevel(person: Person, date: CalendarDate): number {
  const tired = dayPlan(person, date).activities.reduce((sum, activity) => sum + activity.load, 0) / 20;
  return Math.round(Math.max(5, dayRandom(person, date, 'bedtime').int(22, 40) - tired));
}

/** Charges in the night, drains through the day and faster in exercise. */
export function bodyBatterySeries(person: Person, plan: DayPlan): Sample[] {
  const tomorrow = addDays(plan.date, 1);
  const next = dayPlan(person, tomorrow);
  const corners: readonly Sample[] = [
    [plan.bedMs, bedtimeLevel(person, addDays(plan.date, -1))],
    [plan.wakeMs, nightOf(person, plan.date).bodyBatteryAtWake],
    ...plan.activities.flatMap((activity): Sample[] => [
      [activity.startMs, exerciseStartLevel(person, plan, activity)],
      [activity.endMs, exerciseStartLevel(person, plan, activity) - Math.round(activity.load / 12)],
    ]),
    [next.bedMs, bedtimeLevel(person, plan.date)],
    [next.wakeMs, nightOf(person, tomorrow).bodyBatteryAtWake],
  ];
  return series(plan, 3, (atMs) => Math.round(Math.max(5, between(corners, atMs))));
}

/** Level when the exercise starts: on the straight line from waking up to bedtime. */
function exerciseStartLevel(person: Person, plan: DayPlan, activity: PlannedActivity): number {
  const wake = nightOf(person, plan.date).bodyBatteryAtWake;
  const part = (activity.startMs - plan.wakeMs) / (plan.endMs - plan.wakeMs);
  return Math.round(wake + (bedtimeLevel(person, plan.date) - wake) * part * 0.7);
}

function between(corners: readonly Sample[], atMs: number): number {
  const after = corners.findIndex(([cornerMs]) => cornerMs > atMs);
  const right = corners[after] ?? corners[corners.length - 1] ?? [atMs, 0];
  const left = corners[after - 1] ?? right;
  if (right[0] === left[0]) return right[1];
  return left[1] + ((right[1] - left[1]) * (atMs - left[0])) / (right[0] - left[0]);
}
