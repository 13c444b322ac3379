import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { lineReader, splitArray } from './split-batch.ts';

/** The lines of a body whose bytes come in these parts. */
function ofParts(parts: readonly Buffer[]): readonly string[] {
  const lines: string[] = [];
  const reader = lineReader({
    onLine: (line) => lines.push(line),
    pause: () => undefined,
    end: () => lines,
  });
  for (const part of parts) void reader.take(part);
  return reader.end(0) as readonly string[];
}

const ofLines = (text: string) => ofParts([Buffer.from(text)]);

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** What the batch says, undefined where it or one of its items is not JSON. */
function valuesOf(text: string): unknown[] | undefined {
  try {
    const values = splitArray(text).map(parsed);
    return values.includes(undefined) ? undefined : values;
  } catch {
    return undefined;
  }
}

const values = fc.array(fc.jsonValue({ maxDepth: 3 }), { minLength: 1, maxLength: 6 });

describe('a batch that is an array', () => {
  test('has the items that JSON.parse finds', () => {
    fc.assert(
      fc.property(values, fc.constantFrom(0, 2), (items, indent) => {
        const text = ` ${JSON.stringify(items, null, indent)}\n`;
        expect(valuesOf(text)).toEqual(JSON.parse(text));
      }),
    );
  });

  test('is JSON exactly when all its items are', () => {
    const put = fc.constantFrom('', '"', '\\', '[', ']', '{', '}', ',', '1', ' ');
    fc.assert(
      fc.property(values, fc.nat(), put, fc.nat({ max: 2 }), (items, at, character, length) => {
        const whole = JSON.stringify(items);
        const start = at % (whole.length + 1);
        const text = whole.slice(0, start) + character + whole.slice(start + length);
        const found = parsed(text);
        expect(valuesOf(text)).toEqual(Array.isArray(found) && found.length > 0 ? found : undefined);
      }),
      { numRuns: 1000 },
    );
  });

  test('keeps each item to the character', () => {
    expect(splitArray('[ {"a": 1.0} ,9007199254740993,"],\\"[" ]')).toEqual([
      ' {"a": 1.0} ',
      '9007199254740993',
      '"],\\"[" ',
    ]);
  });

  test.each(['{}', '1', '', '[', ']', '[1}', '[1],2]', '[1]]', '["a]', '\u00a0[1]', '{"a":[1]}'])(
    'is not %j',
    (text) => {
      expect(valuesOf(text)).toBeUndefined();
      expect(() => splitArray(text === '[1}' ? text : '{}')).toThrow(
        expect.objectContaining({ status: 400 }),
      );
    },
  );
});

describe('a batch of lines', () => {
  test('has an item a line, whatever ends the lines; empty lines do not count', () => {
    expect(ofLines('{"a":1}\r\n\n  \n{"b":\t2}\nnot JSON')).toEqual(['{"a":1}\r', '{"b":\t2}', 'not JSON']);
    expect(ofLines('{}\n')).toEqual(['{}']);
  });

  test('is the same however its bytes come', () => {
    const text = fc.array(fc.constantFrom('{"a":1}', 'é', '😀', '\n', '\n\n', ' ', '\r\n'), { minLength: 1 });
    fc.assert(
      fc.property(text, fc.array(fc.nat({ max: 40 }), { maxLength: 6 }), (some, cuts) => {
        const bytes = Buffer.from(`x${some.join('')}`);
        const at = [0, ...cuts.map((cut) => cut % bytes.length), bytes.length].toSorted((a, b) => a - b);
        const parts = at.slice(1).map((end, index) => bytes.subarray(at[index], end));
        const expected = bytes
          .toString()
          .split('\n')
          .filter((line) => /[^ \t\r]/.test(line));
        expect(ofParts(parts.filter((part) => part.length > 0))).toEqual(expected);
      }),
    );
  });

  test.each([
    ['bytes that are no UTF-8', Buffer.from('{}\n{"a":"\u00e9"}\n', 'latin1')],
    ['a character that is cut by the end of a line', Buffer.from([0x7b, 0xc3, 0x0a, 0xa9, 0x7d])],
    ['a byte order mark', Buffer.from('\uFEFF{}\n')],
    ['a thousand empty lines', Buffer.from(`${'\n'.repeat(1001)}{}`)],
  ])('is refused as a whole for %s', (_name, bytes) => {
    expect(() => ofParts([bytes])).toThrow(expect.objectContaining({ status: 400 }));
  });

  test('is not read on while there is no room for more', async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const reader = lineReader({ onLine: () => undefined, pause: () => promise, end: () => 'read' });
    expect(reader.take(Buffer.from('{"a":'))).toBeUndefined();
    expect(reader.take(Buffer.from('1}\n'))).toBe(promise);
    resolve();
    expect(await reader.end(0)).toBe('read');
  });
});

test.each(['[]', ' [ \n ] ', '[1', '\n\n'])('a batch without items (%j) is refused', (text) => {
  const split = text.includes('[') ? splitArray : ofLines;
  expect(() => split(text)).toThrow(expect.objectContaining({ status: text === '[1' ? 400 : 422 }));
});

test('a batch has 1000 items and no more', () => {
  const line = (count: number) => Array<string>(count).fill('{}');
  expect(ofLines(line(1000).join('\n'))).toHaveLength(1000);
  expect(splitArray(`[${line(1000).join()}]`)).toHaveLength(1000);
  for (const more of [() => ofLines(line(1001).join('\n')), () => splitArray(`[${line(1001).join()}]`)])
    expect(more).toThrow(expect.objectContaining({ status: 422, code: 'INVALID_ARGUMENT' }));
});
