import fc from 'fast-check';
import { expect, test } from 'vitest';
import { sha256, sha256Within } from './digest.ts';

const text = fc.string({ unit: 'grapheme' });
const frame = fc.tuple(text, text).map(([before, behind]) => ({
  before: Buffer.from(before),
  behind,
  whole: (middle: string) => before + middle + behind,
}));

test('a text within two frames is hashed as the whole texts are, however long it is', () => {
  fc.assert(
    fc.property(text, fc.constantFrom(1, 1, 1, 20_000), frame, frame, (part, times, one, other) => {
      const middle = part.repeat(times);
      expect(sha256Within(middle, one, other)).toEqual([
        sha256(one.whole(middle)),
        sha256(other.whole(middle)),
      ]);
    }),
  );
});

test('what stands before may be longer than there is room for', () => {
  const long = '北'.repeat(5_000);
  const frames = [
    { before: Buffer.from(long), behind: '' },
    { before: Buffer.alloc(0), behind: long },
  ] as const;
  expect(sha256Within('x', ...frames)).toEqual([sha256(`${long}x`), sha256(`x${long}`)]);
});
