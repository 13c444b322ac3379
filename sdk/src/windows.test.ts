import { execFileSync } from 'node:child_process';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  addDays,
  countDays,
  dayAt,
  daysOf,
  formatInstant,
  formatStartOfDay,
  inWindow,
  isDay,
  spansOf,
  splitWindow,
  startOfDay,
  type Day,
  type Window,
} from './index.ts';

const hourMs = 3_600_000;
const anyDay = fc.integer({ min: -3000, max: 24_000 }).map((count) => addDays('1990-01-01', count));
const anyWindow = fc
  .tuple(anyDay, fc.integer({ min: 0, max: 400 }))
  .map(([from, length]): Window => ({ from, to: addDays(from, length) }));

describe('days', () => {
  test('are those of the calendar, written YYYY-MM-DD', () => {
    for (const day of ['2026-02-28', '2024-02-29', '2000-02-29', '1970-01-01', '9999-12-31']) {
      expect(isDay(day), day).toBe(true);
    }
    const refused = [
      '2026-02-29',
      '2026-02-30',
      '1900-02-29',
      '2026-13-01',
      '2026-00-10',
      '2026-01-00',
      '2026-04-31',
      '2026-2-3',
      '26-02-03',
      '20260203',
      '2026-02-03T00:00',
      ' 2026-02-03',
      '2026-02-03\n',
      '',
      '+002026-02-03',
      '0099-01-01',
      '9999-99-99',
      '２０２６-02-03',
      20260203,
      null,
      undefined,
      new Date(0),
      ['2026-02-03'],
    ];
    for (const value of refused) expect(isDay(value), String(value)).toBe(false);
  });

  test('that are none are refused with an example of one', () => {
    expect(() => addDays('2026-02-30', 1)).toThrow(/like 2026-02-26, got "2026-02-30"/);
    expect(() => countDays('2026-02-03', 'today')).toThrow(RangeError);
  });

  test('counting undoes adding', () => {
    fc.assert(
      fc.property(anyDay, fc.integer({ min: -3000, max: 3000 }), (day, count) => {
        const moved = addDays(day, count);
        expect(isDay(moved)).toBe(true);
        expect(countDays(day, moved)).toBe(count);
        expect(addDays(moved, -count)).toBe(day);
      }),
    );
  });

  test('sort as text in the order of time', () => {
    fc.assert(
      fc.property(anyDay, anyDay, (a, b) => {
        expect(a < b).toBe(countDays(a, b) > 0);
      }),
    );
  });

  test('cross leap days and the ends of years', () => {
    expect(addDays('2024-02-28', 1)).toBe('2024-02-29');
    expect(addDays('2023-02-28', 1)).toBe('2023-03-01');
    expect(addDays('2026-01-01', -1)).toBe('2025-12-31');
    expect(countDays('2024-01-01', '2025-01-01')).toBe(366);
  });
});

