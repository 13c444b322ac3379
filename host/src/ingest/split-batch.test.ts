import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { splitBatch } from './split-batch.ts';

const ofArray = (text: string) => splitBatch({ text, mediaType: 'application/json' });
const ofLines = (text: string) => splitBatch({ text, mediaType: 'application/x-ndjson' });

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
    const values = ofArray(text).items.map(parsed);
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
    expect(ofArray('[ {"a": 1.0} ,9007199254740993,"],\\"[" ]').items).toEqual([
      ' {"a": 1.0} ',
      '9007199254740993',
      '"],\\"[" ',
    ]);
  });

  test.each(['{}', '1', '', '[', ']', '[1}', '[1],2]', '[1]]', '["a]', '\u00a0[1]', '{"a":[1]}'])(
    'is not %j',
    (text) => {
      expect(valuesOf(text)).toBeUndefined();
      expect(() => ofArray(text === '[1}' ? text : '{}')).toThrow(expect.objectContaining({ status: 400 }));
    },
  );
});

describe('a batch of lines', () => {
  test('has an item a line, whatever ends the lines; empty lines do not count', () => {
    expect(ofLines('{"a":1}\r\n\n  \n{"b":\t2}\nnot JSON').items).toEqual([
      '{"a":1}\r',
      '{"b":\t2}',
      'not JSON',
    ]);
    expect(ofLines('{}\n').isArray).toBe(false);
  });
});

test.each(['[]', ' [ \n ] ', '[1', '\n\n'])('a batch without items (%j) is refused', (text) => {
  const split = text.includes('[') ? ofArray : ofLines;
  expect(() => split(text)).toThrow(expect.objectContaining({ status: text === '[1' ? 400 : 422 }));
});

test('a batch has 1000 items and no more', () => {
  const line = (count: number) => Array<string>(count).fill('{}');
  expect(ofLines(line(1000).join('\n')).items).toHaveLength(1000);
  expect(ofArray(`[${line(1000).join()}]`).items).toHaveLength(1000);
  for (const more of [() => ofLines(line(1001).join('\n')), () => ofArray(`[${line(1001).join()}]`)])
    expect(more).toThrow(expect.objectContaining({ status: 422, code: 'INVALID_ARGUMENT' }));
});
