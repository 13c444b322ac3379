import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { JsonValue } from '@on-the-way/sdk';
import { addDays } from '@on-the-way/sdk';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { measurements } from './member-names.ts';
import { createRedaction, timeShiftOf } from './recorder.ts';

const secretOf = (seed: number): Uint8Array => Uint8Array.from([seed, seed >> 8, 7]);
const secrets = fc.integer({ min: 0, max: 65_535 }).map(secretOf);
const secret = secretOf(1);
const answer = (body: JsonValue, query: Record<string, string> = {}) => ({
  path: '/wellness-service/wellness/dailyStress/2026-01-07',
  query,
  status: 200,
  body,
});
const redacted = (body: JsonValue): unknown => createRedaction(secret)(answer(body)).body;
const letters = fc.string({
  unit: fc.constantFrom(...'abcdefghijklmnopqrstuvwxyz'.split('')),
  minLength: 1,
  maxLength: 10,
});
const capital = (text: string): string => text.slice(0, 1).toUpperCase() + text.slice(1);
// Under a name of an enumeration a single word stays, as docs/recording.md says.
const isOfEnumeration = (key: string): boolean =>
  /(?:type|key|status|phrase|level|qualifier|feedback|category|unit|source|sport)$/i.test(key);
const keys = fc
  .tuple(letters, letters)
  .map(([one, other]) => `${one}${capital(other)}`)
  .filter((key) => !isOfEnumeration(key));
const lone = letters.filter((key) => !isOfEnumeration(key));
const textOf = (seed: Uint8Array, body: JsonValue): string =>
  JSON.stringify(createRedaction(seed)(answer(body)).body);

describe('no word of a person comes out', () => {
  const told = ['bob', 'PETER', 'berlin', 'Wedding', 'ibuprofen', 'zoo_palast', 'KREUZBERG', 'bob99'];
  const named =
    `owner alias handle login coach sharedWith calledBy town region venue label area state medication symptoms tag
    remark`.split(/\s+/);
  const words = fc.constantFrom(...told);

  test('under any name', () => {
    fc.assert(
      fc.property(secrets, fc.oneof(keys, lone, fc.constantFrom(...named)), words, (seed, key, word) => {
        expect(textOf(seed, { [key]: word, calendarDate: [{ [key]: [word] }] })).not.toContain(word);
      }),
      { numRuns: 500 },
    );
  });

  test('as the name of a member, which is the same invention each time', () => {
    fc.assert(
      fc.property(secrets, keys, words, (seed, key, word) => {
        expect(textOf(seed, { [key]: { [word]: 2, [capital(word)]: 3 } })).not.toMatch(
          new RegExp(`${word}|${capital(word)}`),
        );
      }),
    );
    const rows = redacted([{ berlin: 2 }, { berlin: 3 }]) as readonly object[];
    expect(Object.keys(rows[0] ?? {})).toEqual(Object.keys(rows[1] ?? {}));
  });

  test('as the value of a question', () => {
    fc.assert(
      fc.property(secrets, fc.oneof(keys, letters, fc.constant('aKey')), words, (seed, key, word) => {
        const { query } = createRedaction(seed)(answer(null, { [key]: word, q: `{${word}}` }));
        expect(JSON.stringify(Object.values(query))).not.toContain(word);
      }),
    );
    const { query } = createRedaction(secret)(answer(null, { lat: '52', serialNo: '331234', limit: '20' }));
    expect(query).toEqual({ lat: 'Nowhere', serialNo: expect.not.stringMatching('331234'), limit: '20' });
  });

  test('words of enumerations stay, known ones anywhere and new ones under the names of enumerations', () => {
    const body = {
      feedbackLong: 'HIGH_RT_AVAILABLE_SS_GOOD',
      status: 'PRODUCTIVE_4',
      activityType: 'parkour',
      trainingStatus: 'NEVER_SEEN_7',
      bodyBatteryValueDescriptorKey: 'bodyBatteryLevel',
    };
    expect(redacted(body)).toEqual(body);
    expect(redacted({ typeKey: 'bobTheRunner', deviceStatus: 'never_seen_'.repeat(6) })).toEqual({
      typeKey: 'redacted',
      deviceStatus: 'redacted',
    });
  });
});

describe('no place comes out', () => {
  const degrees = fc
    .tuple(fc.integer({ min: 5, max: 179 }), fc.integer({ min: 1000, max: 9_999_999 }))
    .map(([whole, rest]) => Number(`${whole}.${rest}1`));

  test('as a number with four decimals or more, under any name', () => {
    fc.assert(
      fc.property(secrets, keys, degrees, (seed, key, degree) => {
        const body = { [key]: degree, d: [-degree, [degree]], values: [degree], startPoint: [degree, 1.5] };
        expect(textOf(seed, body)).not.toContain(String(degree));
      }),
    );
  });

  test.each(
    `startPoint lat1 lon1 lng position coords waypoints bbox bounds centroid north positionSemicircles plz postalCode
    zip`.split(/\s+/),
  )('as any number under %s, also deep within', (key) => {
    expect(JSON.stringify(redacted({ [key]: [10_115, { x: 52.5, n: { y: 622_745_678 } }] }))).not.toMatch(
      /10115|52\.5|6227/,
    );
  });
});

