import { setTimeout as delay } from 'node:timers/promises';
import type { JsonValue } from '@on-the-way/sdk';
import { expect, onTestFinished, test, vi } from 'vitest';
import { localConfig, login, makeJwt, memoryTokens, read, startServer } from '../../test/server.ts';
import { createClient } from '../client.ts';
import { renewDi } from './di-token.ts';
import { claimsOf } from './jwt.ts';

const tokenPath = '/di-oauth2-service/oauth/token';
const bearerOf = (authorization: unknown) => String(authorization).replace('Bearer ', '');

/** A service that takes the newest token alone; `spend` ends it. */
function rotatingService(lifetime = 36_000) {
  let count = 0;
  let valid = makeJwt('start', lifetime);
  const refreshes: string[] = [];
  const handler = ({
    path,
    headers,
    body,
  }: {
    path: string;
    headers: Record<string, unknown>;
    body: string;
  }) => {
    if (path === tokenPath) {
      count += 1;
      refreshes.push(body);
      valid = makeJwt(`new-${count}`, lifetime);
      return { json: { access_token: valid, refresh_token: `refresh-${count}`, expires_in: lifetime } };
    }
    if (bearerOf(headers['authorization']) !== valid)
      return { status: 401, json: { error: 'Token is not active' } };
    return path.startsWith('/hrv-service') ? { json: { hrvReadings: [{ hrvValue: 40 }] } } : undefined;
  };
  return { handler, refreshes, token: () => valid, spend: () => (valid = 'spent') };
}

const fileOf = (token: string) => ({
  di_token: token,
  di_refresh_token: 'refresh-0',
  di_client_id: 'INVENTED_CLIENT',
});

test('fifty requests refused at once cost one renewal, and all are answered', async () => {
  const service = rotatingService();
  const server = await startServer(service.handler);
  const tokens = memoryTokens({ garmin_tokens: fileOf(service.token()) });
  const session = await login(localConfig(server.origin), { tokens });
  service.spend();
  const all = await Promise.all(
    Array.from({ length: 50 }, async () => read(session, 'hrv', '2031-03-05', '2031-03-06')),
  );
  expect(all.every((records) => records.length === 1)).toBe(true);
  expect(service.refreshes).toHaveLength(1);
  const form = new URLSearchParams(service.refreshes[0]);
  expect(Object.fromEntries(form)).toEqual({
    grant_type: 'refresh_token',
    client_id: 'INVENTED_CLIENT',
    refresh_token: 'refresh-0',
  });
  expect(server.seen.find(({ path }) => path === tokenPath)?.headers['authorization']).toBe(
    `Basic ${Buffer.from('INVENTED_CLIENT:').toString('base64')}`,
  );
});

test('a token that ends within a quarter of an hour is renewed before the first request', async () => {
  const service = rotatingService();
  const server = await startServer(service.handler);
  const tokens = memoryTokens({ garmin_tokens: fileOf(makeJwt('ending', 800)) });
  await login(localConfig(server.origin), { tokens });
  expect(server.seen.map(({ path }) => path)).toEqual([tokenPath, '/userprofile-service/socialProfile']);
});

test('a service that gives short-lived tokens is not asked before every request', async () => {
  const service = rotatingService(600);
  const server = await startServer(service.handler);
  const session = await login(localConfig(server.origin), {
    tokens: memoryTokens({ garmin_tokens: fileOf('') }),
  });
  await read(session, 'hrv', '2031-03-05', '2031-03-08');
  expect(service.refreshes).toHaveLength(1);
});

test('a renewed token is used only after it was saved', async () => {
  const service = rotatingService();
  const server = await startServer(service.handler);
  const tokens = memoryTokens({ garmin_tokens: { ...fileOf(''), note: 'left out' } });
  const { save } = tokens;
  let isSaved = false;
  tokens.save = async (field, value) => {
    if (!server.seen.some(({ path }) => path === tokenPath) || isSaved) return save(field, value);
    await delay(20);
    expect(server.seen.map(({ path }) => path)).toEqual([tokenPath]);
    expect(value).toMatchObject({ access_token: service.token(), refresh_token: 'refresh-1' });
    expect(value).not.toHaveProperty('note');
    expect(value).not.toHaveProperty('renewal_began_at');
    isSaved = true;
    return save(field, value);
  };
  await login(localConfig(server.origin), { tokens });
  expect(isSaved).toBe(true);
});

