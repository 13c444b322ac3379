import { addDays, weekday } from '../calendar.ts';
import type { CalendarDate } from '../calendar.ts';
import { FIRST_DAY, dayRandom, oncePerDay, wander } from './person.ts';
import type { Person } from './person.ts';

export type Sport = 'running' | 'cycling';

export interface PlannedActivity {
  readonly activityId: number;
  readonly sport: Sport;
  readonly name: string;
  readonly startMs: number;
  readonly endMs: number;
  readonly durationSeconds: number;
  readonly distanceMeters: number;
  readonly averageHeartRate: number;
  readonly maxHeartRate: number;
  /** Training load as the watch would score it. */
  readonly load: number;
}

/** What happens on one civil day, before any sensor has seen it. */
export interface DayPlan {
  readonly date: CalendarDate;
  readonly startMs: number;
  readonly endMs: number;
  /** false: the watch lay in a drawer all day. */
  readonly worn: boolean;
  /** The night that ends on this day; it may begin on the evening before. */
  readonly bedMs: number;
  readonly wakeMs: number;
  readonly activities: readonly PlannedActivity[];
}

interface Outing {
  readonly sport: Sport;
  readonly name: string;
  readonly startMinute: number;
  readonly kilometers: number;
  /** Share of the heart rate reserve. */
  readonly effort: number;
}

/** Tuesday intervals, Thursday easy, Saturday on the bike, Sunday long. All end well before the evening sync. */
const WEEK: Readonly<Record<number, Outing>> = {
  2: { sport: 'running', name: 'Riverside - Intervals', startMinute: 1110, kilometers: 8.4, effort: 0.79 },
  4: { sport: 'running', name: 'Riverside - Base', startMinute: 1120, kilometers: 7.2, effort: 0.66 },
  6: { sport: 'cycling', name: 'Valley Road Cycling', startMinute: 545, kilometers: 38, effort: 0.58 },
  7: { sport: 'running', name: 'Lakeside - Long Run', startMinute: 510, kilometers: 15.5, effort: 0.7 },
};

/** The person's weeks differ: an outing is now and then left out. */
const OUTING_CHANCE = 0.94;

function planOuting(person: Person, date: CalendarDate, outing: Outing): PlannedActivity | undefined {
  const random = dayRandom(person, date, 'outing');
  if (!random.chance(OUTING_CHANCE)) return undefined;
  const kilometers = outing.kilometers * random.between(0.86, 1.14);
  const effort = outing.effort + random.between(-0.03, 0.03);
  const fitness = fitnessOn(person, date) / 50;
  const speed = (outing.sport === 'running' ? 2.1 + 1.5 * effort : 4.1 + 6 * effort) * fitness;
  const durationSeconds = Math.round((kilometers * 1000) / speed);
  const startMs = person.zone.instantOf(date, outing.startMinute) + random.int(-1200, 1200) * 1000;
  const reserve = person.maxHeartRate - person.restingHeartRate;
  const averageHeartRate = Math.round(person.restingHeartRate + reserve * effort);
  return {
    activityId: 20_000_000_000 + random.int(0, 99) + Math.floor(startMs / 1000 - 1.7e9) * 100,
    sport: outing.sport,
    name: outing.name,
    startMs,
    endMs: startMs + durationSeconds * 1000,
    durationSeconds,
    distanceMeters: Math.round(kilometers * 1000),
    averageHeartRate,
    maxHeartRate: Math.min(person.maxHeartRate, averageHeartRate + random.int(12, 22)),
    load: Math.round((durationSeconds / 60) * effort * effort * effort * 6.2),
  };
}

/** VO2 max in ml/kg/min: a slow wander around the person's own value. */
export function fitnessOn(person: Person, date: CalendarDate): number {
  return person.vo2Max + wander(person, date, 'fitness', 45) * 2.2;
}

// A plan is small, and totals over years ask for many.
const KEPT_DAYS = 2000;

export const dayPlan = oncePerDay(KEPT_DAYS, (person: Person, date: CalendarDate): DayPlan => {
  const random = dayRandom(person, date, 'plan');
  const worn = date === FIRST_DAY || (date > FIRST_DAY && !random.chance(1 / 15));
  const late = weekday(date) >= 6 ? 25 : 0;
  const outing = WEEK[weekday(date)];
  const activity = worn && outing !== undefined ? planOuting(person, date, outing) : undefined;
  return {
    date,
    startMs: person.zone.instantOf(date, 0),
    endMs: person.zone.instantOf(addDays(date, 1), 0),
    worn,
    bedMs: person.zone.instantOf(date, random.int(-85, -5) + late),
    // Always up before the morning sync at 07:30, so that the morning's answers hold the whole night.
    wakeMs: person.zone.instantOf(date, random.int(362, 402) + late),
    activities: activity === undefined ? [] : [activity],
  };
});
