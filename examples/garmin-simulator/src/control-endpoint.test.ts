import { expect, test } from 'vitest';
import type { GarminSimulator } from './index.ts';
import { PASSWORD, fetchFrom, postTo, shanghai, withSimulator } from './testing.ts';

const HEART = '/wellness-service/wellness/dailyHeartRate?date=2026-03-17';
const options = { now: shanghai('2026-03-20T12:00') };

const script = (simulator: GarminSimulator, body: Record<string, unknown>) =>
  postTo(simulator, '/_simulator/answer', body);

const remove = async ({ origin }: GarminSimulator, path: string): Promise<number> =>
  (await fetch(`${origin}/_simulator/${path}`, { method: 'DELETE' })).status;

test('another process scripts answers, reads what was asked and ends the scripts', () =>
  withSimulator(options, async (simulator) => {
    expect(
      (await script(simulator, { match: '/wellness-service/', fault: 'rate-limited', times: 1 })).status,
    ).toBe(204);
    expect((await fetchFrom(simulator, HEART)).status).toBe(429);
    expect((await fetchFrom(simulator, HEART)).status).toBe(200);
    await script(simulator, { match: { regex: 'date=2026-03-1[0-9]$' }, status: 503, body: 'down' });
    expect(await fetchFrom(simulator, HEART)).toMatchObject({ status: 503, text: 'down' });
    expect(await remove(simulator, 'answers')).toBe(204);
    expect((await fetchFrom(simulator, HEART)).status).toBe(200);
    const listed = await fetchFrom(simulator, '/_simulator/requests');
    expect(listed.body.map(({ status }: { status: number }) => status)).toEqual([429, 200, 503, 200]);
    expect(await remove(simulator, 'requests')).toBe(204);
    expect(simulator.requests).toEqual([]);
  }));

test('another process ends tokens, changes the password and makes the watch sync', () =>
  withSimulator({ ...options, syncs: { hours: [7.5] } }, async (simulator) => {
    const command = async (name: string, body = {}) =>
      (await postTo(simulator, `/_simulator/${name}`, body)).status;
    const lastUsed = async () =>
      (await fetchFrom(simulator, '/device-service/deviceservice/mylastused')).body;
    expect((await lastUsed()).lastUsedDeviceUploadTime).toBe(shanghai('2026-03-20T07:30')());
    expect(await command('sync')).toBe(204);
    expect((await lastUsed()).lastUsedDeviceUploadTime).toBe(options.now());
    expect(await command('expire-access')).toBe(204);
    expect((await fetchFrom(simulator, HEART)).status).toBe(401);
    expect(await command('revoke')).toBe(204);
    expect(await command('password', { password: 'another' })).toBe(204);
    expect((await postTo(simulator, '/mobile/api/login', PASSWORD)).status).toBe(401);
  }));

test.each<[unknown, string]>([
  ['no json', 'Expected a JSON object'],
  [[], 'Expected a JSON object'],
  [{ status: 429 }, 'Expected match to be a string or { "regex": string }'],
  [{ match: 7 }, 'Expected match to be a string or { "regex": string }, got 7'],
  [{ match: { regex: '(' } }, 'Expected match.regex to be a regular expression, got "("'],
  [{ match: '/', fault: 'earthquake' }, 'Expected fault to be one of captcha, '],
  [{ match: '/', status: 42 }, 'Expected status to be a number from 200 to 599, got 42'],
  [{ match: '/', times: -1 }, 'Expected times to be a whole number, got -1'],
  [{ match: '/', drop: 'later' }, 'Expected drop to be true, "before-headers" or "after-headers"'],
  [{ match: '/', headers: { 'retry-after': 7 } }, 'Expected headers to be an object of strings'],
  [{ match: '/', constructor: 1 }, 'Unknown member constructor; known are match, fault, '],
  [{ match: '/', stauts: 429 }, 'Unknown member stauts; known are match, fault, '],
])('a script that cannot be used is refused with the reason: %j', (body, message) =>
  withSimulator(options, async (simulator) => {
    const answer = await fetch(`${simulator.origin}/_simulator/answer`, {
      method: 'POST',
      body: typeof body === 'string' ? body : JSON.stringify(body),
    });
    expect(answer.status).toBe(400);
    expect(((await answer.json()) as { message: string }).message).toContain(message);
    expect((await fetchFrom(simulator, HEART)).status).toBe(200);
  }),
);

test('an unknown command names the known ones, and a password must be one', () =>
  withSimulator(options, async (simulator) => {
    const unknown = await fetchFrom(simulator, '/_simulator/answers');
    expect(unknown.status).toBe(404);
    expect(unknown.body.message).toContain('DELETE /_simulator/answers');
    const password = await postTo(simulator, '/_simulator/password', { password: '' });
    expect([password.status, password.body.message]).toEqual([
      400,
      'Expected { "password": string }, the new password',
    ]);
  }));
