import fc from 'fast-check';
import { expect, test } from 'vitest';
import { exactJson } from './exact-json.ts';

test('what a JSON text says does not depend on the order of members, on spaces or on how a number is written', () => {
  expect(exactJson('{"b": 1.0, "a": [1e2, 0.50]}')).toBe(exactJson('{"a":[100,5e-1],"b":1}'));
});

test.each([
  ['9007199254740993', '9007199254740992'],
  ['1e400', '1e401'],
  ['0.1', '0.10000000000000000001'],
  ['-0', '0'],
  ['"a"', '"a "'],
  [String.raw`"\ud800"`, String.raw`"\ufffd"`],
  ['[1,[2]]', '[[1],2]'],
  ['{"a":1}', '{"a":"1"}'],
  ['null', '"null"'],
])('%s does not say what %s says', (left, right) => {
  expect(exactJson(left)).not.toBe(exactJson(right));
});

test('a text of any depth is read', () => {
  const deep = `${'['.repeat(20_000)}${']'.repeat(20_000)}`;
  expect(exactJson(deep)).toBe(deep);
});

test('two values are the same exactly when JSON says so', () => {
  // Minus zero is lost by JSON.stringify itself.
  const value = fc.json({ noUnicodeString: false });
  fc.assert(
    fc.property(value, value, (left, right) => {
      const reordered = JSON.stringify(JSON.parse(left), null, 2);
      expect(exactJson(reordered)).toBe(exactJson(JSON.stringify(JSON.parse(left))));
      const same =
        exactJson(JSON.stringify(JSON.parse(left))) === exactJson(JSON.stringify(JSON.parse(right)));
      expect(same).toBe(isSame(JSON.parse(left), JSON.parse(right)));
    }),
  );
});

function ordered(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(ordered);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).map(([key, part]) => [key, ordered(part)] as const);
  return { entries: entries.toSorted(([left], [right]) => (left < right ? -1 : 1)) };
}

function isSame(left: unknown, right: unknown): boolean {
  return JSON.stringify(ordered(left)) === JSON.stringify(ordered(right));
}
