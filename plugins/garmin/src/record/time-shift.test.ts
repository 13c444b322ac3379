import { addDays, countDays, isDay, type JsonValue } from '@on-the-way/sdk';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createRedaction, timeShiftOf } from './recorder.ts';

const secrets = fc.integer({ min: 0, max: 65_535 }).map((seed) => Uint8Array.from([seed, seed >> 8]));
const minuteMs = 60_000;
const dayMs = 86_400_000;
const times = fc
  .integer({ min: Date.UTC(2008, 0, 1), max: Date.UTC(2035, 0, 1) })
  .map((ms) => ms - (ms % 1000));
const iso = (ms: number): string => new Date(ms).toISOString().slice(0, 19);
const spaced = (ms: number): string => iso(ms).replace('T', ' ');

function redact<Body>(seed: Uint8Array, body: Body): Body {
  const path = '/activitylist-service/activities/search/activities';
  return createRedaction(seed)({ path, query: {}, status: 200, body: body as JsonValue }).body as Body;
}

test('the shift is whole weeks, one to five years back, and up to 90 minutes but never none', () => {
  fc.assert(
    fc.property(secrets, (seed) => {
      const { days, minutes } = timeShiftOf(seed);
      expect(Math.abs(days % 7)).toBe(0);
      expect(days).toBeLessThanOrEqual(-365);
      expect(days).toBeGreaterThanOrEqual(-5 * 366);
      expect(Math.abs(minutes)).toBeGreaterThanOrEqual(1);
      expect(Math.abs(minutes)).toBeLessThanOrEqual(90);
    }),
  );
});

describe('every time is its own, moved', () => {
  test('a calendar day by days alone, wherever it stands', () => {
    fc.assert(
      fc.property(secrets, times, (seed, ms) => {
        const day = iso(ms).slice(0, 10);
        const { days } = timeShiftOf(seed);
        const body = {
          calendarDate: day,
          list: [day, [day]],
          map: { [day]: 1 },
          startDate: `${day}T00:00:00.0`,
        };
        const moved = addDays(day, days);
        expect(redact(seed, body)).toEqual({
          calendarDate: moved,
          list: [moved, [moved]],
          map: { [moved]: 1 },
          startDate: `${moved}T00:00:00.0`,
        });
      }),
    );
  });

  test('an instant by days and minutes, in the form it had', () => {
    fc.assert(
      fc.property(secrets, times, fc.integer({ min: 0, max: 999 }), (seed, ms, rest) => {
        const { days, minutes } = timeShiftOf(seed);
        const by = days * dayMs + minutes * minuteMs;
        const body = {
          timestampGMT: ms + rest,
          startTimeGMT: spaced(ms),
          createTimeStamp: `${iso(ms)}.898`,
          time: `${iso(ms)}Z`,
          offset: `${iso(ms)}.0+08:00`,
          short: iso(ms).slice(0, 16),
          seconds: Math.max(ms / 1000, 1_200_000_000),
          heartRateValues: [
            [ms, 62],
            [ms + 120_000, null],
          ],
        };
        expect(redact(seed, body)).toEqual({
          timestampGMT: ms + rest + by,
          startTimeGMT: spaced(ms + by),
          createTimeStamp: `${iso(ms + by)}.898`,
          time: `${iso(ms + by)}Z`,
          offset: `${iso(ms + by)}.0+08:00`,
          short: iso(ms + by).slice(0, 16),
          seconds: body.seconds + by / 1000,
          heartRateValues: [
            [ms + by, 62],
            [ms + 120_000 + by, null],
          ],
        });
      }),
    );
  });

  test('a row stays on its day: minutes are added only where none of its local times leaves the day', () => {
    const offset = fc.integer({ min: -12 * 60, max: 14 * 60 }).map((minutes) => minutes * minuteMs);
    fc.assert(
      fc.property(secrets, times, offset, (seed, ms, zone) => {
        const { days, minutes } = timeShiftOf(seed);
        const local = ms + zone;
        const row = { startTimeLocal: spaced(local), startTimeGMT: spaced(ms), beginTimestamp: ms };
        const [out] = redact(seed, [row] as const);
        expect(out.startTimeLocal.slice(0, 10)).toBe(addDays(row.startTimeLocal.slice(0, 10), days));
        const by = out.beginTimestamp - ms;
        expect([days * dayMs, days * dayMs + minutes * minuteMs]).toContain(by);
        // All times of a row move alike, so its offset and its lengths hold.
        expect(out).toEqual({
          startTimeLocal: spaced(local + by),
          startTimeGMT: spaced(ms + by),
          beginTimestamp: ms + by,
        });
      }),
    );
  });

  test('an answer from midnight to midnight moves by days alone, with all within', () => {
    fc.assert(
      fc.property(secrets, fc.integer({ min: 14_000, max: 23_000 }), (seed, dayNumber) => {
        const start = dayNumber * dayMs;
        const { days } = timeShiftOf(seed);
        const frame = (at: number) => ({
          calendarDate: iso(at).slice(0, 10),
          startTimestampGMT: `${iso(at - 8 * 60 * minuteMs)}.0`,
          startTimestampLocal: `${iso(at)}.0`,
          values: [
            [at, 60],
            [at + 120_000, 61],
          ],
          events: [
            { eventStartTimeGmt: iso(at + 3 * minuteMs), readingTimeLocal: iso(at + dayMs - minuteMs) },
          ],
        });
        expect(redact(seed, frame(start))).toEqual(frame(start + days * dayMs));
      }),
    );
  });

  test('the day of the week and the distance between two days hold', () => {
    fc.assert(
      fc.property(secrets, times, times, (seed, one, other) => {
        const body = { from: iso(one).slice(0, 10), until: iso(other).slice(0, 10) };
        const out = redact(seed, body);
        expect(isDay(out.from)).toBe(true);
        expect(countDays(out.from, out.until)).toBe(countDays(body.from, body.until));
        expect(new Date(out.from).getUTCDay()).toBe(new Date(body.from).getUTCDay());
      }),
    );
  });
});
