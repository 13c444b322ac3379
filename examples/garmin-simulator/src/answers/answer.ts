import { addDays, dayNumber, isCalendarDate } from '../calendar.ts';
import type { CalendarDate } from '../calendar.ts';
import type { DayPlan } from '../person/day-plan.ts';
import { isoStamp } from '../calendar.ts';
import { dayPlan } from '../person/day-plan.ts';
import type { Person } from '../person/person.ts';
import type { View } from '../person/view.ts';

/** A JSON answer before it is written; `body` undefined means an empty body. */
export interface Answer {
  readonly status: number;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

/** One request to the data service, with what is known when it arrives. */
export interface Ask {
  readonly view: View;
  /** Named parts of the path. */
  readonly params: Readonly<Record<string, string>>;
  readonly query: Readonly<Record<string, string>>;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
}

export type Answerer = (ask: Ask) => Answer;

export const ok = (body: unknown): Answer => ({ status: 200, body });
export const NO_CONTENT: Answer = { status: 204 };
export const NOT_FOUND: Answer = {
  status: 404,
  body: { message: 'HTTP 404 Not Found', error: 'NotFoundException' },
};
export const FORBIDDEN: Answer = {
  status: 403,
  body: { message: 'HTTP 403 Forbidden', error: 'ForbiddenException' },
};
export const INACTIVE_TOKEN: Answer = {
  status: 401,
  headers: { 'www-authenticate': 'Bearer error="invalid_token", error_description="Token is not active"' },
  body: { error: 'invalid_token', error_description: 'Token is not active' },
};
export const badRequest = (message: string): Answer => ({
  status: 400,
  body: { message, error: 'BadRequestException' },
});

/** Answers a request about one day; `where` names the part of the path or the query that holds it. */
export function forDay(where: string, answer: (view: View, date: CalendarDate) => Answer): Answerer {
  return ({ view, params, query }) => {
    const date = params[where] ?? query[where];
    if (!isCalendarDate(date)) return badRequest(`${where} should be a date, got ${String(date)}`);
    return answer(view, date);
  };
}

export interface DayRange {
  readonly start: CalendarDate;
  readonly end: CalendarDate;
}

interface RangeRule {
  readonly start: string;
  readonly end: string;
  /** Longest range answered, counting both ends. */
  readonly maxDays: number;
  readonly tooLong?: string;
}

/** Answers a request about the days from start to end, both included; longer than the cap is refused. */
export function forRange(
  rule: RangeRule,
  answer: (view: View, range: DayRange, ask: Ask) => Answer,
): Answerer {
  return (ask) => {
    const [start, end] = [rule.start, rule.end].map((name) => ask.params[name] ?? ask.query[name]);
    if (!isCalendarDate(start) || !isCalendarDate(end) || end < start) {
      return badRequest(`Expected two dates in order, got ${String(start)} and ${String(end)}`);
    }
    if (dayNumber(end) - dayNumber(start) + 1 > rule.maxDays) {
      return badRequest(rule.tooLong ?? `Date range should not be longer than ${rule.maxDays} days`);
    }
    return answer(ask.view, { start, end }, ask);
  };
}

/** The part of a list a page asks for. */
export function page<T>(list: readonly T[], start: number, limit: number): readonly T[] {
  return list.slice(Math.max(0, start), Math.max(0, start) + Math.max(0, limit));
}

export function wholeNumber(text: string | undefined, fallback: number): number {
  const value = Number(text ?? fallback);
  return Number.isInteger(value) ? value : fallback;
}

/** The six members that open every answer about one day. A day still running ends at the last sync. */
export function dayFrame(person: Person, date: CalendarDate, untilMs?: number): Record<string, unknown> {
  const plan: DayPlan = dayPlan(person, date);
  const endMs = untilMs ?? plan.endMs;
  return {
    userProfilePK: person.profileId,
    calendarDate: date,
    startTimestampGMT: isoStamp(plan.startMs),
    endTimestampGMT: isoStamp(endMs),
    startTimestampLocal: isoStamp(person.zone.toLocal(plan.startMs)),
    endTimestampLocal: isoStamp(person.zone.toLocal(endMs)),
  };
}

/** The seven days that end on the given one. */
export function weekEnding(date: CalendarDate): CalendarDate[] {
  return Array.from({ length: 7 }, (_, index) => addDays(date, index - 6));
}

/** Rounded mean, null of nothing. */
export function mean(values: readonly number[]): number | null {
  if (values.length === 0) return null;
  return Math.round(sum(values) / values.length);
}

export function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
