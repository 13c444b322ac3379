import { MINUTE_MS } from '../calendar.ts';
import type { CalendarDate } from '../calendar.ts';
import { dayPlan } from './day-plan.ts';
import type { DayPlan, PlannedActivity } from './day-plan.ts';
import { nightOf } from './night.ts';
import type { Night } from './night.ts';
import { FIRST_DAY } from './person.ts';
import type { Person } from './person.ts';
import { signalsOf } from './signals.ts';
import type { Sample } from './samples.ts';
import type { Signals } from './signals.ts';

/** What Garmin knows of the person at one moment: everything up to the last sync. */
export interface View {
  readonly person: Person;
  /** The moment of asking: what the person entered before it is known. */
  readonly nowMs: number;
  /** The instant of the last sync: nothing the watch measured later is known. */
  readonly knownUntilMs: number;
  /** The person's civil day at the moment of asking. */
  readonly today: CalendarDate;
}

export function viewAt(person: Person, nowMs: number, lastSyncMs: number): View {
  return { person, today: person.zone.dateOf(nowMs), nowMs, knownUntilMs: lastSyncMs };
}

/** A worn day as far as it is known. */
export interface WornDay {
  readonly plan: DayPlan;
  readonly night: Night;
  /** End of what is known of this day: its midnight, or the last sync. */
  readonly untilMs: number;
  readonly signals: Signals;
  readonly activities: readonly PlannedActivity[];
}

/** Has the day begun, and did the person own a watch by then? Says nothing about whether it was worn. */
export function hasBegun({ person, knownUntilMs }: View, date: CalendarDate): boolean {
  return date >= FIRST_DAY && dayPlan(person, date).startMs < knownUntilMs;
}

/** What the watch wrote down before an instant; a count of steps only once its quarter of an hour is over. */
function signalsUntil({ person }: View, date: CalendarDate, untilMs: number): Signals {
  const all = signalsOf(person, date);
  const before = (samples: readonly Sample[]): readonly Sample[] =>
    samples.filter(([atMs]) => atMs < untilMs);
  return {
    heartRate: before(all.heartRate),
    stress: before(all.stress),
    bodyBattery: before(all.bodyBattery),
    respiration: before(all.respiration),
    steps: all.steps.filter(([atMs]) => atMs + 15 * MINUTE_MS <= untilMs),
  };
}

/**
 * The day's measurements, or undefined where there are none: not begun, not worn, before the first watch.
 * A day begins with the first sync after waking up, so that its night is whole.
 */
export function wornDay(view: View, date: CalendarDate): WornDay | undefined {
  if (!hasBegun(view, date)) return undefined;
  const plan = dayPlan(view.person, date);
  if (!plan.worn) return undefined;
  const untilMs = Math.min(plan.endMs, view.knownUntilMs);
  if (untilMs < plan.wakeMs) return undefined;
  return {
    plan,
    night: nightOf(view.person, date),
    untilMs,
    // Worked out when asked for: most answers over long ranges need none of it.
    get signals() {
      return signalsUntil(view, date, untilMs);
    },
    activities: plan.activities.filter((activity) => activity.endMs <= untilMs),
  };
}

/** An entry made by hand or by the scale is known at once. */
export function isEntered(view: View, atMs: number): boolean {
  return atMs <= view.nowMs;
}

/** The activities of some days that are known, oldest first. */
export function knownActivities(view: View, dates: readonly CalendarDate[]): PlannedActivity[] {
  return dates
    .filter((date) => hasBegun(view, date))
    .flatMap((date) => dayPlan(view.person, date).activities)
    .filter((activity) => activity.endMs <= view.knownUntilMs);
}
