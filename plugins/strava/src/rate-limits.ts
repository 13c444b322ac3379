import type { IncomingHttpHeaders } from 'node:http';
import { ConnectorError } from '@on-the-way/sdk';
import type { Answer } from './transport.ts';

const quarterMs = 15 * 60_000;
const dayMs = 24 * 60 * 60_000;
// Behind the end of a window, since neither clock is exact.
const marginMs = 1000;

/** Milliseconds from `now` until the next quarter of the hour, or the next midnight, both in UTC. */
function untilNext(lengthMs: number, now: number): number {
  return lengthMs - (now % lengthMs) + marginMs;
}

/** The two numbers of a header such as `200,2000`: of 15 minutes and of a day. */
function pairOf(header: string | string[] | undefined): readonly [number, number] | undefined {
  const match = /^\s*(\d{1,9})\s*,\s*(\d{1,9})\s*$/.exec(String(header ?? ''));
  return match ? [Number(match[1]), Number(match[2])] : undefined;
}

/** How long a used-up limit of these headers lasts from `now` on, in milliseconds; 0 where none is used up. */
export function waitOf(headers: IncomingHttpHeaders, now: number): number {
  let wait = 0;
  for (const kind of ['x-ratelimit', 'x-readratelimit']) {
    const limit = pairOf(headers[`${kind}-limit`]);
    const usage = pairOf(headers[`${kind}-usage`]);
    if (!limit || !usage) continue;
    if (usage[0] >= limit[0]) wait = Math.max(wait, untilNext(quarterMs, now));
    if (usage[1] >= limit[1]) wait = Math.max(wait, untilNext(dayMs, now));
  }
  return wait;
}

// The longest pause Strava knows is to the end of the day; more is a slip that would stop a connection for years.
const longestWaitMs = 25 * 3_600_000;

/** Milliseconds that a `Retry-After` in seconds or as a date asks for, 25 hours at most; undefined without one. */
export function retryAfterOf(header: string | undefined, now: number): number | undefined {
  if (header === undefined) return undefined;
  if (/^\s*\d{1,9}\s*$/.test(header)) return Math.min(longestWaitMs, Number(header) * 1000);
  // A date of HTTP begins with the day of the week.
  const date = /^\s*[A-Za-z]/.test(header) ? Date.parse(header) : Number.NaN;
  return Number.isNaN(date) ? undefined : Math.min(longestWaitMs, Math.max(0, date - now));
}

/** What a session knows of Strava's limits, from the headers of its answers. */
export interface RateLimits {
  /** Strava's clock, milliseconds since 1970: ours, corrected by the `Date` of the last answer. */
  now(): number;
  /** Reads the headers of an answer. */
  note(answer: Answer): void;
  /** @throws ConnectorError `rate_limited` where the last answer said that a limit is used up. */
  check(): void;
  /** What an answer of status 429 means. */
  refusal(answer: Answer, path: string): ConnectorError;
}

/** Made once a session. */
export function createRateLimits(): RateLimits {
  let aheadMs = 0;
  let until = 0;
  const now = (): number => Date.now() + aheadMs;
  return {
    now,
    note({ headers }) {
      const date = Date.parse(headers.date ?? '');
      if (!Number.isNaN(date)) aheadMs = date - Date.now();
      const wait = waitOf(headers, now());
      until = wait === 0 ? 0 : now() + wait;
    },
    check() {
      const retryAfterMs = until - now();
      if (retryAfterMs <= 0) return;
      throw new ConnectorError(
        'rate_limited',
        'Expected requests left of the limits of your Strava application, got none: they are counted anew after the wait',
        { retryAfterMs },
      );
    },
    refusal({ headers, status }, path) {
      const retryAfterMs =
        retryAfterOf(headers['retry-after'], now()) ??
        (waitOf(headers, now()) || untilNext(quarterMs, now()));
      return new ConnectorError('rate_limited', `Expected ${path}, got HTTP 429`, { status, retryAfterMs });
    },
  };
}
