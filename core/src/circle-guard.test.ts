import type { JsonValue } from '@on-the-way/sdk';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createCircleGuard } from './circle-guard.ts';

/** One fetch that reads these pages: the keys of the records, then the checkpoint. */
function read(start: JsonValue | undefined, pages: readonly (readonly [string[], JsonValue])[]): void {
  const guard = createCircleGuard('events', start);
  for (const [keys, cursor] of pages) {
    for (const key of keys) guard.record(key);
    guard.checkpoint(cursor);
  }
}

const circle = expect.objectContaining({
  code: 'source',
  message: expect.stringContaining('circles') as string,
});

function thrownBy(work: () => void): unknown {
  try {
    work();
    return undefined;
  } catch (error) {
    return error;
  }
}

describe('is no circle:', () => {
  test.each<[string, JsonValue | undefined, [string[], JsonValue][]]>([
    [
      'a cursor that moves on',
      undefined,
      [
        [['a'], 1],
        [['b'], 2],
        [[], 3],
      ],
    ],
    ['once the cursor it was asked from, since there is nothing new', 7, [[[], 7]]],
    ['the cursor it was asked from behind records', 7, [[['a'], 7]]],
    [
      'a cursor that stands while other records come',
      undefined,
      [
        [['a'], 1],
        [['b'], 1],
        [['c'], 1],
      ],
    ],
    [
      'pages that repeat records under other cursors',
      undefined,
      [
        [['a', 'b'], 1],
        [['a', 'b'], 2],
      ],
    ],
    ['a first cursor that is null', undefined, [[['a'], null]]],
  ])('%s', (_, start, pages) => {
    expect(() => read(start, pages)).not.toThrow();
  });
});

describe('is a circle:', () => {
  test.each<[string, JsonValue | undefined, [string[], JsonValue][]]>([
    [
      'a cursor that stands without a record between',
      undefined,
      [
        [['a'], 1],
        [[], 1],
      ],
    ],
    [
      'the cursor it was asked from, twice',
      7,
      [
        [[], 7],
        [[], 7],
      ],
    ],
    [
      'a page that comes again under the same cursor',
      undefined,
      [
        [['a'], 1],
        [['b'], 1],
        [['b'], 1],
      ],
    ],
    [
      'two pages that take turns under the same cursor',
      undefined,
      [
        [['a'], 1],
        [['b'], 1],
        [['a'], 1],
      ],
    ],
    [
      'an earlier cursor of the fetch, whatever came between',
      undefined,
      [
        [['a'], 1],
        [['b'], 2],
        [['c'], 1],
      ],
    ],
    [
      'the cursor it was asked from, later on',
      7,
      [
        [['a'], 8],
        [['b'], 7],
      ],
    ],
    [
      'the same cursor with its members in another order',
      undefined,
      [
        [['a'], { a: 1, b: 2 }],
        [[], { b: 2, a: 1 }],
      ],
    ],
  ])('%s', (_, start, pages) => {
    expect(thrownBy(() => read(start, pages))).toEqual(circle);
  });

  test('whatever its length, one that is read for ever is noticed', () => {
    const circles = fc.array(fc.tuple(fc.array(fc.string(), { maxLength: 3 }), fc.jsonValue()), {
      minLength: 1,
      maxLength: 6,
    });
    fc.assert(
      fc.property(circles, (pages) => {
        const round = pages as [string[], JsonValue][];
        expect(thrownBy(() => read(undefined, [...round, ...round, ...round]))).toEqual(circle);
      }),
    );
  });
});

test.each<[string, unknown]>([
  ['undefined', undefined],
  ['a BigInt', 1n],
  ['a Date', new Date(0)],
  ['a function', () => 1],
  ['longer than 64 KiB', 'x'.repeat(70_000)],
  ['a NUL', 'a\0b'],
  ['half a character', '\ud800'],
])('a checkpoint that is %s is a bug of the plugin', (_, cursor) => {
  expect(thrownBy(() => read(undefined, [[[], cursor as JsonValue]]))).toMatchObject({ code: 'plugin_bug' });
});

test('a cursor may hold what only looks like an escape', () => {
  expect(() => read(undefined, [[[], String.raw`\u0000 and \ud800`]])).not.toThrow();
});
