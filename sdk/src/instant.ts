/** A point in time as somebody wrote it. */
export interface Instant {
  /** Milliseconds since 1970; what is finer is cut off. */
  readonly ms: number;
  /** Minutes that the written clock is ahead of UTC. */
  readonly offsetMinutes: number;
  /** The same instant in one form, for Postgres: `T`, at most six fractional digits, the offset as `+hh:mm`. */
  readonly text: string;
}

const pattern =
  /^([0-9]{4})-([0-9]{2})-([0-9]{2})[Tt ]([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]+))?(?:[Zz]|([+-])([0-9]{2}):([0-9]{2}))$/;

// Before, clocks showed local mean time, whose offsets have seconds; RFC 3339 cannot write those.
const firstYear = 1902;
// What Postgres takes.
const largestOffsetMinutes = 15 * 60 + 59;
// Microseconds, the finest that Postgres keeps.
const fractionDigits = 6;
// Longer texts say nothing more.
const longest = 64;

/** Minutes of `+hh:mm`; NaN when there is no such offset. */
function minutesOf(sign: string | undefined, hours: string | undefined, minutes: string | undefined): number {
  if (sign === undefined) return 0;
  const total = Number(hours) * 60 + Number(minutes);
  if (Number(minutes) > 59 || total > largestOffsetMinutes) return Number.NaN;
  // Not -0 for -00:00, which says UTC with nothing known of the place.
  return sign === '-' ? 0 - total : total;
}

function daysIn(month: number, year: number): number {
  if (month === 2) return (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0 ? 29 : 28;
  return [4, 6, 9, 11].includes(month) ? 30 : 31;
}

/** Milliseconds of the written clock as if it were UTC; NaN when the calendar or the clock has no such time. */
function wallClockOf(parts: RegExpExecArray): number {
  const year = Number(parts[1]);
  const month = Number(parts[2]);
  const day = Number(parts[3]);
  const hour = Number(parts[4]);
  const minute = Number(parts[5]);
  const second = Number(parts[6]);
  if (year < firstYear || month < 1 || month > 12 || day < 1 || day > daysIn(month, year)) return Number.NaN;
  if (hour > 23 || minute > 59 || second > 59) return Number.NaN;
  return Date.UTC(year, month - 1, day, hour, minute, second);
}

function offsetText(offsetMinutes: number): string {
  const two = (value: number): string => String(value).padStart(2, '0');
  const size = Math.abs(offsetMinutes);
  return `${offsetMinutes < 0 ? '-' : '+'}${two(Math.floor(size / 60))}:${two(size % 60)}`;
}

/**
 * Reads a point in time by RFC 3339, strictly: date, time and offset, of the years 1902 to 9999. A space or a lower-case
 * `t` may stand between date and time, and `z` may be lower case. More than six fractional digits are cut off, never
 * rounded. Refused are 24:00, leap seconds, days that a month does not have, offsets beyond ±15:59, anything around it.
 *
 * @returns undefined for everything that is not such a text.
 */
export function parseInstant(text: unknown): Instant | undefined {
  if (typeof text !== 'string' || text.length > longest) return undefined;
  const parts = pattern.exec(text);
  if (!parts) return undefined;
  const wall = wallClockOf(parts);
  const offsetMinutes = minutesOf(parts[8], parts[9], parts[10]);
  if (Number.isNaN(wall) || Number.isNaN(offsetMinutes)) return undefined;
  const fraction = parts[7]?.slice(0, fractionDigits) ?? '';
  const kept = fraction.replace(/0+$/, '');
  return {
    ms: wall + Number(fraction.padEnd(3, '0').slice(0, 3)) - offsetMinutes * 60_000,
    offsetMinutes,
    text: `${text.slice(0, 10)}T${text.slice(11, 19)}${kept && `.${kept}`}${offsetText(offsetMinutes)}`,
  };
}
