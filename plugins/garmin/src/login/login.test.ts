import { ConnectorError } from '@on-the-way/sdk';
import { expect, test } from 'vitest';
import {
  goodTokens,
  inSeconds,
  localConfig,
  login,
  makeJwt,
  memoryTokens,
  profile,
  startServer,
  type Handler,
} from '../../test/server.ts';
import { credentials, form, oauth1, paths, signInService, success } from '../../test/sign-in.ts';
import connector from '../index.ts';

test('saved DI tokens come first, and nothing but the profile is asked', async () => {
  const server = await startServer();
  const tokens = goodTokens();
  tokens.stored.set('oauth1_token', oauth1);
  const session = await login(localConfig(server.origin, credentials), { tokens });
  expect(paths(server.seen)).toEqual(['GET /userprofile-service/socialProfile']);
  expect(tokens.stored.get('session')).toMatchObject({ kind: 'di', profileId: '4711' });
  expect(connector.account(session)).toBe('invented@example.org');
});

test('the account is the configured e-mail, else the user name, else the display name', async () => {
  const server = await startServer(() => ({ json: { displayName: 'somebody', profileId: 1 } }));
  expect(connector.account(await login(localConfig(server.origin)))).toBe('somebody');
  expect(connector.account(await login(localConfig(server.origin, credentials)))).toBe(credentials.email);
});

test('a saved OAuth 2 token is used while it lasts', async () => {
  const server = await startServer();
  const oauth2 = { access_token: 'bearer-1', expires_at: inSeconds(3600) };
  await login(localConfig(server.origin), {
    tokens: memoryTokens({ oauth1_token: oauth1, oauth2_token: oauth2 }),
  });
  expect(server.seen.map(({ headers }) => headers['authorization'])).toEqual(['Bearer bearer-1']);
});

test.each([
  ['that has ended', { access_token: 'bearer-1', expires_at: inSeconds(-5) }],
  ['that is missing', undefined],
])('an OAuth 2 token %s is exchanged anew and saved before it is used', async (_, oauth2) => {
  const tokens = memoryTokens({
    oauth1_token: { ...oauth1, mfa_token: 'mfa-canary' },
    ...(oauth2 && { oauth2_token: oauth2 }),
  });
  const server = await startServer((seen) => {
    if (seen.path.endsWith('/exchange/user/2.0'))
      return { json: { access_token: 'bearer-2', expires_in: 3600 } };
    expect(tokens.stored.get('session')).toMatchObject({ access_token: 'bearer-2' });
    return undefined;
  });
  await login(localConfig(server.origin), { tokens });
  const [exchange, read] = server.seen;
  expect(exchange).toMatchObject({
    method: 'POST',
    body: 'mfa_token=mfa-canary',
    query: {
      oauth_token: oauth1.oauth_token,
      oauth_signature_method: 'HMAC-SHA1',
      oauth_signature: expect.any(String),
    },
  });
  expect(exchange?.headers['authorization']).toBeUndefined();
  expect(read?.headers['authorization']).toBe('Bearer bearer-2');
  expect(tokens.saves.every(([field]) => field === 'session')).toBe(true);
  expect(tokens.stored.get('session')).toMatchObject({ kind: 'oauth', expires_at: expect.any(Number) });
});

test('an exchange that is refused needs a person', async () => {
  const server = await startServer(() => ({ status: 401, json: { error: 'canary' } }));
  const tokens = memoryTokens({ oauth1_token: oauth1 });
  await expect(login(localConfig(server.origin), { tokens })).rejects.toMatchObject({
    code: 'needs_user',
    status: 401,
  });
  expect(server.seen).toHaveLength(1);
});

test('without a person the password is never sent to Garmin', async () => {
  const server = await startServer(signInService(success));
  // One origin is the real one, so nothing here may count as a simulator.
  const config = connector.config.parse({
    ...credentials,
    apiOrigin: server.origin,
    ssoOrigin: server.origin,
    minRequestIntervalMs: 0,
  });
  const attempt = connector.login({
    config,
    tokens: memoryTokens(),
    countRequest() {},
    log: { debug() {}, info() {}, warn() {} },
    signal: new AbortController().signal,
  });
  await expect(attempt).rejects.toMatchObject({
    code: 'needs_user',
    message: expect.stringMatching(/never uses the password.*npx otw login garmin.*--ticket/s),
  });
  expect(server.seen).toEqual([]);
});

test('with nothing at hand the message says what to do', async () => {
  const server = await startServer();
  await expect(login(localConfig(server.origin), { tokens: memoryTokens() })).rejects.toMatchObject({
    code: 'needs_user',
    message: expect.stringMatching(/no saved session.*npx otw login garmin.*--import/s),
  });
  expect(server.seen).toEqual([]);
});

