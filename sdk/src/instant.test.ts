import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseInstant } from './index.ts';

describe('a point in time', () => {
  test.each([
    ['2026-02-26T10:10:06+08:00', '2026-02-26T02:10:06.000Z', 480, '2026-02-26T10:10:06+08:00'],
    ['2026-11-22T10:00:00Z', '2026-11-22T10:00:00.000Z', 0, '2026-11-22T10:00:00+00:00'],
    ['2026-11-22t10:00:00z', '2026-11-22T10:00:00.000Z', 0, '2026-11-22T10:00:00+00:00'],
    ['2026-11-22 10:00:00Z', '2026-11-22T10:00:00.000Z', 0, '2026-11-22T10:00:00+00:00'],
    ['2026-11-22T10:00:00-00:00', '2026-11-22T10:00:00.000Z', 0, '2026-11-22T10:00:00+00:00'],
    ['2026-11-22T10:00:00+14:00', '2026-11-21T20:00:00.000Z', 840, '2026-11-22T10:00:00+14:00'],
    ['2026-11-22T10:00:00-15:59', '2026-11-23T01:59:00.000Z', -959, '2026-11-22T10:00:00-15:59'],
    ['2026-11-22T10:00:00.5+05:45', '2026-11-22T04:15:00.500Z', 345, '2026-11-22T10:00:00.5+05:45'],
    ['2026-11-22T10:00:00.123456Z', '2026-11-22T10:00:00.123Z', 0, '2026-11-22T10:00:00.123456+00:00'],
    ['2026-11-22T10:00:00.1000Z', '2026-11-22T10:00:00.100Z', 0, '2026-11-22T10:00:00.1+00:00'],
    ['2026-11-22T10:00:00.0000009Z', '2026-11-22T10:00:00.000Z', 0, '2026-11-22T10:00:00+00:00'],
    ['2024-02-29T00:00:00Z', '2024-02-29T00:00:00.000Z', 0, '2024-02-29T00:00:00+00:00'],
    ['1902-01-01T00:00:00Z', '1902-01-01T00:00:00.000Z', 0, '1902-01-01T00:00:00+00:00'],
    ['9999-12-31T23:59:59Z', '9999-12-31T23:59:59.000Z', 0, '9999-12-31T23:59:59+00:00'],
  ])('%s is %s', (written, utc, offsetMinutes, text) => {
    const found = parseInstant(written);
    expect(found).toEqual({ ms: Date.parse(utc), offsetMinutes, text });
    expect(Object.is(found?.offsetMinutes, -0)).toBe(false);
  });

  test('never moves into the next day by its fraction', () => {
    expect(parseInstant('2026-11-22T23:59:59.9999999Z')).toEqual({
      ms: Date.parse('2026-11-22T23:59:59.999Z'),
      offsetMinutes: 0,
      text: '2026-11-22T23:59:59.999999+00:00',
    });
  });

  test.each([
    ['a day the month does not have', '2026-02-30T00:00:00Z'],
    ['29 February of a common year', '2026-02-29T00:00:00Z'],
    ['29 February of 2100', '2100-02-29T00:00:00Z'],
    ['day 0', '2026-01-00T00:00:00Z'],
    ['month 13', '2026-13-01T00:00:00Z'],
    ['hour 24', '2026-11-22T24:00:00Z'],
    ['minute 60', '2026-11-22T10:60:00Z'],
    ['a leap second', '2026-06-30T23:59:60Z'],
    ['no offset', '2026-03-29T02:30:00'],
    ['a date only', '2026-03-29'],
    ['no seconds', '2026-03-29T02:30Z'],
    ['an offset of 16 hours', '2026-11-22T10:00:00+16:00'],
    ['an offset of 99 hours', '2026-11-22T10:00:00+99:00'],
    ['60 minutes of offset', '2026-11-22T10:00:00+08:60'],
    ['an offset without colon', '2026-11-22T10:00:00+0800'],
    ['an offset of hours', '2026-11-22T10:00:00+08'],
    ['an offset with seconds', '1900-01-01T00:00:00+08:05:43'],
    ['the minus of typographers', '2026-11-22T10:00:00−08:00'],
    ['a year before 1902', '1901-12-31T23:59:59Z'],
    ['the year 1', '0001-01-01T00:00:00Z'],
    ['the year 0', '0000-01-01T00:00:00Z'],
    ['a long year', '+275760-09-13T00:00:00.001Z'],
    ['a year of six digits', '294277-01-01T00:00:00Z'],
    ['a negative year', '-2026-01-01T00:00:00Z'],
    ['an empty fraction', '2026-11-22T10:00:00.Z'],
    ['a comma', '2026-11-22T10:00:00,5Z'],
    ['space around it', ' 2026-11-22T10:00:00Z '],
    ['a line break after it', '2026-11-22T10:00:00Z\n'],
    ['two spaces', '2026-11-22  10:00:00Z'],
    ['full-width digits', '２０２６-11-22T10:00:00Z'],
    ['Arabic digits', '٢٠٢٦-11-22T10:00:00Z'],
    ['a week date', '2026-W08-4T10:00:00Z'],
    ['a word of Postgres', 'infinity'],
    ['a word of Postgres', 'now'],
    ['a word of Postgres', 'epoch'],
    ['a zone in brackets', '2026-11-22T10:00:00+08:00[Asia/Shanghai]'],
    ['nothing', ''],
    ['more than 64 characters', `2026-11-22T10:00:00.${'0'.repeat(45)}Z`],
  ])('is not %s', (_name, written) => {
    expect(parseInstant(written)).toBeUndefined();
  });

  test.each([1_763_800_000, null, undefined, true, {}, [], ['2026-11-22T10:00:00Z'], new Date(0)])(
    'is text, so not %s',
    (value) => {
      expect(parseInstant(value)).toBeUndefined();
    },
  );
});

