import { describe, expect, test } from 'vitest';
import { checks } from './checks/index.ts';
import { connectorSubject, liars, sinkSubject } from './liars/index.ts';
import { runCheck, testPlugin } from './run-checks.ts';

describe('a connector that keeps every promise', () => {
  testPlugin(connectorSubject(), test);
});

describe('a sink that keeps every promise', () => {
  testPlugin(sinkSubject(), test);
});

describe('each lying double fails the check of its promise', () => {
  test.each(liars)('$lie', async ({ check: id, subject }) => {
    const check = checks.find((one) => one.id === id)!;
    const { status, reason } = await runCheck(check, subject);
    expect(status, reason).toBe('failed');
    expect(reason).toMatch(/^Expected /);
  });
});

test('every check has a number of its own, a reason, and a lying double', () => {
  expect(checks.map(({ id }) => id)).toEqual(Array.from({ length: 45 }, (_, index) => index + 1));
  expect(checks.filter(({ why }) => why.trim() === '')).toEqual([]);
  const proven = new Set(liars.map(({ check }) => check));
  expect(checks.filter(({ id }) => !proven.has(id)).map(({ id }) => id)).toEqual([]);
});
