import { dayNumber, openZone } from '../calendar.ts';
import type { CalendarDate, Zone } from '../calendar.ts';
import { randomFor } from '../prng.ts';
import type { Random } from '../prng.ts';

/** The day the person's first watch was set up. Nothing was measured before it. */
export const FIRST_DAY: CalendarDate = '2024-03-01';

interface Features {
  /** false: the watch measures no heart rate variability. */
  readonly hrv: boolean;
  /** false: the person has not set up cycle tracking. */
  readonly menstrual: boolean;
}

/** What stays true of the invented person: everything else is worked out from this and a day. */
export interface Person {
  readonly seed: string;
  readonly zone: Zone;
  readonly features: Features;
  readonly profileId: number;
  readonly displayName: string;
  readonly fullName: string;
  readonly email: string;
  readonly watchId: number;
  readonly scaleId: number;
  readonly heightCm: number;
  readonly weightGrams: number;
  readonly restingHeartRate: number;
  readonly maxHeartRate: number;
  readonly vo2Max: number;
  readonly nightHrvMs: number;
  readonly stepGoal: number;
}

export interface PersonOptions {
  readonly seed: string;
  readonly timeZone: string;
  readonly email: string;
  readonly features: Features;
}

export function createPerson({ seed, timeZone, email, features }: PersonOptions): Person {
  const random = randomFor(seed, 'person');
  const guid = [8, 4, 4, 4, 12].map((digits) => random.hex(digits)).join('-');
  return Object.freeze({
    seed,
    zone: openZone(timeZone),
    features,
    profileId: random.int(90_000_000, 99_999_999),
    displayName: guid,
    fullName: 'Simulated Runner',
    email,
    watchId: random.int(3_900_000_000, 3_999_999_999),
    scaleId: random.int(3_800_000_000, 3_899_999_999),
    heightCm: random.int(164, 184),
    weightGrams: random.int(610, 790) * 100,
    restingHeartRate: random.int(48, 56),
    maxHeartRate: random.int(182, 192),
    vo2Max: random.int(46, 52),
    nightHrvMs: random.int(44, 62),
    stepGoal: random.int(15, 20) * 500,
  });
}

export function dayRandom(person: Person, date: CalendarDate, subject: string): Random {
  return randomFor(person.seed, date, subject);
}

/**
 * A slow wander between -1 and 1, the same for the same day however it is asked.
 * It runs smoothly through one invented point every `everyDays` days.
 */
export function wander(person: Person, date: CalendarDate, subject: string, everyDays: number): number {
  const position = dayNumber(date) / everyDays;
  const knot = Math.floor(position);
  const part = position - knot;
  const ease = part * part * (3 - 2 * part);
  const at = (index: number): number => randomFor(person.seed, subject, index).between(-1, 1);
  return at(knot) * (1 - ease) + at(knot + 1) * ease;
}

/**
 * Keeps what a generator made for a person's day: the answer never changes, so it need not be made again.
 * The oldest of more than `keptDays` is dropped.
 */
export function oncePerDay<T>(keptDays: number, make: (person: Person, date: CalendarDate) => T) {
  const kept = new WeakMap<Person, Map<CalendarDate, T>>();
  return (person: Person, date: CalendarDate): T => {
    const days = kept.get(person) ?? new Map<CalendarDate, T>();
    kept.set(person, days);
    const found = days.get(date);
    if (found !== undefined) return found;
    const made = make(person, date);
    const oldest = days.keys().next();
    if (days.size >= keptDays && !oldest.done) days.delete(oldest.value);
    days.set(date, made);
    return made;
  };
}