describe('windows', () => {
  test('hold their first day and not their last', () => {
    const window = { from: '2026-02-26', to: '2026-02-28' };
    expect(daysOf(window)).toEqual(['2026-02-26', '2026-02-27']);
    expect(
      ['2026-02-25', '2026-02-26', '2026-02-27', '2026-02-28'].map((day) => inWindow(window, day)),
    ).toEqual([false, true, true, false]);
  });

  test('that are empty or backwards hold nothing', () => {
    expect(daysOf({ from: '2026-02-26', to: '2026-02-26' })).toEqual([]);
    expect(daysOf({ from: '2026-02-26', to: '2026-02-20' })).toEqual([]);
    expect(splitWindow({ from: '2026-02-26', to: '2026-02-26' }, 3)).toEqual([]);
    expect(splitWindow({ from: '2026-02-26', to: '2026-02-20' }, 3)).toEqual([]);
  });

  test('are split into pieces that cover them without overlap, none longer than asked', () => {
    fc.assert(
      fc.property(anyWindow, fc.integer({ min: 1, max: 60 }), (window, maxDays) => {
        const pieces = splitWindow(window, maxDays);
        expect(pieces.flatMap(daysOf)).toEqual(daysOf(window));
        expect(pieces).toHaveLength(Math.ceil(countDays(window.from, window.to) / maxDays));
        for (const piece of pieces) {
          expect(countDays(piece.from, piece.to)).toBeGreaterThan(0);
          expect(countDays(piece.from, piece.to)).toBeLessThanOrEqual(maxDays);
        }
      }),
    );
  });

  test('cannot be split into pieces of no or half a day', () => {
    const window = { from: '2026-02-26', to: '2026-02-28' };
    for (const maxDays of [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(() => splitWindow(window, maxDays)).toThrow(RangeError);
    }
  });

  /** The fewest windows by another way: greedily from the oldest day that is not yet held. */
  function fewest(days: ReadonlySet<Day>, maxDays: number): number {
    let count = 0;
    let run = 0;
    for (const day of [...days].toSorted()) {
      run = days.has(addDays(day, -1)) && run < maxDays ? run + 1 : 1;
      if (run === 1) count += 1;
    }
    return count;
  }

  test('are the fewest that hold exactly the given days, in whatever order and however often', () => {
    const days = fc.array(fc.integer({ min: 0, max: 60 }), { maxLength: 80 });
    fc.assert(
      fc.property(days, fc.integer({ min: 1, max: 40 }), (offsets, maxDays) => {
        const given = offsets.map((offset) => addDays('2024-02-01', offset));
        const spans = spansOf(given, maxDays);
        expect(spans.flatMap(daysOf)).toEqual([...new Set(given)].toSorted());
        for (const span of spans) expect(countDays(span.from, span.to)).toBeLessThanOrEqual(maxDays);
        expect(spans).toHaveLength(fewest(new Set(given), maxDays));
      }),
    );
  });
});

/** Years of their rules, chosen for what they do at or near midnight. */
const zones: readonly (readonly [zone: string, from: Day, days: number])[] = [
  ['UTC', '2024-02-01', 60],
  ['Asia/Shanghai', '1986-01-01', 6 * 366],
  ['Asia/Kathmandu', '1985-11-01', 120],
  ['America/New_York', '2025-01-01', 2 * 365],
  ['Europe/London', '2025-01-01', 2 * 365],
  // Half an hour of summer time.
  ['Australia/Lord_Howe', '2025-01-01', 2 * 365],
  // Clocks go forward at midnight: the day begins at 01:00.
  ['America/Sao_Paulo', '2017-07-01', 2 * 365],
  ['Asia/Beirut', '2021-01-01', 3 * 365],
  ['Africa/Cairo', '2023-01-01', 3 * 365],
  ['Atlantic/Azores', '2025-01-01', 2 * 365],
  ['America/Scoresbysund', '2023-01-01', 3 * 365],
  ['Asia/Tehran', '2021-01-01', 2 * 365],
  // Clocks go back from 01:00: midnight comes twice.
  ['America/Havana', '2025-01-01', 2 * 365],
  // Clocks went back at 00:01: the day began, was the one before again, and began once more.
  ['America/St_Johns', '2009-01-01', 3 * 365],
  // A new offset from 23:30 on, half an hour before midnight.
  ['Asia/Pyongyang', '2018-04-01', 60],
  ['America/Caracas', '2016-04-01', 60],
  // The farthest from UTC on either side.
  ['Pacific/Kiritimati', '2025-01-01', 60],
  ['Pacific/Pago_Pago', '2025-01-01', 60],
];

describe.each(zones)('in %s', (zone, first, length) => {
  const days = daysOf({ from: first, to: addDays(first, length) });

  test('every day begins on the first instant that is in it', () => {
    for (const day of days) {
      const start = startOfDay(day, zone);
      expect(dayAt(start, zone), day).toBe(day);
      expect(dayAt(start - 1, zone) < day, day).toBe(true);
    }
  });

  test('a day ends where the next begins and is 22 to 26 hours long', () => {
    const starts = days.map((day) => startOfDay(day, zone));
    const lengths = starts.slice(1).map((start, index) => (start - starts[index]!) / hourMs);
    expect(Math.min(...lengths)).toBeGreaterThanOrEqual(22);
    expect(Math.max(...lengths)).toBeLessThanOrEqual(26);
  });

  test('the text of its beginning reads 00:00:00 and names the same instant', () => {
    for (const day of days) {
      const text = formatStartOfDay(day, zone);
      expect(text).toMatch(new RegExp(`^${day}T00:00:00[+-]\\d\\d:\\d\\d$`));
      expect(Date.parse(text), text).toBe(startOfDay(day, zone));
    }
  });

  test('an instant is written with the offset of that instant, down to the second', () => {
    const from = startOfDay(first, zone);
    fc.assert(
      fc.property(fc.integer({ min: 0, max: length * 24 * hourMs }), (later) => {
        const instant = from + later;
        const text = formatInstant(instant, zone);
        expect(text).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d$/);
        expect(Date.parse(text)).toBe(Math.floor(instant / 1000) * 1000);
        expect(text.slice(0, 10)).toBe(dayAt(instant, zone));
      }),
    );
  });
});

