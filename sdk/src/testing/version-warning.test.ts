import { expect, test } from 'vitest';
import { isWarning, warningVersion } from './version-warning.ts';

test.each([
  ['0.1.0', '0.1.0', false],
  ['0.1.0', '0.1.1', false],
  ['0.1.9', '0.2.0', true],
  ['0.2.0', '0.1.9', false],
  ['0.9.0', '1.0.0', true],
  ['1.2.3', '1.9.0', false],
  ['1.2.3', '2.0.0', true],
  ['0.0.1', '0.0.2', true],
])('%s to %s is a warning: %s', (was, is, expected) => {
  expect(isWarning(was, is)).toBe(expected);
});

test.each([
  ['1.4.2', '2.0.0'],
  ['0.1.9', '0.2.0'],
  ['0.0.3', '0.0.4'],
])('who wrote for %s is warned by %s', (was, is) => {
  expect(warningVersion(was)).toBe(is);
  expect(isWarning(was, is)).toBe(true);
});
