import { ConnectorError } from '@on-the-way/sdk';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createRateLimits, retryAfterOf, waitOf } from './rate-limits.ts';

const at = (text: string): number => Date.parse(text);
const headers = (usage: string, read = '0,0'): Record<string, string> => ({
  'x-ratelimit-limit': '200,2000',
  'x-ratelimit-usage': usage,
  'x-readratelimit-limit': '100,1000',
  'x-readratelimit-usage': read,
});

test.each([
  ['12:00:00', '200,500', 15 * 60],
  ['12:14:59', '200,500', 1],
  ['12:44:00', '0,0', 0],
  ['12:44:00', '199,1999', 0],
  ['18:00:00', '5,2000', 6 * 3600],
  ['23:59:00', '200,2000', 60],
])('at %s a usage of %s lasts %i seconds', (time, usage, seconds) => {
  const wait = waitOf(headers(usage), at(`2026-03-18T${time}Z`));
  expect(wait).toBe(seconds === 0 ? 0 : seconds * 1000 + 1000);
});

test('the limits of reading count as well, and the longer wait wins', () => {
  expect(waitOf(headers('100,100', '100,100'), at('2026-03-18T12:05:00Z'))).toBe(10 * 60_000 + 1000);
  expect(waitOf(headers('200,100', '100,1000'), at('2026-03-18T12:05:00Z'))).toBeGreaterThan(11 * 3_600_000);
});

test('headers that are missing or of another form are no limit', () => {
  expect(waitOf({}, 0)).toBe(0);
  expect(waitOf({ 'x-ratelimit-limit': 'a,b', 'x-ratelimit-usage': '1,2' }, 0)).toBe(0);
  expect(waitOf({ 'x-ratelimit-limit': '1' }, 0)).toBe(0);
});

test('a wait ends in the next window and not a second window later', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 4e12 }), (now) => {
      const end = now + waitOf(headers('200,0'), now);
      expect(Math.floor(end / 900_000)).toBe(Math.floor(now / 900_000) + 1);
    }),
  );
});

test('Retry-After is seconds or a date', () => {
  const now = at('2026-03-18T12:00:00Z');
  expect(retryAfterOf('7', now)).toBe(7000);
  expect(retryAfterOf('Wed, 18 Mar 2026 12:01:00 GMT', now)).toBe(60_000);
  expect(retryAfterOf('Wed, 18 Mar 2026 11:00:00 GMT', now)).toBe(0);
  expect(retryAfterOf('soon', now)).toBeUndefined();
  expect(retryAfterOf(undefined, now)).toBeUndefined();
});

test("the windows are those of Strava's clock, not of this machine's", () => {
  const limits = createRateLimits();
  const date = 'Wed, 18 Mar 2026 12:14:00 GMT';
  limits.note({ status: 200, text: '', headers: { date, ...headers('200,300') } });
  const refusal = limits.refusal({ status: 429, text: '', headers: headers('201,301') }, '/path');
  expect(refusal.retryAfterMs).toBeGreaterThan(59_000);
  expect(refusal.retryAfterMs).toBeLessThanOrEqual(61_000);
  expect(() => limits.check()).toThrow(ConnectorError);
  limits.note({ status: 200, text: '', headers: { date, ...headers('1,301') } });
  expect(() => limits.check()).not.toThrow();
});

test('a 429 that says nothing waits for the next quarter of the hour; Retry-After wins', () => {
  const limits = createRateLimits();
  limits.note({ status: 200, text: '', headers: { date: 'Wed, 18 Mar 2026 12:10:00 GMT' } });
  const wait = limits.refusal({ status: 429, text: '', headers: {} }, '/path').retryAfterMs ?? 0;
  expect(Math.abs(wait - 301_000)).toBeLessThan(2000);
  const stated = { 'retry-after': '3', ...headers('200,2000') };
  expect(limits.refusal({ status: 429, text: '', headers: stated }, '/path').retryAfterMs).toBe(3000);
});