const times = fc.record({
  at: fc.date({
    min: new Date('1903-01-01T00:00:00Z'),
    max: new Date('9998-12-31T00:00:00Z'),
    noInvalidDate: true,
  }),
  offset: fc.integer({ min: -959, max: 959 }),
  fraction: fc.stringMatching(/^\d{0,12}$/),
  between: fc.constantFrom('T', 't', ' '),
});

/** The instant as somebody with this offset writes it, apart from its fraction. */
function written({ at, offset }: { at: Date; offset: number }): { wall: string; zone: string } {
  const two = (value: number) => String(value).padStart(2, '0');
  const size = Math.abs(offset);
  const zone = `${offset < 0 ? '-' : '+'}${two(Math.floor(size / 60))}:${two(size % 60)}`;
  return { wall: new Date(at.getTime() + offset * 60_000).toISOString().slice(0, 19), zone };
}

test('any instant, however written, is read as Date reads it, in one form that is read the same', () => {
  fc.assert(
    fc.property(times, ({ at, offset, fraction, between }) => {
      const { wall, zone } = written({ at, offset });
      const text = `${wall.replace('T', between)}${fraction && `.${fraction}`}${zone}`;
      const found = parseInstant(text);
      const ms = `.${fraction.slice(0, 3).padEnd(3, '0')}`;
      expect(found).toMatchObject({ ms: Date.parse(`${wall}${ms}${zone}`), offsetMinutes: offset });
      expect(found?.text).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{0,5}[1-9])?[+-]\d\d:\d\d$/);
      expect(parseInstant(found?.text)).toEqual(found);
    }),
  );
});

test('what it takes, Date takes as the same instant, whatever the text', () => {
  const digit = fc.nat({ max: 9 }).map(String);
  const nearly = fc
    .tuple(times, fc.nat({ max: 24 }), fc.oneof(digit, fc.constantFrom('', '-', ':', 'Z', ' ', '.')))
    .map(([time, at, put]) => {
      const { wall, zone } = written(time);
      const text = `${wall}${zone}`;
      return text.slice(0, at) + put + text.slice(at + 1);
    });
  fc.assert(
    fc.property(nearly, (text) => {
      const found = parseInstant(text);
      if (found) expect(found.ms).toBe(Date.parse(text.replace(' ', 'T')));
    }),
    { numRuns: 1000 },
  );
});
