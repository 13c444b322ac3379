import { expect, test } from 'vitest';
import { isSomeoneElse } from './session.ts';

test.each([
  ['me@example.com', 'you@example.com', true],
  ['Me@Example.com ', 'me@example.com', false],
  ['me@example.com', 'a-display-name', false],
  ['me@example.com', undefined, false],
  [undefined, 'you@example.com', false],
])('GARMIN_EMAIL %s and an account of %s: someone else is %s', (email, userName, expected) => {
  expect(isSomeoneElse(email, userName)).toBe(expected);
});
