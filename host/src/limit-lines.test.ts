import { expect, test } from 'vitest';
import { limitLines } from './limit-lines.ts';

test('three lines a second are written, and the next one says how many were left out', () => {
  let now = 0;
  const line = limitLines(() => now);
  expect(Array.from({ length: 6 }, line)).toEqual([0, 0, 0, undefined, undefined, undefined]);
  now = 999;
  expect(line()).toBeUndefined();
  now = 1000;
  expect([line(), line()]).toEqual([4, 0]);
});
