import { ConnectorError, isDay, type Day, type JsonValue } from '@on-the-way/sdk';
import { isFilled, isObject, memberOf, type JsonObject } from '../json-shape.ts';

/** The calendar day a Garmin date or local date-time begins with. Never through a Date, which has a zone. */
export function dayIn(text: JsonValue | undefined): Day | undefined {
  const day = typeof text === 'string' ? text.slice(0, 10) : undefined;
  return isDay(day) ? day : undefined;
}

/** Finds the day of a row; undefined drops the row. */
export type DayOfRow = (row: JsonObject) => Day | undefined;

/** The rows of a list. Nothing at all (null, `{}`) is no rows; anything else than objects is `bad_data`. */
export function rowsOf(answer: JsonValue, path: string): JsonObject[] {
  if (!isFilled(answer)) return [];
  const rows = Array.isArray(answer) ? (answer as readonly JsonValue[]) : undefined;
  if (!rows?.every((row) => row === null || isObject(row))) {
    throw new ConnectorError('bad_data', `Expected a list of rows from ${path}, got something else`);
  }
  return rows.filter(isFilled).filter(isObject);
}

/** Finds the day under a key, and calls a filled row without it `bad_data`: it would be lost unseen. */
export const dayUnder =
  (key: string, path: string): DayOfRow =>
  (row) => {
    const day = dayIn(row[key]);
    if (day === undefined) {
      throw new ConnectorError(
        'bad_data',
        `Expected a day as ${key} in every row from ${path}, got a row without`,
      );
    }
    return day;
  };

/** Rows by their day, in the source's order. */
export function groupByDay(rows: readonly JsonObject[], dayOf: DayOfRow): Map<Day, JsonObject[]> {
  const groups = new Map<Day, JsonObject[]>();
  for (const row of rows) {
    const day = dayOf(row);
    if (day === undefined) continue;
    const group = groups.get(day);
    if (group) group.push(row);
    else groups.set(day, [row]);
  }
  return groups;
}

/** A list with one row a day: the row is the day's data. */
export const oneRowADay =
  (key: string, list?: string) =>
  (answer: JsonValue, path: string): (readonly [Day, JsonValue])[] => {
    const rows = rowsOf(list === undefined ? answer : memberOf(checkObject(answer, path), list), path);
    return rows.map((row) => [dayUnder(key, path)(row) ?? '', row] as const);
  };

/** The answer if it is an object or nothing; else `bad_data`. */
export function checkObject(answer: JsonValue, path: string): JsonValue {
  if (isObject(answer) || !isFilled(answer)) return answer;
  throw new ConnectorError('bad_data', `Expected an object from ${path}, got something else`);
}

/**
 * The part of a nested structure that belongs to the day: rows with that `calendarDate`, and only the
 * members that still hold rows.
 */
export function keepDay(value: JsonValue | undefined, day: Day): JsonValue {
  if (Array.isArray(value)) {
    return (value as readonly JsonValue[]).filter((row) => dayIn(memberOf(row, 'calendarDate')) === day);
  }
  if (!isObject(value)) return value ?? null;
  const kept = Object.entries(value).map(([key, inner]) => [key, keepDay(inner, day)] as const);
  return Object.fromEntries(kept.filter(([, inner]) => !Array.isArray(inner) || inner.length > 0));
}

/** Every `calendarDate` of rows anywhere in the structure. */
export function daysIn(value: JsonValue | undefined): Set<Day> {
  if (typeof value !== 'object' || value === null) return new Set();
  const own = dayIn(memberOf(value, 'calendarDate'));
  const inner = Object.values(value).flatMap((part: JsonValue | undefined) => [...daysIn(part)]);
  return new Set(own === undefined ? inner : [own, ...inner]);
}

/** Rows anywhere in the structure that have a `calendarDate`; what stands inside such a row is not looked at. */
function datedRowsIn(value: JsonValue | undefined): JsonObject[] {
  if (typeof value !== 'object' || value === null) return [];
  if (isObject(value) && dayIn(value['calendarDate']) !== undefined) return [value];
  return Object.values(value).flatMap((part: JsonValue | undefined) => datedRowsIn(part));
}

/**
 * Rows by day, wherever they stand in the answer: as a list, under a name, or in an envelope. A filled
 * list without any is `bad_data`.
 */
export function datedRows(answer: JsonValue, path: string): Map<Day, JsonObject[]> {
  const rows = datedRowsIn(answer);
  if (rows.length === 0 && isFilled(answer) && !isObject(answer)) {
    throw new ConnectorError('bad_data', `Expected rows with calendarDate from ${path}, got none in a list`);
  }
  return groupByDay(rows, (row) => dayIn(row['calendarDate']));
}
