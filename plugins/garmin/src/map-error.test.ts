import { afterEach, expect, test, vi } from 'vitest';
import { startServer, type Reply } from '../test/server.ts';
import { openSession, readFrom } from '../test/session.ts';
import { answerRules } from './answer-rules.ts';
import { parseRetryAfter } from './map-error.ts';

const canary = 'body-canary';
const page = `<html><title>Just a moment...</title>${canary}</html>`;
const inAMinute = new Date(Date.now() + 60_000).toUTCString();
const day = { from: '2031-03-05', to: '2031-03-06' };

afterEach(() => vi.useRealTimers());

/** The clock on an evening after {@link day}. */
const setClock = (today: string) =>
  vi.useFakeTimers({ toFake: ['Date'], now: Date.parse(`${today}T12:00:00Z`) });

interface Row {
  /** Of the table in docs/garmin.md. */
  readonly row: string;
  readonly of?: string;
  readonly reply: Reply;
  readonly gives: Record<string, unknown>;
}

const half = 1_800_000;

/** Answers without data, and the error each becomes. */
const rows: Row[] = [
  {
    row: '429',
    reply: { status: 429, json: { canary } },
    gives: { code: 'rate_limited', status: 429, retryAfterMs: undefined },
  },
  {
    row: '429',
    reply: { status: 429, headers: { 'retry-after': '14' } },
    gives: { code: 'rate_limited', retryAfterMs: 14_000 },
  },
  {
    row: '429',
    reply: { status: 429, headers: { 'retry-after': '999999' } },
    gives: { retryAfterMs: 86_400_000 },
  },
  {
    row: '429',
    reply: { status: 429, headers: { 'retry-after': inAMinute } },
    gives: { code: 'rate_limited', retryAfterMs: expect.any(Number) },
  },
  { row: '429', reply: { status: 429, json: { canary }, how: 'cut' }, gives: { code: 'rate_limited' } },
  {
    row: '429',
    of: 'devices',
    reply: { json: { error: { 'status-code': '429' } } },
    gives: { code: 'rate_limited', status: 429 },
  },
  {
    row: '403',
    reply: { status: 403, json: { canary } },
    gives: {
      code: 'not_supported',
      status: 403,
      message: expect.stringContaining('forbidden for this account'),
    },
  },
  { row: '403', of: 'devices', reply: { status: 403 }, gives: { code: 'not_supported', status: 403 } },
  {
    row: 'a bot check instead of an answer',
    reply: { status: 403, text: page },
    gives: { code: 'rate_limited', retryAfterMs: half },
  },
  {
    row: 'a bot check instead of an answer',
    reply: { status: 503, text: '<html>', headers: { 'cf-ray': 'x' } },
    gives: { code: 'rate_limited', retryAfterMs: half },
  },
  {
    row: 'a bot check instead of an answer',
    reply: { text: page },
    gives: { code: 'rate_limited', retryAfterMs: half },
  },
  {
    row: '403 with a page',
    reply: { status: 403, text: `<html>${canary}</html>` },
    gives: { code: 'rate_limited', retryAfterMs: half },
  },
  {
    row: '5xx',
    reply: { status: 503, text: '<html>busy</html>' },
    gives: { code: 'transient', status: 503 },
  },
  { row: '5xx', reply: { status: 500, json: { canary } }, gives: { code: 'transient', status: 500 } },
  { row: '5xx', reply: { status: 502 }, gives: { code: 'transient', status: 502 } },
  { row: '5xx', reply: { status: 504 }, gives: { code: 'transient', status: 504 } },
  {
    row: '5xx',
    reply: { status: 500, text: 'java.lang.NullPointerException' },
    gives: { code: 'transient' },
  },
  { row: '408', reply: { status: 408, json: {} }, gives: { code: 'transient', status: 408 } },
  { row: '400', reply: { status: 400, json: { message: canary } }, gives: { code: 'source', status: 400 } },
  {
    row: '400',
    of: 'menstrual',
    reply: { status: 400, json: { message: 'Exceeded max date difference (92 days)' } },
    gives: { code: 'source', status: 400 },
  },
  {
    row: '400',
    of: 'challenges',
    reply: { status: 400, json: { message: 'start should > 0.' } },
    gives: { code: 'source', status: 400 },
  },
  {
    row: '400 of cycle tracking that is not set up',
    of: 'menstrual',
    reply: { status: 400, json: { message: 'MCT settings were not found' } },
    gives: { code: 'not_supported', message: expect.stringContaining('not enabled') },
  },
  {
    row: '500 of cycle tracking that is not set up',
    of: 'menstrual',
    reply: { status: 500, json: { error: 'NullPointerException' } },
    gives: { code: 'not_supported' },
  },
  {
    row: '500 of cycle tracking that is not set up',
    of: 'pregnancy',
    reply: { status: 500, text: 'java.lang.NullPointerException' },
    gives: { code: 'not_supported' },
  },
  {
    row: '404',
    of: 'sleep',
    reply: { status: 404, json: {} },
    gives: { code: 'not_supported', status: 404 },
  },
  {
    row: '404',
    of: 'weight',
    reply: { status: 404, json: {} },
    gives: { code: 'not_supported', status: 404 },
  },
  {
    row: '404',
    of: 'lactate_threshold',
    reply: { status: 404, json: {} },
    gives: { code: 'not_supported', status: 404 },
  },
  {
    row: '404',
    of: 'devices',
    reply: { status: 404, json: {} },
    gives: { code: 'not_supported', status: 404 },
  },
  {
    row: '404',
    of: 'challenges',
    reply: { status: 404, json: {} },
    gives: { code: 'not_supported', status: 404 },
  },
  {
    row: '405 or 406',
    reply: { status: 405 },
    gives: { code: 'bad_data', message: expect.stringContaining('bug') },
  },
  { row: '405 or 406', reply: { status: 406 }, gives: { code: 'bad_data', status: 406 } },
  {
    row: '412',
    reply: { status: 412, json: { message: canary } },
    gives: { code: 'not_supported', message: expect.stringContaining('connect.garmin') },
  },
  {
    row: 'a redirect',
    reply: { status: 302, headers: { location: '/elsewhere' } },
    gives: { code: 'bad_data', status: 302 },
  },
  {
    row: '401',
    reply: { status: 401, json: { error: 'invalid_token' } },
    gives: { code: 'auth', status: 401 },
  },
  {
    row: '401',
    reply: { json: { errors: [{ message: 'x', extensions: { status: 401 } }] } },
    gives: { code: 'auth', status: 401 },
  },
  { row: 'anything else', reply: { status: 409 }, gives: { code: 'source', status: 409 } },
  { row: 'anything else', reply: { status: 418 }, gives: { code: 'source', status: 418 } },
  {
    row: '200 with a page',
    reply: { text: `<html>${canary}</html>` },
    gives: { code: 'bad_data', status: 200 },
  },
  { row: '200 that is no JSON', reply: { text: canary }, gives: { code: 'bad_data' } },
  { row: '200 cut off', reply: { text: `{"a":"${canary}` }, gives: { code: 'transient' } },
  { row: '200 cut off', reply: { json: { canary }, how: 'cut' }, gives: { code: 'transient' } },
  {
    row: '200 that is no JSON',
    reply: { text: canary, headers: { 'content-encoding': 'gzip' } },
    gives: { code: 'bad_data' },
  },
  { row: 'no answer', reply: { how: 'reset' }, gives: { code: 'transient' } },
  {
    row: 'hidden values',
    of: 'user_summary',
    reply: { json: { privacyProtected: true, totalSteps: null } },
    gives: { code: 'auth' },
  },
];

