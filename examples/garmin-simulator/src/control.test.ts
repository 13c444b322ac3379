import { expect, test } from 'vitest';
import { fetchFrom, shanghai, withSimulator } from './testing.ts';

const HEART = '/wellness-service/wellness/dailyHeartRate?date=2026-03-17';
const NOW = shanghai('2026-03-20T12:00');

test('a script answers so many times, then the normal answer returns', () =>
  withSimulator({ now: NOW }, async (simulator) => {
    simulator.answer('/wellness-service/', { status: 429, headers: { 'retry-after': '7' }, times: 1 });
    const limited = await fetchFrom(simulator, HEART);
    expect([limited.status, limited.headers.get('retry-after')]).toEqual([429, '7']);
    expect((await fetchFrom(simulator, HEART)).status).toBe(200);
    expect(simulator.requests.map(({ status }) => status)).toEqual([429, 200]);
    simulator.forgetRequests();
    expect(simulator.requests).toEqual([]);
  }));

test('the newest script wins and can be undone; a string is sent as it is', () =>
  withSimulator({ now: NOW }, async (simulator) => {
    simulator.answer(/dailyHeartRate\?date=2026/g, { body: { older: true } });
    const undo = simulator.answer(/dailyHeartRate/, {
      status: 503,
      headers: { 'content-type': 'text/html' },
      body: '<html>Just a moment</html>',
    });
    const blocked = await fetchFrom(simulator, HEART);
    expect([blocked.status, blocked.text]).toEqual([503, '<html>Just a moment</html>']);
    undo();
    expect((await fetchFrom(simulator, HEART)).body).toEqual({ older: true });
    expect((await fetchFrom(simulator, HEART)).body).toEqual({ older: true });
  }));

test('a connection can be reset, and a slow answer does not keep the simulator from closing', () =>
  withSimulator({ now: NOW }, async (simulator) => {
    const undo = simulator.answer(HEART, { drop: true });
    await expect(fetchFrom(simulator, HEART)).rejects.toThrow('fetch failed');
    undo();
    simulator.answer(HEART, { delayMs: 600_000 });
    const waiting = expect(fetchFrom(simulator, HEART)).rejects.toThrow('fetch failed');
    while (simulator.requests.length < 2) await new Promise(setImmediate);
    await simulator.close();
    await waiting;
  }));

test('an edit changes one value of one day, and can fill an empty answer', () =>
  withSimulator({ now: NOW }, async (simulator) => {
    const before = await fetchFrom(simulator, HEART);
    const undo = simulator.edit(HEART, (body) => {
      body.restingHeartRate = 41;
    });
    const edited = await fetchFrom(simulator, HEART);
    expect(edited.body).toEqual({ ...before.body, restingHeartRate: 41 });
    expect((await fetchFrom(simulator, HEART.replace('17', '16'))).body.restingHeartRate).not.toBe(41);
    undo();
    expect((await fetchFrom(simulator, HEART)).text).toBe(before.text);
    const pregnancy = '/periodichealth-service/menstrualcycle/pregnancysnapshot';
    simulator.edit(pregnancy, () => ({ simulated: true }));
    expect(await fetchFrom(simulator, pregnancy)).toMatchObject({ status: 200, body: { simulated: true } });
  }));