test('an unreadable token file is warned about, not used', async () => {
  const server = await startServer();
  const warnings: string[] = [];
  const log = { debug() {}, info() {}, warn: (message: string) => warnings.push(message) };
  const tokens = memoryTokens({ garmin_tokens: 'canary', oauth1_token: { canary: 1 } });
  await expect(login(localConfig(server.origin), { tokens, log })).rejects.toMatchObject({
    code: 'needs_user',
  });
  expect(warnings).toHaveLength(2);
  expect(warnings.join()).not.toContain('canary');
});

test.each([true, false])('an empty profile names the likely wrong region (isChina %s)', async (isChina) => {
  const server = await startServer(() => ({ json: { displayName: null } }));
  await expect(login(localConfig(server.origin, { isChina }))).rejects.toMatchObject({
    code: 'config',
    message: expect.stringContaining(`now ${isChina}, to ${!isChina}`),
  });
});

test('a profile that stays refused asks for a new sign-in', async () => {
  const refused = await startServer(({ path }) =>
    path.startsWith('/di-oauth2')
      ? { json: { access_token: makeJwt('new'), refresh_token: 'r' } }
      : { status: 401 },
  );
  const tokens = goodTokens();
  await expect(login(localConfig(refused.origin), { tokens })).rejects.toMatchObject({
    code: 'needs_user',
    status: 401,
    message: expect.stringContaining('not active'),
  });
  expect(tokens.stored.get('session')).toBeUndefined();
  const good = await startServer();
  const verified = goodTokens();
  await login(localConfig(good.origin), { tokens: verified });
  await expect(login(localConfig(refused.origin), { tokens: verified })).rejects.toMatchObject({
    code: 'auth',
    status: 401,
  });
  const forbidden = await startServer(() => ({ status: 403, json: {} }));
  await expect(login(localConfig(forbidden.origin))).rejects.toMatchObject({ code: 'auth', status: 403 });
});

test('a Personal API key alone needs the e-mail address, which names the account of every row', async () => {
  const server = await startServer(({ path, headers }) => {
    if (path.endsWith('/personal-api-key/token')) return { json: { access_token: 'personal-bearer' } };
    return headers['authorization'] === 'Bearer personal-bearer' ? { json: {} } : { status: 401 };
  });
  const tokens = memoryTokens();
  const personalApiKey = 'key-canary';
  await expect(login(localConfig(server.origin, { personalApiKey }), { tokens })).rejects.toMatchObject({
    code: 'config',
    message: expect.stringContaining('GARMIN_EMAIL'),
  });
  const { email } = credentials;
  const session = await login(localConfig(server.origin, { personalApiKey, email }), { tokens });
  expect(connector.account(session)).toBe(email);
  expect(session.profile.displayName).toBeUndefined();
  await connector.check?.({ session, signal: new AbortController().signal });
  expect(server.seen.map(({ path }) => path)).toEqual([
    '/personalapitoken-service/personal-api/personal-api-key/token',
    '/userprofile-service/userprofile/settings',
  ]);
});

test('check reads the profile', async () => {
  const server = await startServer();
  const session = await login(localConfig(server.origin));
  await connector.check?.({ session, signal: new AbortController().signal });
  expect(server.seen).toHaveLength(2);
});

test('no secret stands in any error of a login, nor in what caused it', async () => {
  const canaries = /canary|invented@example|ST-|refresh-0/;
  const echo: Handler = ({ headers, body, query, path }) => ({
    status: path === '/sso/signin' && body !== '' ? 418 : 500,
    json: { headers, body, query },
  });
  const withForm: Handler = (seen) =>
    seen.method === 'GET' && seen.path.startsWith('/sso') ? { text: form } : echo(seen);
  for (const handler of [echo, withForm]) {
    const server = await startServer(handler);
    for (const tokens of [memoryTokens(), memoryTokens({ oauth1_token: oauth1 }), goodTokens()]) {
      const error: unknown = await login(localConfig(server.origin, credentials), { tokens }).catch(
        (e: unknown) => e,
      );
      expect(ConnectorError.is(error)).toBe(true);
      for (let at = error; at instanceof Error; at = at.cause) {
        expect(
          `${at.message} ${at.stack} ${JSON.stringify(at)} ${JSON.stringify(Object.entries(at))}`,
        ).not.toMatch(canaries);
      }
    }
  }
});

test('the profile is named in no dataset error', async () => {
  const server = await startServer(({ path }) =>
    path.startsWith('/userprofile') ? undefined : { status: 403, json: {} },
  );
  const session = await login(localConfig(server.origin));
  const window = { from: '2031-03-05', to: '2031-03-06' };
  const context = {
    session,
    window,
    signal: new AbortController().signal,
    log: { debug() {}, info() {}, warn() {} },
  };
  const error = await Array.fromAsync(connector.fetch({ dataset: 'sleep', ...context })).catch(
    (e: unknown) => e,
  );
  expect(error).toMatchObject({
    code: 'not_supported',
    status: 403,
    message: expect.stringContaining('{displayName}'),
  });
  expect(String(error)).not.toContain(profile.displayName);
});
