import { expect, test } from 'vitest';
import { localConfig, login, read, startServer, type Reply } from '../test/server.ts';
import { parseRetryAfter } from './map-error.ts';

const canary = 'body-canary';
const page = `<html><title>Just a moment...</title>${canary}</html>`;
const inAMinute = new Date(Date.now() + 60_000).toUTCString();

const table: [string, string, Reply, Record<string, unknown>][] = [
  [
    '429 without a time',
    'sleep',
    { status: 429, json: {} },
    { code: 'rate_limited', status: 429, retryAfterMs: 1_800_000 },
  ],
  [
    '429 with seconds',
    'sleep',
    { status: 429, headers: { 'retry-after': '14' } },
    { code: 'rate_limited', retryAfterMs: 14_000 },
  ],
  [
    '429 with a date',
    'sleep',
    { status: 429, headers: { 'retry-after': inAMinute } },
    { code: 'rate_limited' },
  ],
  ['403 JSON', 'sleep', { status: 403, json: { canary } }, { code: 'source', status: 403 }],
  ['403 bot check', 'sleep', { status: 403, text: page }, { code: 'rate_limited', retryAfterMs: 1_800_000 }],
  [
    '503 bot check',
    'sleep',
    { status: 503, text: '<html>', headers: { 'cf-ray': 'x' } },
    { code: 'rate_limited' },
  ],
  ['503', 'sleep', { status: 503, text: '<html>busy</html>' }, { code: 'transient', status: 503 }],
  ['500', 'sleep', { status: 500, json: { canary } }, { code: 'transient', status: 500 }],
  ['408', 'sleep', { status: 408, json: {} }, { code: 'transient', status: 408 }],
  ['400', 'sleep', { status: 400, json: { message: canary } }, { code: 'source', status: 400 }],
  [
    '400 MCT',
    'menstrual',
    { status: 400, json: { message: 'MCT settings were not found' } },
    { code: 'not_supported' },
  ],
  ['400 of another kind', 'menstrual', { status: 400, json: { message: 'Exceeded' } }, { code: 'source' }],
  [
    '500 NPE',
    'menstrual',
    { status: 500, json: { error: 'NullPointerException' } },
    { code: 'not_supported' },
  ],
  [
    '500 NPE',
    'pregnancy',
    { status: 500, text: 'java.lang.NullPointerException' },
    { code: 'not_supported' },
  ],
  ['500 NPE', 'sleep', { status: 500, text: 'java.lang.NullPointerException' }, { code: 'transient' }],
  ['404', 'devices', { status: 404, json: {} }, { code: 'not_supported', status: 404 }],
  ['404 of every part', 'challenges', { status: 404, json: {} }, { code: 'not_supported', status: 404 }],
  ['200 HTML', 'sleep', { text: `<html>${canary}</html>` }, { code: 'bad_data' }],
  ['200 that is no JSON', 'sleep', { text: canary }, { code: 'bad_data' }],
  ['200 with half a JSON', 'sleep', { text: `{"a":"${canary}` }, { code: 'transient' }],
  ['200 cut off on the wire', 'sleep', { json: { canary }, how: 'cut' }, { code: 'transient' }],
  [
    'a body that is not what its encoding says',
    'sleep',
    { text: canary, headers: { 'content-encoding': 'gzip' } },
    { code: 'bad_data' },
  ],
  [
    '429 cut off on the wire',
    'sleep',
    { status: 429, json: { canary }, how: 'cut' },
    { code: 'rate_limited' },
  ],
  ['a reset', 'sleep', { how: 'reset' }, { code: 'transient' }],
  ['302', 'sleep', { status: 302, headers: { location: '/elsewhere' } }, { code: 'bad_data', status: 302 }],
  [
    'hidden values',
    'user_summary',
    { json: { privacyProtected: true, totalSteps: null } },
    { code: 'source' },
  ],
];

test.each(table)('%s of %s', async (_, dataset, reply, expected) => {
  const server = await startServer(({ path }) => (path.startsWith('/userprofile') ? undefined : reply));
  const session = await login(localConfig(server.origin));
  const error: unknown = await read(session, dataset, '2031-03-05', '2031-03-06').catch((e: unknown) => e);
  expect(error).toMatchObject({ name: 'ConnectorError', ...expected });
  expect(String(error)).toMatch(/-service\//);
  expect(`${String(error)} ${String((error as Error).cause)}`).not.toContain(canary);
});

test.each(['user_summary', 'sleep', 'hrv', 'weight', 'activities', 'lactate_threshold'])(
  '404 of %s is no data for those days',
  async (dataset) => {
    const server = await startServer();
    const session = await login(localConfig(server.origin));
    expect(await read(session, dataset, '2031-03-05', '2031-03-06')).toEqual([]);
  },
);

test('a part of the challenges that is not there does not take the others along', async () => {
  const server = await startServer(({ path }) =>
    path.endsWith('/available') ? { json: [{ uuid: 'a' }] } : undefined,
  );
  const session = await login(localConfig(server.origin));
  const [record] = await read(session, 'challenges', '2031-03-05', '2031-03-06');
  expect(record?.data).toMatchObject({ available: [{ uuid: 'a' }], completed: [] });
});

test.each([204, 200])('%d without a body is no data', async (status) => {
  const server = await startServer(({ path }) => (path.startsWith('/userprofile') ? undefined : { status }));
  const session = await login(localConfig(server.origin));
  expect(await read(session, 'hrv', '2031-03-05', '2031-03-06')).toEqual([]);
});

test('no answer in time is transient', async () => {
  const server = await startServer(({ path }) =>
    path.startsWith('/userprofile') ? undefined : { how: 'hang' },
  );
  const session = await login(localConfig(server.origin, { requestTimeoutSeconds: 1 }));
  await expect(read(session, 'hrv', '2031-03-05', '2031-03-06')).rejects.toMatchObject({
    code: 'transient',
    message: expect.stringContaining('1000 ms'),
  });
});

test('a host that is not there is transient', async () => {
  const server = await startServer();
  const session = await login(localConfig(server.origin));
  const config = localConfig('http://127.0.0.1:1');
  await expect(login(config)).rejects.toMatchObject({
    code: 'transient',
    message: expect.stringContaining('ECONNREFUSED'),
  });
  expect(session.metrics).toHaveLength(32);
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
