import { z } from 'zod';

/** Code points; no slower for a long text than it takes to see that it is too long. */
function countCharacters(text: string, max: number): number {
  let count = 0;
  for (let at = 0; at < text.length && count <= max; count += 1)
    at += (text.codePointAt(at) ?? 0) > 0xffff ? 2 : 1;
  return count;
}

/**
 * Schema of text of `min` to `max` characters, both included. A character is a Unicode code point, as in JSON
 * Schema and in Postgres' `char_length`; zod's own lengths count an emoji twice.
 */
export function characters(min: number, max: number): z.ZodString {
  const fits = (text: string): boolean => {
    // A code point has one or two of the units that a length counts.
    if (text.length <= max && text.length >= 2 * min) return true;
    const count = countCharacters(text, max);
    return count >= min && count <= max;
  };
  return z
    .string()
    .refine(fits, `expected text of ${min} to ${max} characters`)
    .meta({ ...(min > 0 && { minLength: min }), maxLength: max });
}
