import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { temporaryFolder } from '../../test/otw.ts';
import { createFreeSpace } from './free-space.ts';

test('a folder that is not there yet is measured where it will be', () => {
  const folder = temporaryFolder();
  const missing = join(folder.path, 'not', 'yet');
  expect(createFreeSpace({ folder: missing, minFreeMb: 0 }).problem()).toBeUndefined();
  const much = createFreeSpace({ folder: missing, minFreeMb: 1e12 });
  expect(much.problem()).toMatch(/^Expected 1000000000000 MB free .*, found \d+ MB: make room$/);
  folder.remove();
});

test('a request is told when to come back, not how the disk is', () => {
  const space = createFreeSpace({ folder: '/', minFreeMb: 200, freeMb: () => 199.9 });
  const refused = { status: 503, code: 'DEPENDENCY_UNAVAILABLE', retryAfterSeconds: 30 };
  expect(() => space.check()).toThrow(expect.objectContaining(refused));
  expect(() => space.check()).toThrow(/^The disk of the database is nearly full/);
});

test('the disk is looked at every few seconds, so room that was made is noticed', () => {
  vi.useFakeTimers({ toFake: ['performance'] });
  let free = 100;
  const freeMb = vi.fn(() => free);
  const space = createFreeSpace({ folder: '/', minFreeMb: 200, freeMb });
  expect(space.problem()).toBeDefined();
  free = 300;
  expect(space.problem()).toBeDefined();
  vi.advanceTimersByTime(3_000);
  expect(space.problem()).toBeUndefined();
  expect(freeMb).toHaveBeenCalledTimes(2);
  vi.useRealTimers();
});

test("somebody else's database is none of our disk", () => {
  const freeMb = vi.fn(() => 0);
  expect(createFreeSpace({ folder: undefined, minFreeMb: 200, freeMb }).problem()).toBeUndefined();
  expect(freeMb).not.toHaveBeenCalled();
});
