import fc from 'fast-check';
import { expect, test } from 'vitest';
import { CopyText } from './copy-text.ts';

test('lines of any length come out as their bytes, in pieces none of which is empty', () => {
  const line = fc
    .tuple(fc.string({ unit: 'grapheme', minLength: 1 }), fc.constantFrom(1, 100, 10_000))
    .map(([part, times]) => part.repeat(times));
  fc.assert(
    fc.property(fc.array(line, { maxLength: 12 }), (lines) => {
      const text = new CopyText();
      for (const each of lines) text.add(each);
      const pieces = text.end();
      expect(Buffer.concat(pieces).equals(Buffer.from(lines.join('')))).toBe(true);
      expect(pieces.every(({ length }) => length > 0)).toBe(true);
    }),
  );
});
