import { addDays, isDay, type JsonValue } from '@on-the-way/sdk';
import type { JsonObject } from '../json-shape.ts';
import type { TimeShift } from './time-shift.ts';

const firstYear = 1900;
const lastYear = 2100;
const minuteMs = 60_000;

function dayOf(year: number, month: number, day: number): string | undefined {
  if (year < firstYear || year > lastYear) return undefined;
  const text = [year, month, day].map((part) => String(part).padStart(2, '0')).join('-');
  return isDay(text) ? text : undefined;
}

const partsOf = (day: string): number[] => day.split('-').map(Number);

/** A day written as one number, 20260107, moved; undefined for any other number. */
export function shiftDayNumber(value: number, { days }: TimeShift): number | undefined {
  if (!Number.isInteger(value)) return undefined;
  const day = dayOf(Math.floor(value / 10_000), Math.floor(value / 100) % 100, value % 100);
  return day === undefined ? undefined : Number(addDays(day, days).replaceAll('-', ''));
}

/** A day or a time written as a list, [2026, 1, 7, 16, 12], moved; undefined for any other list. */
export function shiftDayList(list: readonly JsonValue[], shift: TimeShift): number[] | undefined {
  if (list.length < 3 || list.length > 7 || !list.every((part) => Number.isInteger(part))) return undefined;
  const [year = 0, month = 0, day = 0, hour, minute, ...rest] = list as readonly number[];
  const text = dayOf(year, month, day);
  if (text === undefined) return undefined;
  if (hour === undefined || minute === undefined)
    return [...partsOf(addDays(text, shift.days)), ...(hour === undefined ? [] : [hour])];
  const moved = new Date(
    Date.UTC(year, month - 1, day + shift.days, hour, minute) + shift.minutes * minuteMs,
  ).toISOString();
  return [...partsOf(moved.slice(0, 10)), Number(moved.slice(11, 13)), Number(moved.slice(14, 16)), ...rest];
}

/** A day written as members `year`, `month` and `day` or `dayOfMonth`, moved; the object as it is where it has none. */
export function shiftDayMembers(object: JsonObject, { days }: TimeShift): JsonObject {
  const { year, month } = object;
  const name = 'day' in object ? 'day' : 'dayOfMonth';
  const day = object[name];
  if (typeof year !== 'number' || typeof month !== 'number' || typeof day !== 'number') return object;
  const text = dayOf(year, month, day);
  if (text === undefined) return object;
  const [movedYear = 0, movedMonth = 0, movedDay = 0] = partsOf(addDays(text, days));
  return { ...object, year: movedYear, month: movedMonth, [name]: movedDay };
}