test('that a renewal begins is durable before the request', async () => {
  const service = rotatingService();
  const tokens = memoryTokens({ garmin_tokens: fileOf('') });
  const server = await startServer((seen) => {
    if (seen.path === tokenPath)
      marks.push((tokens.stored.get('session') as Record<string, JsonValue>)['renewal_began_at']);
    return service.handler(seen);
  });
  const marks: unknown[] = [];
  await login(localConfig(server.origin), { tokens });
  expect(marks).toEqual([expect.stringMatching(/^20/)]);
});

test('a rotated token that could not be saved is saved later, not asked for again', async () => {
  const service = rotatingService();
  const server = await startServer(service.handler);
  const tokens = memoryTokens({ garmin_tokens: fileOf(service.token()) });
  const session = await login(localConfig(server.origin), { tokens });
  service.spend();
  const { save } = tokens;
  tokens.save = async (field, value) => {
    if (service.refreshes.length > 0) throw new Error('disk full');
    return save(field, value);
  };
  await expect(read(session, 'hrv', '2031-03-05', '2031-03-06')).rejects.toThrow('disk full');
  tokens.save = save;
  expect(await read(session, 'hrv', '2031-03-05', '2031-03-06')).toHaveLength(1);
  expect(service.refreshes).toHaveLength(1);
  expect(tokens.stored.get('session')).toMatchObject({ refresh_token: 'refresh-1' });
});

test('two sessions over the same tokens, as two processes have them, cost one renewal and both go on', async () => {
  const service = rotatingService();
  const server = await startServer(service.handler);
  const tokens = memoryTokens({ garmin_tokens: fileOf(service.token()) });
  const sessions = [await login(localConfig(server.origin), { tokens })];
  sessions.push(await login(localConfig(server.origin), { tokens }));
  service.spend();
  const all = await Promise.all(
    sessions.map(async (session) => read(session, 'hrv', '2031-03-05', '2031-03-06')),
  );
  expect(all.map((records) => records.length)).toEqual([1, 1]);
  expect(service.refreshes).toHaveLength(1);
});

test('a process killed after the source rotated leaves a session that says so', async () => {
  const killed = memoryTokens();
  const server = await startServer(({ path, body }) => {
    if (path !== tokenPath) return { status: 401, json: {} };
    if (killed.stored.size > 0) return { status: 400, json: { error: 'invalid_grant' } };
    expect(body).toContain('refresh-0');
    // What another process finds that starts now.
    for (const [field, value] of tokens.stored) killed.stored.set(field, value);
    return { json: { access_token: makeJwt('lost'), refresh_token: 'lost' } };
  });
  const tokens = memoryTokens({ garmin_tokens: fileOf('') });
  await login(localConfig(server.origin), { tokens }).catch(() => undefined);
  await expect(login(localConfig(server.origin), { tokens: killed })).rejects.toMatchObject({
    code: 'needs_user',
    message: expect.stringMatching(/npx otw login garmin.*cut off/),
  });
});

test('a session that ended after a renewal was cut off says so, and how to sign in', async () => {
  const server = await startServer(({ path }) =>
    path === tokenPath ? { status: 400, json: { error: 'invalid_grant' } } : { status: 401 },
  );
  const session = { kind: 'di', region: 'garmin.cn', access_token: 'old', refresh_token: 'spent' };
  const tokens = memoryTokens({ session: { ...session, renewal_began_at: '2031-01-01T00:00:00Z' } });
  await expect(login(localConfig(server.origin), { tokens })).rejects.toMatchObject({
    code: 'needs_user',
    message: expect.stringMatching(/npx otw login garmin.*cut off/),
  });
});

test('a session that is dead stays dead: nothing is asked, whatever is configured', async () => {
  const server = await startServer(({ path }) =>
    path === tokenPath ? { status: 400, json: { error: 'invalid_grant' } } : { status: 401 },
  );
  const tokens = memoryTokens({ garmin_tokens: fileOf(makeJwt('old')) });
  const config = localConfig(server.origin, {
    email: 'invented@example.org',
    password: 'canary',
    mfaCode: '1',
  });
  tokens.stored.set('session', {
    kind: 'di',
    region: 'garmin.cn',
    access_token: 'old',
    refresh_token: 'spent',
  });
  const attempt = async () => login(config, { tokens });
  await expect(attempt()).rejects.toMatchObject({ code: 'needs_user' });
  const asked = server.seen.length;
  await expect(attempt()).rejects.toMatchObject({
    code: 'needs_user',
    message: expect.stringContaining('npx otw login garmin'),
  });
  expect(server.seen).toHaveLength(asked);
  expect(server.seen.some(({ path }) => /login|signin/.test(path))).toBe(false);
  tokens.stored.set('garmin_tokens', fileOf(makeJwt('new')));
  await expect(attempt()).rejects.toMatchObject({ code: 'needs_user' });
  expect(server.seen.length).toBeGreaterThan(asked);
});