test.each(rows.map((row) => ({ of: 'sleep', ...row })))(
  '$row of $of: $gives.code',
  async ({ of, reply, gives }) => {
    setClock('2031-03-06');
    const server = await startServer(({ path }) => (path.startsWith('/userprofile') ? undefined : reply));
    const error: unknown = await readFrom(openSession(server.origin), of, day).catch((e: unknown) => e);
    expect(error).toMatchObject({ name: 'ConnectorError', ...gives });
    expect(String(error)).toMatch(/-service\//);
    expect(`${String(error)} ${String((error as Error).cause)}`).not.toContain(canary);
  },
);

test('every rule of the table is tried', () => {
  const others = ['400, 403, 404 or 412 while signing in', '403 of the own profile'];
  const tried = new Set([...others, ...rows.map(({ row }) => row)]);
  expect(answerRules.filter(({ name }) => !tried.has(name))).toEqual([]);
});

test.each([
  ['2031-04-04', 'not_supported'],
  ['2031-04-10', []],
])(
  '404 of a day is a lasting absence while the day is recent, and no data later: %s',
  async (today, expected) => {
    setClock(today);
    const server = await startServer();
    const session = openSession(server.origin);
    for (const dataset of ['user_summary', 'sleep', 'hrv', 'training_readiness']) {
      const result = await readFrom(session, dataset, day).catch((error: { code: string }) => error.code);
      expect([dataset, result]).toEqual([dataset, expected]);
    }
  },
);

test('a part of the challenges that is not there does not take the others along', async () => {
  const server = await startServer(({ path }) =>
    path.endsWith('/available') ? { json: [{ uuid: 'a' }] } : undefined,
  );
  const [record] = await readFrom(openSession(server.origin), 'challenges', day);
  expect(record?.data).toMatchObject({ available: [{ uuid: 'a' }], completed: [] });
});

test.each([
  ['hrv', { status: 204 }],
  ['hrv', { status: 200 }],
  ['hrv', { json: null }],
  ['user_summary', { json: {} }],
  ['training_readiness', { json: [] }],
  ['weight', { json: { dailyWeightSummaries: [], totalAverage: { weight: null } } }],
  ['sleep', { json: { dailySleepDTO: { id: null }, sleepLevels: [] } }],
])('%s without content (%j) is no data', async (dataset, reply: Reply) => {
  const server = await startServer(() => reply);
  expect(await readFrom(openSession(server.origin), dataset, day)).toEqual([]);
});

test('no answer in time is transient', async () => {
  const server = await startServer(() => ({ how: 'hang' }));
  const session = openSession(server.origin, { requestTimeoutSeconds: 1 });
  await expect(readFrom(session, 'hrv', day)).rejects.toMatchObject({
    code: 'transient',
    message: expect.stringContaining('1000 ms'),
  });
});

test('a host that is not there is transient', async () => {
  await expect(readFrom(openSession('http://127.0.0.1:1'), 'hrv', day)).rejects.toMatchObject({
    code: 'transient',
    message: expect.stringContaining('ECONNREFUSED'),
  });
});

test.each([
  ['14', 14_000],
  ['0', 0],
  ['-5', 0],
  ['Thu, 01 Jan 1970 00:01:00 GMT', 60_000],
  ['99999999', 86_400_000],
  ['soon', undefined],
  ['', undefined],
  [undefined, undefined],
])('Retry-After %j is %j', (header, ms) => {
  expect(parseRetryAfter(header, 0)).toBe(ms);
});
