import { midnightOf, offsetText } from './instant.ts';

/** A calendar day, `YYYY-MM-DD`. Never a Date: a Date is an instant and shifts with the zone it is read in. */
export type Day = string;

/** A half-open range of calendar days: `from` is in it, `to` is not. Empty when they are equal. */
export interface Window {
  /** First day of the window. */
  readonly from: Day;
  /** First day after the window. */
  readonly to: Day;
}

// Date.UTC takes earlier ones for years of the 20th century.
const firstYear = 100;
const dayLength = 10;
const millisecondsADay = 86_400_000;

/** Days since 1970; NaN when it is no calendar day. */
function numberOf(day: Day): number {
  return day.length === dayLength ? midnightOf(day, firstYear) / millisecondsADay : Number.NaN;
}

function toNumber(day: Day): number {
  const number = numberOf(day);
  if (!Number.isNaN(number)) return number;
  throw new RangeError(
    `Expected a calendar day like 2026-02-26, got ${JSON.stringify(day)}: write year, month and day`,
  );
}

// Plans write the same few days out thousands of times.
const mostWritten = 20_000;
const written = new Map<number, Day>();

function toDay(number: number): Day {
  const known = written.get(number);
  if (known !== undefined) return known;
  const day = new Date(number * millisecondsADay).toISOString().slice(0, 10);
  if (written.size >= mostWritten) written.clear();
  written.set(number, day);
  return day;
}

/** True for a real calendar day written `YYYY-MM-DD` (so not for 2026-02-30). */
export function isDay(value: unknown): value is Day {
  return typeof value === 'string' && !Number.isNaN(numberOf(value));
}

/** The day `count` days later; earlier when negative. Knows leap years, has no zone. */
export function addDays(day: Day, count: number): Day {
  return toDay(toNumber(day) + count);
}

/** How many days lie from `from` up to, not including, `to`. Negative when `to` is earlier. */
export function countDays(from: Day, to: Day): number {
  return toNumber(to) - toNumber(from);
}

/** Every day of the window, oldest first. */
export function daysOf(window: Window): Day[] {
  const length = Math.max(0, countDays(window.from, window.to));
  return Array.from({ length }, (_, index) => addDays(window.from, index));
}

/** Whether the window holds the day. */
export function inWindow(window: Window, day: Day): boolean {
  return window.from <= day && day < window.to;
}

/**
 * The window in pieces of at most `maxDays`, oldest first. The pieces cover it without overlap:
 * each begins where the one before ends.
 */
export function splitWindow(window: Window, maxDays: number): Window[] {
  if (!Number.isInteger(maxDays) || maxDays < 1) {
    throw new RangeError(`Expected a span of 1 day or more, got ${maxDays}: give the source's maximum`);
  }
  const length = Math.max(0, countDays(window.from, window.to));
  return Array.from({ length: Math.ceil(length / maxDays) }, (_, index) => {
    const from = addDays(window.from, index * maxDays);
    const end = addDays(from, maxDays);
    return { from, to: end < window.to ? end : window.to };
  });
}

/** The fewest windows of at most `maxDays` that hold exactly the given days, oldest first. */
export function spansOf(days: readonly Day[], maxDays: number): Window[] {
  const sorted = [...new Set(days)].toSorted();
  const runs: Window[] = [];
  for (const day of sorted) {
    const last = runs.at(-1);
    if (last && last.to === day) runs[runs.length - 1] = { from: last.from, to: addDays(day, 1) };
    else runs.push({ from: day, to: addDays(day, 1) });
  }
  return runs.flatMap((run) => splitWindow(run, maxDays));
}

const formatters = new Map<string, Intl.DateTimeFormat>();

