import { expect, test } from 'vitest';
import type { FaultName } from './index.ts';
import { PASSWORD, fetchFrom, postTo, shanghai, withSimulator } from './testing.ts';

const HEART = '/wellness-service/wellness/dailyHeartRate?date=2026-03-17';
const options = { now: shanghai('2026-03-20T12:00') };

test.each<[FaultName, number, string]>([
  ['captcha', 200, '"type":"CAPTCHA_REQUIRED"'],
  ['account-locked', 401, '"type":"ACCOUNT_LOCKED"'],
  ['rate-limited', 429, 'Too Many Requests'],
  ['rate-limited-hidden', 200, '"error":{"status-code":"429"'],
  ['bot-check', 403, 'Just a moment'],
  ['consent-missing', 412, 'consent is not yet granted'],
  ['account-locked-page', 200, 'ACCOUNT_LOCKED'],
  ['captcha-page', 200, 'captcha</title>'],
])('signing in can meet %s', (fault, status, words) =>
  withSimulator(options, async (simulator) => {
    simulator.answer('/mobile/api/login', { fault, times: 1 });
    const first = await postTo(simulator, '/mobile/api/login', PASSWORD);
    expect([first.status, first.text.includes(words)]).toEqual([status, true]);
    expect((await postTo(simulator, '/mobile/api/login', PASSWORD)).body.responseStatus.type).toBe(
      'SUCCESSFUL',
    );
  }),
);

test.each<[FaultName, number, string]>([
  ['token-inactive', 401, 'Token is not active'],
  ['forbidden', 403, 'ForbiddenException'],
  ['not-found', 404, 'NotFoundException'],
  ['null-pointer', 500, 'NullPointerException'],
  ['server-error', 500, 'InternalServerError'],
  ['bad-gateway', 502, '<title>502 Bad Gateway'],
  ['unavailable', 503, '<title>503'],
  ['gateway-timeout', 504, '<title>504'],
  ['html-page', 200, '<!DOCTYPE html>'],
  ['gateway-member', 200, '"statusCode":503'],
  ['gateway-member-rate-limited', 200, '"statusCode":429'],
  ['graphql-errors', 200, '"errors":['],
])('data can meet %s', (fault, status, words) =>
  withSimulator(options, async (simulator) => {
    simulator.answer('/wellness-service/', { fault });
    const answer = await fetchFrom(simulator, HEART);
    expect([answer.status, answer.text.includes(words)]).toEqual([status, true]);
  }),
);

test('a fault takes headers, and another status', () =>
  withSimulator(options, async (simulator) => {
    const date = 'Tue, 17 Mar 2026 12:00:00 GMT';
    simulator.answer(HEART, { fault: 'bot-check', status: 503, headers: { 'retry-after': date } });
    const { status, headers } = await fetchFrom(simulator, HEART);
    expect([status, headers.get('retry-after'), headers.get('cf-ray')]).toEqual([503, date, 'simulated-ray']);
  }));

test('a script lets requests pass first, and keeps to its method', () =>
  withSimulator(options, async (simulator) => {
    simulator.answer(HEART, { fault: 'server-error', after: 2, times: 1 });
    const statuses: number[] = [];
    for (let count = 0; count < 4; count += 1) statuses.push((await fetchFrom(simulator, HEART)).status);
    expect(statuses).toEqual([200, 200, 500, 200]);
    simulator.answer('/sso/signin', { fault: 'unavailable', method: 'POST' });
    expect((await fetchFrom(simulator, '/sso/signin')).status).toBe(200);
    expect((await postTo(simulator, '/sso/signin', new URLSearchParams())).status).toBe(503);
    simulator.forgetAnswers();
    expect((await postTo(simulator, '/sso/signin', new URLSearchParams())).status).toBe(200);
  }));
