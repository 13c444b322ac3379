import { addDays, isDay } from '@on-the-way/sdk';
import type { JsonObject } from '../json-shape.ts';

/** How far the times of one recording are moved. */
export interface TimeShift {
  /** Whole weeks, so that a Monday stays a Monday; negative, so that nothing lies in the future. */
  readonly days: number;
  /** Added to times of day; never 0. */
  readonly minutes: number;
}

const dayMs = 86_400_000;
const minuteMs = 60_000;
const pattern = /^(\d{4}-\d{2}-\d{2})(?:([T ])(\d{2}:\d{2})(:\d{2})?(\.\d+)?(Z|[+-]\d{2}:?\d{2})?)?$/;

// Garmin has no data from before 2000; what is larger than a plausible time is an id.
const firstMs = Date.UTC(2000, 0, 1);
const lastMs = Date.UTC(2050, 0, 1);
const firstSecond = 1_000_000_000;
const lastSecond = 2_200_000_000;

interface Parsed {
  readonly day: string;
  /** Milliseconds since 1970, read as if in UTC; undefined for a day without a time. */
  readonly ms: number | undefined;
  readonly separator: string;
  readonly hasSeconds: boolean;
  readonly rest: string;
}

/** Reads a day or a time as Garmin writes them; undefined for any other text. Never through a Date, which has a zone. */
function parse(text: string): Parsed | undefined {
  const [, day = '', separator = '', clock = '', seconds, fraction = '', zone = ''] =
    pattern.exec(text) ?? [];
  if (!isDay(day) || day < '1900') return undefined;
  if (separator === '') return { day, ms: undefined, separator, hasSeconds: false, rest: '' };
  const ms = Date.parse(`${day}T${clock}${seconds ?? ':00'}Z`);
  if (Number.isNaN(ms) || clock > '23:59') return undefined;
  return { day, ms, separator, hasSeconds: seconds !== undefined, rest: fraction + zone };
}

const clockOf = (ms: number): number => ((ms % dayMs) + dayMs) % dayMs;

/** The first or the last second of a day: a day in the clothes of a time. */
const isBound = (ms: number): boolean => clockOf(ms) < 1000 || clockOf(ms) >= dayMs - 1000;

const isDayKey = (key: string): boolean => /date|day|^from$|^until$/i.test(key) && !/gmt/i.test(key);

/** The text moved in time, in the form it had; undefined where it is no day and no time. */
export function shiftText(key: string, text: string, { days, minutes }: TimeShift): string | undefined {
  const parsed = parse(text);
  if (!parsed) return undefined;
  const { day, ms, separator, hasSeconds, rest } = parsed;
  if (ms === undefined) return addDays(day, days);
  const moved = ms + days * dayMs + (isBound(ms) && isDayKey(key) ? 0 : minutes * minuteMs);
  const iso = new Date(moved).toISOString();
  return `${iso.slice(0, 10)}${separator}${iso.slice(11, hasSeconds ? 19 : 16)}${rest}`;
}

/** A number that can be nothing but a time, in milliseconds or seconds since 1970, moved with its fraction; undefined for any other. */
export function shiftNumber(key: string, value: number, { days, minutes }: TimeShift): number | undefined {
  if (value >= firstMs && value < lastMs) {
    return value + days * dayMs + (isBound(value) && isDayKey(key) ? 0 : minutes * minuteMs);
  }
  if (value < firstSecond || value >= lastSecond) return undefined;
  // Adding must not lengthen the fraction, which a double holds to the microsecond.
  return Number((value + (days * dayMs + minutes * minuteMs) / 1000).toFixed(6));
}

/** The times of the person's own clock that stand directly in an object, read as if in UTC. */
function localTimes(object: JsonObject): number[] {
  return Object.entries(object).flatMap(([key, value]) => {
    // A weighing has its local time as a number.
    if (key === 'date' && typeof value === 'number' && value >= firstMs) return [value];
    const ms = /local/i.test(key) && typeof value === 'string' ? parse(value)?.ms : undefined;
    return ms === undefined ? [] : [ms];
  });
}

/**
 * Whether the times within an object may be moved by minutes: false where one of its local times is
 * a bound of the day or would come to lie on another day. Undefined where the object has none.
 */
export function mayMoveByMinutes(object: JsonObject, minutes: number): boolean | undefined {
  const times = localTimes(object);
  if (times.length === 0) return undefined;
  const dayOf = (ms: number): number => Math.floor(ms / dayMs);
  return times.every((ms) => !isBound(ms) && dayOf(ms) === dayOf(ms + minutes * minuteMs));
}
