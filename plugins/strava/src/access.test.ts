import type { JsonValue } from '@on-the-way/sdk';
import type { StravaSimulator } from '@on-the-way/strava-simulator';
import { expect, onTestFinished, test } from 'vitest';
import { configFor, log, memoryTokens, open, simulator } from '../test/connect.ts';
import { createClient } from './client.ts';
import { configSchema } from './config.ts';
import connector from './index.ts';
import { createRateLimits } from './rate-limits.ts';
import { createTransport } from './transport.ts';

const signal = new AbortController().signal;
const small = { history: { count: 3 } };

/** A client as login makes it. */
function clientOf(strava: StravaSimulator, tokens = memoryTokens(), config: Record<string, JsonValue> = {}) {
  const counted = { requests: 0 };
  const client = createClient({
    config: configSchema.parse(configFor(strava, config)),
    tokens,
    countRequest: () => (counted.requests += 1),
    transport: createTransport(strava.origin, 5000),
    limits: createRateLimits(),
  });
  onTestFinished(() => client.close());
  return { client, tokens, counted, read: () => client.get('/api/v3/athlete', {}, signal) };
}

const renewals = (strava: StravaSimulator): number =>
  strava.requests.filter(({ path }) => path === '/oauth/token').length;

test('50 requests at once with access that ended cost one renewal, and all are answered', async () => {
  const strava = await simulator({ ...small, limit: [500, 5000], readLimit: [500, 5000] });
  const { tokens, read, counted } = clientOf(strava);
  await read();
  strava.expireAccess();
  strava.requests.length = 0;
  counted.requests = 0;
  const answers = await Promise.all(Array.from({ length: 50 }, read));
  expect(answers.every(({ text }) => text.includes('"id":7001'))).toBe(true);
  expect(renewals(strava)).toBe(1);
  expect(counted.requests).toBe(strava.requests.length);
  expect(tokens.saved.get('session')).toMatchObject({ refresh: strava.accounts[0].refreshToken() });
});

test('two clients that share what is saved renew once, and both go on', async () => {
  const strava = await simulator(small);
  const first = clientOf(strava);
  const second = clientOf(strava, first.tokens);
  await first.read();
  await second.read();
  strava.expireAccess();
  strava.requests.length = 0;
  await Promise.all([first.read(), second.read()]);
  expect(renewals(strava)).toBe(1);
});

test('access that is about to end is renewed before it is used', async () => {
  const strava = await simulator({ ...small, accessSeconds: 30 });
  const { read } = clientOf(strava);
  await read();
  await read();
  expect(strava.requests.map(({ path }) => path)).toEqual([
    '/oauth/token',
    '/api/v3/athlete',
    '/oauth/token',
    '/api/v3/athlete',
  ]);
});

test('a rotated refresh token is saved before the access it came with is used', async () => {
  const strava = await simulator(small);
  const tokens = memoryTokens();
  const { read } = clientOf(strava, tokens);
  let savedThen: unknown;
  strava.intercept = ({ path }) => {
    if (path === '/api/v3/athlete') savedThen = tokens.saved.get('session');
  };
  await read();
  expect(savedThen).toMatchObject({ refresh: strava.accounts[0].refreshToken() });
});

test('a refresh token that was refused is not sent again, by this session or a later one', async () => {
  const strava = await simulator(small);
  const { tokens, read } = clientOf(strava, memoryTokens(), { refreshToken: 'unknown' });
  const refused = { code: 'needs_user', message: expect.stringContaining('otw login') };
  await expect(read()).rejects.toMatchObject(refused);
  await expect(read()).rejects.toMatchObject(refused);
  await expect(clientOf(strava, tokens, { refreshToken: 'unknown' }).read()).rejects.toMatchObject(refused);
  expect(renewals(strava)).toBe(1);
  await clientOf(strava, tokens).read();
  expect(renewals(strava)).toBe(2);
});

test('the configured refresh token is used once; later runs use what was saved', async () => {
  const strava = await simulator(small);
  const config = { refreshToken: strava.accounts[0].refreshToken() };
  const { tokens, read } = clientOf(strava, memoryTokens(), config);
  await read();
  strava.expireAccess();
  await clientOf(strava, tokens, config).read();
  expect(renewals(strava)).toBe(2);
});

test('without any refresh token a person is asked for', async () => {
  const strava = await simulator(small);
  const config = configSchema.parse({ ...configFor(strava), refreshToken: undefined });
  const nobody = { config, tokens: memoryTokens(), countRequest() {}, log, signal };
  await expect(connector.login(nobody)).rejects.toMatchObject({ code: 'needs_user' });
  expect(strava.requests).toEqual([]);
});

test('a client that Strava does not know is an error of the configuration', async () => {
  const strava = await simulator(small);
  const { read } = clientOf(strava, memoryTokens(), { clientSecret: 'canary-secret' });
  await expect(read()).rejects.toMatchObject({
    code: 'config',
    message: expect.not.stringContaining('canary'),
  });
  await expect(read()).rejects.toMatchObject({ code: 'config' });
});

test('access that is refused right after it was renewed is an auth error, after two requests', async () => {
  const strava = await simulator(small);
  strava.intercept = ({ path }) =>
    path === '/api/v3/athlete' ? { status: 401, body: '{"message":"no"}' } : undefined;
  await expect(clientOf(strava).read()).rejects.toMatchObject({ code: 'auth', status: 401 });
  expect(strava.requests.filter(({ path }) => path === '/api/v3/athlete')).toHaveLength(2);
});

test.each([
  ['the token endpoint is away', { status: 503, body: '' }, 'transient'],
  [
    'the token endpoint wants a pause',
    { status: 429, body: '', headers: { 'retry-after': '9' } },
    'rate_limited',
  ],
  ['the token endpoint answers a page', { status: 200, body: '<html>canary' }, 'bad_data'],
  [
    'the token endpoint answers without tokens',
    { status: 200, body: '{"access_token":"canary"}' },
    'bad_data',
  ],
])('when %s, what is saved stays', async (_, answer, code) => {
  const strava = await simulator(small);
  const { tokens, read } = clientOf(strava);
  await read();
  strava.expireAccess();
  const saved = tokens.saved.get('session');
  strava.intercept = ({ path }) => (path === '/oauth/token' ? answer : undefined);
  await expect(read()).rejects.toMatchObject({ code, message: expect.not.stringContaining('canary') });
  expect(tokens.saved.get('session')).toEqual(saved);
});

test('an abort during a renewal is heard at once, and the new tokens are saved all the same', async () => {
  const strava = await simulator(small);
  const { client, tokens } = clientOf(strava);
  const stop = new AbortController();
  strava.intercept = () => stop.abort(new Error('enough'));
  await expect(client.get('/api/v3/athlete', {}, stop.signal)).rejects.toThrow('enough');
  await client.close();
  expect(tokens.saved.get('session')).toMatchObject({ refresh: strava.accounts[0].refreshToken() });
  expect(strava.requests).toHaveLength(1);
});

test('what countRequest throws passes through as it is, and nothing is sent', async () => {
  const strava = await simulator(small);
  const spent = new Error('the budget is spent');
  const spend = (): never => {
    throw spent;
  };
  await expect(open(strava, { countRequest: spend })).rejects.toBe(spent);
  expect(strava.requests).toEqual([]);
});
