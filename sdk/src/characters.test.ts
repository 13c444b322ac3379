import fc from 'fast-check';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { characters } from './characters.ts';

test('text of min to max code points fits, and no other', () => {
  const schema = characters(2, 5);
  fc.assert(
    fc.property(fc.array(fc.constantFrom('a', 'é', '中', '🏃', '\u{10ffff}'), { maxLength: 8 }), (text) => {
      expect(schema.safeParse(text.join('')).success).toBe(text.length >= 2 && text.length <= 5);
    }),
  );
});

test('an emoji is one character', () => {
  expect(characters(1, 64).safeParse('🏃'.repeat(64)).success).toBe(true);
  expect(characters(1, 64).safeParse('🏃'.repeat(65)).success).toBe(false);
});

test('its JSON Schema has the limits', () => {
  expect(z.toJSONSchema(characters(1, 64))).toMatchObject({ type: 'string', minLength: 1, maxLength: 64 });
  expect(z.toJSONSchema(characters(0, 256))).not.toHaveProperty('minLength');
});