describe('the beginning of a day', () => {
  test('is where the clocks land when they jump over midnight', () => {
    // 2018-11-04 in São Paulo began at 01:00 of summer time; its text still reads midnight, with the old offset.
    expect(formatInstant(startOfDay('2018-11-04', 'America/Sao_Paulo'), 'America/Sao_Paulo')).toBe(
      '2018-11-04T01:00:00-02:00',
    );
    expect(formatStartOfDay('2018-11-04', 'America/Sao_Paulo')).toBe('2018-11-04T00:00:00-03:00');
    expect(formatInstant(startOfDay('2022-03-27', 'Asia/Beirut'), 'Asia/Beirut')).toBe(
      '2022-03-27T01:00:00+03:00',
    );
  });

  test('is the first midnight where there are two', () => {
    const start = startOfDay('2026-11-01', 'America/Havana');
    expect(formatInstant(start, 'America/Havana')).toBe('2026-11-01T00:00:00-04:00');
    expect(formatInstant(start + hourMs, 'America/Havana')).toBe('2026-11-01T00:00:00-05:00');
    expect(startOfDay('2026-11-02', 'America/Havana') - start).toBe(25 * hourMs);
  });

  test('is the only midnight where the hour before it comes twice', () => {
    // In Cairo 2026-10-29 has 25 hours: from 24:00 the clocks go back to 23:00.
    const start = startOfDay('2026-10-30', 'Africa/Cairo');
    expect(formatInstant(start, 'Africa/Cairo')).toBe('2026-10-30T00:00:00+02:00');
    expect(dayAt(start - hourMs, 'Africa/Cairo')).toBe('2026-10-29');
    expect(start - startOfDay('2026-10-29', 'Africa/Cairo')).toBe(25 * hourMs);
  });

  test('of a day that a zone left out is that of the next: the day is empty', () => {
    // Samoa went from 2011-12-29 straight to 2011-12-31.
    const zone = 'Pacific/Apia';
    expect(startOfDay('2011-12-30', zone)).toBe(startOfDay('2011-12-31', zone));
    expect(dayAt(startOfDay('2011-12-30', zone), zone)).toBe('2011-12-31');
    expect(dayAt(startOfDay('2011-12-30', zone) - 1, zone)).toBe('2011-12-29');
    expect(Date.parse(formatStartOfDay('2011-12-30', zone))).toBe(startOfDay('2011-12-30', zone));
    expect(formatStartOfDay('2011-12-31', zone)).toBe('2011-12-31T00:00:00+14:00');
  });

  test('in Shanghai is 16:00 UTC of the day before, to the millisecond', () => {
    expect(dayAt(Date.parse('2026-02-25T15:59:59.999Z'), 'Asia/Shanghai')).toBe('2026-02-25');
    expect(dayAt(Date.parse('2026-02-25T16:00:00.000Z'), 'Asia/Shanghai')).toBe('2026-02-26');
    expect(formatStartOfDay('2026-02-26', 'Asia/Shanghai')).toBe('2026-02-26T00:00:00+08:00');
    expect(formatInstant(Date.parse('2026-02-26T02:10:06.789Z'), 'Asia/Shanghai')).toBe(
      '2026-02-26T10:10:06+08:00',
    );
  });

  test('reads right before 1970 and between whole seconds', () => {
    expect(dayAt(-1, 'UTC')).toBe('1969-12-31');
    expect(formatInstant(-1, 'UTC')).toBe('1969-12-31T23:59:59+00:00');
    expect(formatInstant(-1, 'America/New_York')).toBe('1969-12-31T18:59:59-05:00');
  });

  test('in a zone that does not exist is refused', () => {
    expect(() => startOfDay('2026-02-26', 'Mars/Olympus')).toThrow(RangeError);
  });
});

test('the zone of the process changes nothing', () => {
  const script = `
    const { startOfDay, dayAt, formatInstant, addDays, spansOf } = await import(process.argv[1]);
    const lines = [new Date(2026, 0, 1).getTimezoneOffset()];
    for (const zone of ['Asia/Shanghai', 'America/Sao_Paulo', 'Europe/London']) {
      for (let day = '2018-10-20'; day < '2018-11-10'; day = addDays(day, 1)) {
        const start = startOfDay(day, zone);
        lines.push([zone, day, start, dayAt(start, zone), formatInstant(start, zone), spansOf([day], 3)[0].to]);
      }
    }
    console.log(JSON.stringify(lines));`;
  const module = new URL('./windows.ts', import.meta.url).href;
  const [utc, ...others] = ['UTC', 'America/Sao_Paulo', 'Pacific/Apia'].map((TZ) => {
    const args = ['--input-type=module', '--eval', script, module];
    const output = execFileSync(process.execPath, args, { env: { ...process.env, TZ }, encoding: 'utf8' });
    const [offset, ...lines] = JSON.parse(output) as unknown[];
    return { offset, lines };
  });
  for (const other of others) {
    expect(other.offset).not.toBe(utc?.offset);
    expect(other.lines).toEqual(utc?.lines);
  }
});
