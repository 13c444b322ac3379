/** A civil day, `YYYY-MM-DD`, in the person's own zone. */
export type CalendarDate = string;

export const MINUTE_MS = 60_000;
export const HOUR_MS = 3_600_000;
const DAY_MS = 86_400_000;

/** Days since 1970-01-01. Only UTC arithmetic is used: the process' own zone must never show. */
export function dayNumber(date: CalendarDate): number {
  return Math.round(Date.parse(`${date}T00:00:00Z`) / DAY_MS);
}

function dateOfNumber(number: number): CalendarDate {
  return new Date(number * DAY_MS).toISOString().slice(0, 10);
}

export function addDays(date: CalendarDate, days: number): CalendarDate {
  return dateOfNumber(dayNumber(date) + days);
}

/** 1 = Monday to 7 = Sunday. */
export function weekday(date: CalendarDate): number {
  return ((dayNumber(date) + 3) % 7) + 1;
}

export function mondayOf(date: CalendarDate): CalendarDate {
  return addDays(date, 1 - weekday(date));
}

export function isCalendarDate(text: string | undefined): text is CalendarDate {
  if (text === undefined || !/^\d{4}-\d\d-\d\d$/.test(text)) return false;
  const time = Date.parse(`${text}T00:00:00Z`);
  return Number.isFinite(time) && new Date(time).toISOString().startsWith(text);
}

/** Both ends included; empty when the end lies before the start. */
export function eachDay(start: CalendarDate, end: CalendarDate): CalendarDate[] {
  const first = dayNumber(start);
  const count = Math.max(0, dayNumber(end) - first + 1);
  return Array.from({ length: count }, (_, index) => dateOfNumber(first + index));
}

/** `2026-03-01T22:00:00.0`: Garmin's form, UTC or local, without a zone. */
export function isoStamp(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19)}.0`;
}

/** `2026-03-01 22:00:00`: the form activities use. */
export function spacedStamp(ms: number): string {
  return new Date(ms).toISOString().slice(0, 19).replace('T', ' ');
}

export interface Zone {
  readonly name: string;
  /** Local wall clock minus UTC, in milliseconds. */
  offsetAt(ms: number): number;
  /** The wall clock written as if it were UTC: how Garmin fills fields whose names end in Local. */
  toLocal(ms: number): number;
  dateOf(ms: number): CalendarDate;
  /** The instant at which the clock shows so many minutes past midnight; minutes may be negative. */
  instantOf(date: CalendarDate, minutes: number): number;
}

// Zones change their offset on quarter hours only, so one look-up serves a quarter of an hour.
const QUARTER_MS = 15 * MINUTE_MS;

export function openZone(name: string): Zone {
  const format = new Intl.DateTimeFormat('en-US', {
    timeZone: name,
    hourCycle: 'h23',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
  });
  const known = new Map<number, number>();
  const lookUp = (ms: number): number => {
    const parts = new Map(format.formatToParts(ms).map((part) => [part.type, Number(part.value)]));
    const at = (type: Intl.DateTimeFormatPartTypes): number => parts.get(type) ?? 0;
    return Date.UTC(at('year'), at('month') - 1, at('day'), at('hour'), at('minute')) - ms;
  };
  const offsetAt = (ms: number): number => {
    const quarter = Math.floor(ms / QUARTER_MS);
    const offset = known.get(quarter) ?? lookUp(quarter * QUARTER_MS);
    known.set(quarter, offset);
    return offset;
  };
  const toLocal = (ms: number): number => ms + offsetAt(ms);
  return {
    name,
    offsetAt,
    toLocal,
    dateOf: (ms) => new Date(toLocal(ms)).toISOString().slice(0, 10),
    instantOf(date, minutes) {
      const wall = dayNumber(date) * DAY_MS + minutes * MINUTE_MS;
      const guess = wall - offsetAt(wall);
      return wall - offsetAt(guess);
    },
  };
}
