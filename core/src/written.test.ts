import { expect, test } from 'vitest';
import { createWritten } from './written.ts';

const event = (externalId: string) => ({ day: '2026-02-26', externalId });

test('what an earlier try stored counts as written by the one that reads it again, once', () => {
  const written = createWritten();
  expect(written.beginTry().counts(event('a'), 'written')).toBe(true);
  const second = written.beginTry();
  expect(second.counts(event('a'), 'unchanged')).toBe(true);
  expect(second.counts(event('a'), 'unchanged')).toBe(false);
  expect(second.counts(event('b'), 'unchanged')).toBe(false);
  expect(second.counts(event('b'), 'written')).toBe(true);
  expect(written.on('2026-02-26')).toBe(2);
});

test('a write that an earlier try left behind counts for that try, so that the row is written for the next one', () => {
  const written = createWritten();
  const first = written.beginTry();
  const second = written.beginTry();
  expect(first.counts(event('late'), 'written')).toBe(true);
  expect(second.counts(event('late'), 'unchanged')).toBe(true);
  // Yielded twice there, and here.
  expect(first.counts(event('late'), 'unchanged')).toBe(false);
  expect(second.counts(event('late'), 'unchanged')).toBe(false);
  expect(written.on('2026-02-26')).toBe(1);
});
