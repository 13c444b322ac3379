import { expect, test } from 'vitest';
import { createPacer } from './pacer.ts';

function clock() {
  const waits: number[] = [];
  let time = 1_000_000;
  const now = () => time;
  const wait = async (ms: number) => {
    waits.push(ms);
    time += ms;
  };
  return { now, wait, waits, pass: (ms: number) => (time += ms) };
}

test.each([
  [0, 1000],
  [0.5, 1100],
  [1, 1200],
])('requests are spaced by the pause and up to a fifth more (chance %d)', async (chance, ms) => {
  const { now, wait, waits } = clock();
  const pace = createPacer(1000, { now, wait, random: () => chance });
  await pace();
  await pace();
  await pace();
  expect(waits).toEqual([ms, ms]);
});

test('time that has passed anyway is not waited for again', async () => {
  const { now, wait, waits, pass } = clock();
  const pace = createPacer(1000, { now, wait, random: () => 0 });
  await pace();
  pass(400);
  await pace();
  pass(5000);
  await pace();
  expect(waits).toEqual([600]);
});

test('callers at the same time get one turn each', async () => {
  const { now, waits } = clock();
  const pace = createPacer(1000, { now, random: () => 0, wait: async (ms) => void waits.push(ms) });
  await Promise.all([pace(), pace(), pace()]);
  expect(waits).toEqual([1000, 2000]);
});

test('a pause of 0 never waits', async () => {
  const pace = createPacer(0, { wait: () => Promise.reject(new Error('waited')) });
  await Promise.all([pace(), pace()]);
});
