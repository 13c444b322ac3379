import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Intercept, StravaSimulator } from '@on-the-way/strava-simulator';
import { expect, test } from 'vitest';
import { fetchActivities, log, memoryTokens, open, simulator } from '../test/connect.ts';
import connector from './index.ts';

const small = { history: { count: 3 } };
type Instead = NonNullable<ReturnType<Intercept>>;

/** The three ways to read, each with the first error it met. */
async function errorsOf(strava: StravaSimulator, instead: Instead): Promise<unknown[]> {
  const session = await open(strava, { config: { requestTimeoutSeconds: 1 } });
  strava.intercept = ({ path }) => (path.startsWith('/api/') ? instead : undefined);
  const window = { from: '2026-03-18', to: '2026-03-19' };
  const { signal } = new AbortController();
  const errors: unknown[] = [(await fetchActivities(session)).error];
  for (const dataset of ['athlete', 'athlete_stats']) {
    const reading = Array.fromAsync(connector.fetch({ dataset, session, window, signal, log }));
    errors.push(
      await reading.then(
        () => undefined,
        (error: unknown) => error,
      ),
    );
  }
  return errors;
}

const inactive =
  '{"message":"Forbidden","errors":[{"resource":"Application","field":"Status","code":"Inactive"}]}';
const faults: readonly (readonly [string, Instead, string])[] = [
  ['HTTP 400', { status: 400, body: '{"canary":1}' }, 'source'],
  ['HTTP 401', { status: 401, body: '{"canary":1}' }, 'auth'],
  ['HTTP 403', { status: 403, body: '{"canary":1}' }, 'source'],
  ['an application that was made inactive', { status: 403, body: inactive }, 'needs_user'],
  ['HTTP 404', { status: 404, body: 'canary' }, 'source'],
  ['HTTP 409', { status: 409, body: 'canary' }, 'source'],
  ['HTTP 422', { status: 422, body: 'canary' }, 'source'],
  ['a redirect', { status: 302, headers: { location: 'http://127.0.0.1:9/canary' } }, 'source'],
  ['HTTP 408', { status: 408, body: '' }, 'transient'],
  ['HTTP 500', { status: 500, body: 'canary' }, 'transient'],
  ['HTTP 502', { status: 502, body: '<html>canary' }, 'transient'],
  ['HTTP 503', { status: 503, body: '' }, 'transient'],
  ['HTTP 429', { status: 429, body: '', headers: { 'retry-after': '7' } }, 'rate_limited'],
  ['no answer in time', { how: 'hang' }, 'transient'],
  ['a reset', { how: 'reset' }, 'transient'],
  ['a body that is cut off', { how: 'cut', body: '[{"id"' }, 'transient'],
  ['a page', { body: '<html>canary</html>', headers: { 'content-type': 'text/html' } }, 'bad_data'],
  ['an empty body', { body: '' }, 'bad_data'],
];

test.each(faults)('%s is told by its code, without what was answered', async (_, instead, code) => {
  const strava = await simulator(small);
  for (const error of await errorsOf(strava, instead)) {
    expect(error).toMatchObject({
      name: 'ConnectorError',
      code,
      message: expect.not.stringContaining('canary'),
    });
  }
});

test('a permission that was not given is told, with what to do, and costs no renewal', async () => {
  const strava = await simulator({ ...small, scope: 'read' });
  const session = await open(strava);
  strava.requests.length = 0;
  expect((await fetchActivities(session)).error).toMatchObject({
    code: 'needs_user',
    message: expect.stringMatching(/permission activity:read .*otw login/),
  });
  expect(strava.requests).toHaveLength(1);
});

test('nobody who answers is transient', async () => {
  const strava = await simulator(small);
  const session = await open(strava);
  await strava.close();
  expect((await fetchActivities(session)).error).toMatchObject({ code: 'transient' });
});

test('an abort is heard at once and passed on as it is', async () => {
  const strava = await simulator(small);
  const session = await open(strava, { config: { requestTimeoutSeconds: 60 } });
  const stop = new AbortController();
  const reason = new Error('enough');
  strava.intercept = () => {
    stop.abort(reason);
    return { how: 'hang' };
  };
  const asked = performance.now();
  expect((await fetchActivities(session, undefined, stop.signal)).error).toBe(reason);
  expect((await fetchActivities(session, undefined, stop.signal)).error).toBe(reason);
  expect(performance.now() - asked).toBeLessThan(1000);
});

test('after logout no connection is open, also when login failed', async () => {
  const open = new Set<unknown>();
  let status = 200;
  const tokens = { access_token: 'a', refresh_token: 'r', expires_in: 21_600 };
  const server = createServer((request, response) => {
    const isToken = request.url === '/oauth/token';
    response.writeHead(isToken ? 200 : status, { 'content-type': 'application/json' });
    response.end(JSON.stringify(isToken ? tokens : { id: 7 }));
  });
  server.on('connection', (socket) => {
    open.add(socket);
    socket.on('close', () => open.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    const apiOrigin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const config = connector.config.parse({ clientId: 1, clientSecret: 's', refreshToken: 'r', apiOrigin });
    const { signal } = new AbortController();
    const login = () => connector.login({ config, tokens: memoryTokens(), countRequest() {}, log, signal });
    const session = await login();
    expect(open.size).toBe(1);
    await connector.logout?.({ session });
    await expect.poll(() => open.size).toBe(0);
    status = 500;
    await expect(login()).rejects.toMatchObject({ code: 'transient' });
    await expect.poll(() => open.size).toBe(0);
  } finally {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
});

test.each([
  [{ clientSecret: 's' }, 'clientId'],
  [{ clientId: 'abc', clientSecret: 's' }, 'clientId'],
  [{ clientId: 1 }, 'clientSecret'],
  [{ clientId: 1, clientSecret: 's', perPage: 201 }, 'perPage'],
  [{ clientId: 1, clientSecret: 's', lookBackDays: 0 }, 'lookBackDays'],
  [{ clientId: 1, clientSecret: 's', apiOrigin: 'https://www.example.com' }, 'apiOrigin'],
  [{ clientId: 1, clientSecret: 's', perpage: 1 }, 'perpage'],
])('the configuration %j is refused by the name of its key', (config, key) => {
  expect(connector.config.safeParse(config).error?.message).toContain(key);
});