test.each([
  [400, { error: 'invalid_grant' }],
  [401, {}],
  [403, {}],
])('a renewal refused with %d needs a person, and is not tried again', async (status, json) => {
  const server = await startServer(({ path }) => (path === tokenPath ? { status, json } : { status: 401 }));
  const tokens = memoryTokens({ garmin_tokens: fileOf(makeJwt('old')) });
  await expect(login(localConfig(server.origin), { tokens })).rejects.toMatchObject({
    code: 'needs_user',
    message: expect.stringContaining('npx otw login garmin'),
  });
  expect(server.seen.filter(({ path }) => path === tokenPath)).toHaveLength(1);
});

test('a renewal that fails for a moment is transient and tried again at the next request', async () => {
  const service = rotatingService();
  let isDown = true;
  const server = await startServer((seen) =>
    seen.path === tokenPath && isDown ? { status: 503, json: {} } : service.handler(seen),
  );
  const tokens = memoryTokens({ garmin_tokens: fileOf(service.token()) });
  const session = await login(localConfig(server.origin), { tokens });
  service.spend();
  await expect(read(session, 'hrv', '2031-03-05', '2031-03-06')).rejects.toMatchObject({ code: 'transient' });
  isDown = false;
  expect(await read(session, 'hrv', '2031-03-05', '2031-03-06')).toHaveLength(1);
});

test('refused with a renewed token is auth, and nothing is asked after that', async () => {
  const server = await startServer(({ path }) => {
    if (path === tokenPath) return { json: { access_token: makeJwt('new'), refresh_token: 'r' } };
    return path.startsWith('/hrv-service') ? { status: 401, json: {} } : undefined;
  });
  const session = await login(localConfig(server.origin), {
    tokens: memoryTokens({ garmin_tokens: fileOf(makeJwt('a')) }),
  });
  for (let turn = 0; turn < 2; turn += 1) {
    await expect(read(session, 'hrv', '2031-03-05', '2031-03-06')).rejects.toMatchObject({
      code: 'auth',
      status: 401,
    });
  }
  expect(server.asked().filter((path) => path.startsWith('/hrv'))).toHaveLength(2);
  expect(server.seen.filter(({ path }) => path === tokenPath)).toHaveLength(1);
});

test.each([
  '',
  'no-jwt',
  'a.b.c',
  `e30.${Buffer.from('{"exp":"soon"}').toString('base64url')}.`,
  'e30.bnVsbA.x',
])('claims of %j that cannot be read are none', (token) => {
  expect(claimsOf(token).exp).toBeUndefined();
});

test.each([
  ['answered after 44 s is taken', 44_000, 1],
  ['not answered for 45 s is given up', 45_000, 1],
  ['answered within a longer configured time is taken', 59_000, 60],
])('a renewal %s', async (words, waitedMs, requestTimeoutSeconds) => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  onTestFinished(() => void vi.useRealTimers());
  const arrived = Promise.withResolvers<void>();
  const answer = Promise.withResolvers<void>();
  const server = await startServer(async () => {
    arrived.resolve();
    await answer.promise;
    return { json: { access_token: makeJwt('late'), refresh_token: 'refresh-1' } };
  });
  const client = createClient(localConfig(server.origin, { requestTimeoutSeconds }), () => {});
  onTestFinished(() => client.close());
  const renewal = renewDi(client, { kind: 'di', region: 'garmin.cn', refresh_token: 'refresh-0' });
  const ended = expect(renewal);
  const settled = words.includes('given up')
    ? ended.rejects.toMatchObject({ code: 'transient' })
    : ended.resolves.toMatchObject({ refresh_token: 'refresh-1' });
  await arrived.promise;
  vi.advanceTimersByTime(waitedMs);
  answer.resolve();
  await settled;
});
