import { expect, test } from 'vitest';
import type { GarminSimulator } from './index.ts';
import { fetchFrom, shanghai, withSimulator } from './testing.ts';

const HEART = '/wellness-service/wellness/dailyHeartRate?date=2026-03-17';
const options = { now: shanghai('2026-03-20T12:00') };

/** Status and promised length once the headers are there, and the body as far as it comes. */
async function openAnswer({ origin }: GarminSimulator, signal?: AbortSignal) {
  const answer = await fetch(origin + HEART, {
    headers: { authorization: 'Bearer simulated-x' },
    ...(signal && { signal }),
  });
  return { status: answer.status, promised: Number(answer.headers.get('content-length')), answer };
}

test('a body can be cut although all of it was promised', () =>
  withSimulator(options, async (simulator) => {
    const whole = (await fetchFrom(simulator, HEART)).text;
    simulator.answer(HEART, { truncate: 100 });
    const { status, promised, answer } = await openAnswer(simulator);
    expect([status, promised]).toEqual([200, Buffer.byteLength(whole)]);
    const reader = answer.body?.getReader();
    const first = await reader?.read();
    expect(Buffer.from(first?.value ?? []).toString()).toBe(whole.slice(0, 100));
    await expect(reader?.read()).rejects.toThrow('terminated');
  }));

test('a connection can be reset before the headers or after them', () =>
  withSimulator(options, async (simulator) => {
    const undo = simulator.answer(HEART, { drop: 'before-headers' });
    await expect(openAnswer(simulator)).rejects.toThrow('fetch failed');
    undo();
    simulator.answer(HEART, { drop: 'after-headers' });
    const { status, answer } = await openAnswer(simulator);
    expect(status).toBe(200);
    await expect(answer.text()).rejects.toThrow('terminated');
    expect(simulator.requests.map((request) => request.status)).toEqual([0, 200]);
  }));

test('a slow body arrives whole', () =>
  withSimulator(options, async (simulator) => {
    const whole = (await fetchFrom(simulator, HEART)).text;
    simulator.answer(HEART, { slowMs: 1 });
    expect((await fetchFrom(simulator, HEART)).text).toBe(whole);
  }));

test('a slow body ends when the client goes away, and when the simulator closes', () =>
  withSimulator(options, async (simulator) => {
    simulator.answer(HEART, { slowMs: 600_000 });
    const leaving = new AbortController();
    const left = await openAnswer(simulator, leaving.signal);
    leaving.abort();
    await expect(left.answer.text()).rejects.toThrow('aborted');
    const { answer } = await openAnswer(simulator);
    const cut = expect(answer.text()).rejects.toThrow('terminated');
    await simulator.close();
    await cut;
  }));
