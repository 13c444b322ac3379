import { expect, test } from 'vitest';
import { createPacer } from './pacer.ts';

const nothing = async () => {};

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

/** Requests that end when they are told to. */
function requests() {
  const begun: string[] = [];
  const ends = new Map<string, () => void>();
  const send = (name: string) => () => {
    begun.push(name);
    return new Promise<string>((resolve) => ends.set(name, () => resolve(name)));
  };
  return { begun, send, end: (name: string) => ends.get(name)?.() };
}

test.each([
  [0, 1000],
  [0.5, 1100],
  [1, 1200],
])('requests are spaced by the pause and up to a fifth more (chance %d)', async (chance, ms) => {
  const { now, wait, waits } = clock();
  const pace = createPacer(1000, { now, wait, random: () => chance });
  await pace(undefined, nothing);
  await pace(undefined, nothing);
  await pace(undefined, nothing);
  expect(waits).toEqual([ms, ms]);
});

test('time that has passed anyway is not waited for again', async () => {
  const { now, wait, waits, pass } = clock();
  const pace = createPacer(1000, { now, wait, random: () => 0 });
  await pace(undefined, nothing);
  pass(400);
  await pace(undefined, nothing);
  pass(5000);
  await pace(undefined, nothing);
  expect(waits).toEqual([600]);
});

test('a pause of 0 never waits', async () => {
  const pace = createPacer(0, { wait: () => Promise.reject(new Error('waited')) });
  await Promise.all([pace(undefined, nothing), pace(undefined, nothing)]);
});

test.each([
  [1, ['a'], ['a', 'b']],
  [2, ['a', 'b'], ['a', 'b', 'c']],
])('at most %d are on their way together, first come first served', async (places, before, after) => {
  const { begun, send, end } = requests();
  const pace = createPacer(0, { requestsInFlight: places });
  const all = ['a', 'b', 'c', 'd'].map(async (name) => pace(undefined, send(name)));
  await new Promise(setImmediate);
  expect(begun).toEqual(before);
  end('a');
  await all[0];
  await new Promise(setImmediate);
  expect(begun).toEqual(after);
});

test('a failed request gives its place to the next', async () => {
  const pace = createPacer(0);
  const first = pace(undefined, () => Promise.reject(new Error('broken')));
  const second = pace(undefined, async () => 'sent');
  await expect(first).rejects.toThrow('broken');
  expect(await second).toBe('sent');
});

test('who gives up in the queue is not sent, and nobody behind waits for it', async () => {
  const { begun, send, end } = requests();
  const pace = createPacer(0);
  const controller = new AbortController();
  const first = pace(undefined, send('a'));
  const second = pace(controller.signal, send('b'));
  const third = pace(undefined, send('c'));
  controller.abort('given up');
  await expect(second).rejects.toBe('given up');
  end('a');
  await first;
  await new Promise(setImmediate);
  end('c');
  await third;
  expect(begun).toEqual(['a', 'c']);
});
