/** A point in time as somebody wrote it. */
export interface Instant {
  /** Milliseconds since 1970; what is finer is cut off. */
  readonly ms: number;
  /** Minutes that the written clock is ahead of UTC. */
  readonly offsetMinutes: number;
  /** The same instant in one form, for Postgres: `T`, at most six fractional digits, the offset as `+hh:mm`. */
  readonly text: string;
}

const zero = 0x30;

// Before, clocks showed local mean time, whose offsets have seconds; RFC 3339 cannot write those.
const firstYear = 1902;
// What Postgres takes.
const largestOffsetMinutes = 15 * 60 + 59;
// Microseconds, the finest that Postgres keeps.
const fractionDigits = 6;
// Longer texts say nothing more.
const longest = 64;

/** The number that two digits of the text write; NaN where there are none. */
function twoDigits(text: string, at: number): number {
  const tens = text.charCodeAt(at) - zero;
  const ones = text.charCodeAt(at + 1) - zero;
  return tens >= 0 && tens <= 9 && ones >= 0 && ones <= 9 ? tens * 10 + ones : Number.NaN;
}

function isDigit(code: number): boolean {
  return code >= zero && code <= zero + 9;
}

/** Minutes of `Z` or `+hh:mm` that the text ends with; NaN when there is no such offset. */
function offsetAt(text: string, at: number): number {
  const sign = text[at];
  if (sign === 'Z' || sign === 'z') return text.length === at + 1 ? 0 : Number.NaN;
  if ((sign !== '+' && sign !== '-') || text.length !== at + 6 || text[at + 3] !== ':') return Number.NaN;
  const minutes = twoDigits(text, at + 4);
  const total = twoDigits(text, at + 1) * 60 + minutes;
  if (!(minutes <= 59 && total <= largestOffsetMinutes)) return Number.NaN;
  // Not -0 for -00:00, which says UTC with nothing known of the place.
  return sign === '-' ? 0 - total : total;
}

function daysIn(month: number, year: number): number {
  if (month === 2) return (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0 ? 29 : 28;
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31;
}

/** Milliseconds of the midnight, in UTC, of the `YYYY-MM-DD` that the text begins with; NaN when the calendar has no such day. */
export function midnightOf(text: string, firstYear: number): number {
  if (text[4] !== '-' || text[7] !== '-') return Number.NaN;
  const year = twoDigits(text, 0) * 100 + twoDigits(text, 2);
  const month = twoDigits(text, 5);
  const day = twoDigits(text, 8);
  if (!(year >= firstYear && month >= 1 && month <= 12 && day >= 1)) return Number.NaN;
  return day <= daysIn(month, year) ? Date.UTC(year, month - 1, day) : Number.NaN;
}

/** Milliseconds of the clock since midnight; NaN when no clock shows that. */
function clockOf(text: string): number {
  if (text[13] !== ':' || text[16] !== ':') return Number.NaN;
  const hour = twoDigits(text, 11);
  const minute = twoDigits(text, 14);
  const second = twoDigits(text, 17);
  if (!(hour <= 23 && minute <= 59 && second <= 59)) return Number.NaN;
  return ((hour * 60 + minute) * 60 + second) * 1000;
}

/** `+hh:mm` */
export function offsetText(offsetMinutes: number): string {
  const size = Math.abs(offsetMinutes);
  const hours = Math.floor(size / 60);
  const minutes = size % 60;
  return `${offsetMinutes < 0 ? '-' : '+'}${hours < 10 ? '0' : ''}${hours}:${minutes < 10 ? '0' : ''}${minutes}`;
}

/** Where the digits of the fraction that begins at index 19 end; 19 when there is none. */
function endOfFraction(text: string): number {
  if (text[19] !== '.') return 19;
  let end = 20;
  while (isDigit(text.charCodeAt(end))) end += 1;
  // A point without digits is no fraction, and no offset either.
  return end === 20 ? 19 : end;
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
  const between = text[10];
  if (between !== 'T' && between !== 't' && between !== ' ') return undefined;
  const end = endOfFraction(text);
  const offsetMinutes = offsetAt(text, end);
  const wall = midnightOf(text, firstYear) + clockOf(text);
  if (Number.isNaN(wall) || Number.isNaN(offsetMinutes)) return undefined;
  const fraction = end === 19 ? '' : text.slice(20, Math.min(end, 20 + fractionDigits));
  const kept = fraction && fraction.replace(/0+$/, '');
  return {
    ms: wall + (kept === '' ? 0 : Number(kept.padEnd(3, '0').slice(0, 3))) - offsetMinutes * 60_000,
    offsetMinutes,
    text: `${text.slice(0, 10)}T${text.slice(11, 19)}${kept && `.${kept}`}${offsetText(offsetMinutes)}`,
  };
}