describe('no time comes out', () => {
  const { days, minutes } = timeShiftOf(secret);
  const byMs = days * 86_400_000 + minutes * 60_000;

  test('as a fraction of seconds or milliseconds, which are moved and keep their fraction', () => {
    const times = fc.integer({ min: 1_200_000_000_000, max: 1_900_000_000_000 });
    fc.assert(
      fc.property(fc.constantFrom('at', 'qx', 'value', 'duration', 'bobsClock'), times, (key, ms) => {
        const at = ms / 1000;
        const [seconds, fine] = Object.values(redacted([{ [key]: [at, ms + 0.5] }]) as object[]).flatMap(
          (row) => Object.values(row)[0] as number[],
        );
        expect(seconds).toBeCloseTo(at + byMs / 1000, 3);
        expect(fine).toBe(ms + 0.5 + byMs);
      }),
    );
  });

  test('nor is one left as it was under some other name', () => {
    const times = fc.integer({ min: 1_200_000_000, max: 1_900_000_000 });
    fc.assert(
      fc.property(secrets, fc.oneof(keys, letters), times, (seed, key, at) => {
        expect(textOf(seed, { [key]: at + 0.25, rows: [[at + 0.5]] })).not.toContain(String(at));
      }),
    );
  });

  test('as a number or a list of year, month and day, or as members', () => {
    const moved = addDays('2026-11-23', days);
    const [year, month, day] = moved.split('-').map(Number);
    expect(
      redacted({ date: 20_261_123, start: [2026, 11, 23], end: { year: 2026, month: 11, day: 23 } }),
    ).toEqual({
      date: Number(moved.replaceAll('-', '')),
      start: [year, month, day],
      end: { year, month, day },
    });
    const at = new Date(Date.UTC(2026, 10, 23, 12, 30) + byMs);
    const parts = [at.getUTCFullYear(), at.getUTCMonth() + 1, at.getUTCDate()];
    expect(redacted({ start: [2026, 11, 23, 12, 30, 5] })).toEqual({
      start: [...parts, at.getUTCHours(), at.getUTCMinutes(), 5],
    });
  });

  test('as the year of birth or an age, while the age that the watch reckons stays', () => {
    const out = redacted([{ dobYear: 1985 }, { age: 41 }, { userAge: '41' }, { birth: [1985, 3, 4] }]);
    expect(JSON.stringify(out)).not.toMatch(/1985|41/);
    expect(redacted({ fitnessAge: 36, metabolicAge: 41 })).toEqual({ fitnessAge: 36, metabolicAge: 41 });
  });
});

test.each([
  'sn2',
  'deviceSn',
  'unitNo',
  'serialNo',
  'serial',
  'phoneNumber',
  'imei',
  'mac',
  'ssid',
  'wifiName',
])('a device is not told by a short number or a word under %s', (key) => {
  const body = [{ [key]: 331_234 }, { [key]: '331234' }, { [key]: 'homenet' }];
  expect(JSON.stringify(redacted(body))).not.toMatch(/331234|homenet/);
});

function numbersIn(value: unknown, key = ''): string[] {
  if (typeof value === 'number') return measurements.has(key) ? [`${key} ${value}`] : [];
  if (Array.isArray(value)) return value.flatMap((item) => numbersIn(item, key));
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([name, member]) => numbersIn(member, name));
}

test('measurements stay digit for digit, however many decimals', () => {
  const long = fc.double({ min: -180, max: 180, noNaN: true }).map((value) => value + 0);
  const names = fc.constantFrom(...measurements, 'maxAvgPower', 'averageSwimSpeed');
  fc.assert(
    fc.property(secrets, names, long, (seed, name, value) => {
      const body = { [name]: value, rows: [{ [name]: [value] }] };
      expect(createRedaction(seed)(answer(body)).body).toEqual(body);
    }),
  );
});

const recorded = fileURLToPath(new URL('../../../../../shared/garmin/recorded/', import.meta.url));
const skipped = existsSync(recorded) ? '' : ' (skipped: no folder of recorded answers)';

test.skipIf(!existsSync(recorded))(`measurements of recorded answers survive${skipped}`, () => {
  const files = readdirSync(recorded, { recursive: true, encoding: 'utf8' }).filter((file) =>
    file.endsWith('_200.json'),
  );
  const large = (text: string): boolean => Number(text.split(' ')[1]) >= 1_000_000_000;
  let count = 0;
  for (const file of files) {
    const body = JSON.parse(readFileSync(join(recorded, file), 'utf8')) as JsonValue;
    const before = numbersIn(body).filter((text) => !large(text));
    expect(numbersIn(redacted(body)).filter((text) => !large(text))).toEqual(before);
    count += before.length;
  }
  expect(count).toBeGreaterThan(1000);
});
