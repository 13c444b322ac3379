import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, test } from 'vitest';
import { fewAtOnce } from './few-at-once.ts';
import { shedLoad } from './overload.ts';
import { turn } from './turns.ts';

test('past so many requests in progress others are refused with 503, but for health/live', async () => {
  const held: (() => void)[] = [];
  let refused = 0;
  const handler: RequestListener = (request, response) => {
    if (request.url?.startsWith('/v1/health/live')) response.end('live');
    else held.push(() => response.end('done'));
  };
  const server = createServer(shedLoad(handler, { most: 2, onRefused: () => (refused += 1) }));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const ask = (path: string) => fetch(`http://127.0.0.1:${port}${path}`);
  try {
    const first = [ask('/a'), ask('/b')];
    await expect.poll(() => held.length).toBe(2);
    const third = await ask('/c');
    expect([third.status, third.headers.get('retry-after')]).toEqual([503, '1']);
    expect(await third.json()).toMatchObject({ status: 'error', code: 'OVERLOADED' });
    expect(Object.fromEntries(third.headers)).toMatchObject({
      'cache-control': 'no-store',
      'content-security-policy': expect.stringContaining("default-src 'self'"),
      'referrer-policy': 'no-referrer',
    });
    expect(await (await ask('/v1/health/live')).text()).toBe('live');
    expect(await (await ask('/v1/health/live?x=1')).text()).toBe('live');
    expect(refused).toBe(1);
    for (const answer of held.splice(0)) answer();
    for (const answer of first) expect(await (await answer).text()).toBe('done');
    const later = ask('/d');
    await expect.poll(() => held.length).toBe(1);
    held[0]?.();
    expect((await later).status).toBe(200);
  } finally {
    server.close();
    server.closeAllConnections();
  }
});

/** Holds the processor, as work on a request does. */
function work(ms: number): void {
  const until = performance.now() + ms;
  while (performance.now() < until);
}

test('work that is begun in turns leaves room in between, and keeps its order', async () => {
  const began: number[] = [];
  let turnsSeen = 0;
  const watch = setInterval(() => (turnsSeen += 1), 1);
  // Each comes in a callback of its own, as requests do.
  const jobs = Array.from(
    { length: 40 },
    (_, index) =>
      new Promise<void>((resolve) => {
        setImmediate(async () => {
          await turn();
          began.push(index);
          work(4);
          resolve();
        });
      }),
  );
  await Promise.all(jobs);
  clearInterval(watch);
  expect(began).toEqual(began.toSorted((one, other) => one - other));
  // 160 ms of work in turns of about 10 ms.
  expect(turnsSeen).toBeGreaterThan(8);
});

test('of what is done few at once the rest waits in order, and too much of it is refused', async () => {
  const few = fewAtOnce({ atOnce: 2, waiting: 2 });
  const begun: number[] = [];
  const ends: PromiseWithResolvers<void>[] = [];
  const ask = (index: number) =>
    few(async () => {
      begun.push(index);
      const end = Promise.withResolvers<void>();
      ends.push(end);
      await end.promise;
      return index;
    });
  const asked = [ask(0), ask(1), ask(2), ask(3)];
  await expect(ask(4)).rejects.toMatchObject({ code: 'OVERLOADED', retryAfterSeconds: 1 });
  expect(begun).toEqual([0, 1]);
  ends[1]?.reject(new Error('failed'));
  await expect(asked[1]).rejects.toThrow('failed');
  await expect.poll(() => begun).toEqual([0, 1, 2]);
  ends[0]?.resolve();
  await expect.poll(() => begun).toEqual([0, 1, 2, 3]);
  for (const end of ends) end.resolve();
  expect(await Promise.all([asked[0], asked[2], asked[3]])).toEqual([0, 2, 3]);
  const later = ask(5);
  await expect.poll(() => begun.at(-1)).toBe(5);
  ends.at(-1)?.resolve();
  expect(await later).toBe(5);
});