function formatterOf(timeZone: string): Intl.DateTimeFormat {
  let formatter = formatters.get(timeZone);
  if (!formatter) {
    formatter = new Intl.DateTimeFormat('en-US', {
      timeZone,
      calendar: 'gregory',
      numberingSystem: 'latn',
      hourCycle: 'h23',
      year: 'numeric',
      month: '2-digit',
      day: '2-digit',
      hour: '2-digit',
      minute: '2-digit',
      second: '2-digit',
    });
    formatters.set(timeZone, formatter);
  }
  return formatter;
}

/** The wall clock as Intl works it out, which takes microseconds. */
function wallClockByIntl(instant: number, timeZone: string): number {
  const parts: Record<string, number> = {};
  for (const { type, value } of formatterOf(timeZone).formatToParts(instant)) parts[type] = Number(value);
  const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = parts;
  return Date.UTC(year, month - 1, day, hour, minute, second);
}

const quarterHour = 900_000;
const mostQuarters = 2_000;
const offsetsByZone = new Map<string, Map<number, number>>();

/** How far the zone's clock is ahead of UTC. Kept for quarters of an hour in which no clock is changed. */
function offsetAt(instant: number, timeZone: string): number {
  const byIntl = (at: number) => wallClockByIntl(at, timeZone) - Math.floor(at / 1000) * 1000;
  const start = Math.floor(instant / quarterHour) * quarterHour;
  const known = offsetsByZone.get(timeZone)?.get(start);
  if (known !== undefined) return known;
  const offset = byIntl(instant);
  if (byIntl(start) === offset && byIntl(start + quarterHour - 1000) === offset) {
    const offsets = offsetsByZone.get(timeZone) ?? new Map<number, number>();
    if (offsets.size >= mostQuarters) offsets.clear();
    offsetsByZone.set(timeZone, offsets.set(start, offset));
  }
  return offset;
}

/** The zone's wall clock at an instant, as milliseconds that read right in UTC; whole seconds. */
function wallClock(instant: number, timeZone: string): number {
  return Math.floor(instant / 1000) * 1000 + offsetAt(instant, timeZone);
}

/** The calendar day it is in the zone at an instant (milliseconds since 1970). */
export function dayAt(instant: number, timeZone: string): Day {
  return toDay(Math.floor(wallClock(instant, timeZone) / millisecondsADay));
}

/**
 * The instant (milliseconds since 1970) at which the day begins in the zone. Where clocks jump over
 * midnight it is the first instant that exists; where midnight comes twice it is the first one.
 */
export function startOfDay(day: Day, timeZone: string): number {
  const midnight = toNumber(day) * millisecondsADay;
  // Offsets before and after any change near this midnight; zones lie within a day of UTC.
  const before = offsetAt(midnight - millisecondsADay, timeZone);
  const after = offsetAt(midnight + millisecondsADay, timeZone);
  if (before === after) return midnight - before;
  const candidates = [midnight - before, midnight - after].toSorted((a, b) => a - b);
  const exact = candidates.find((at) => wallClock(at, timeZone) === midnight);
  // In a gap the earlier offset puts 00:00 on the very instant of the jump.
  return exact ?? midnight - before;
}

/** Halves of a minute are rounded away from UTC. */
function formatOffset(offset: number): string {
  return offsetText(Math.sign(offset) * Math.round(Math.abs(offset) / 60_000));
}

/** An instant as RFC 3339 text in the zone, whole seconds: `2026-02-26T10:10:06+08:00`. */
export function formatInstant(instant: number, timeZone: string): string {
  const offset = offsetAt(instant, timeZone);
  const wall = new Date(Math.floor(instant / 1000) * 1000 + offset).toISOString().slice(0, 19);
  return `${wall}${formatOffset(offset)}`;
}

/**
 * The day's midnight as RFC 3339 text in the zone: `2026-02-26T00:00:00+08:00`. Always reads
 * 00:00:00 and always names the instant of {@link startOfDay}, also where clocks jump over midnight.
 */
export function formatStartOfDay(day: Day, timeZone: string): string {
  const offset = toNumber(day) * millisecondsADay - startOfDay(day, timeZone);
  return `${day}T00:00:00${formatOffset(offset)}`;
}
