import { expect, onTestFinished, test, vi } from 'vitest';
import { createClient } from '../client.ts';
import { configSchema } from '../config.ts';
import { signInByForm } from './password.ts';
import { localConfig, login, memoryTokens, never, startServer } from '../../test/server.ts';
import { credentials, form, paths, signInService, success } from '../../test/sign-in.ts';

test('against a simulator the password signs in once and both tokens are saved', async () => {
  const server = await startServer(signInService(success));
  const tokens = memoryTokens();
  await login(localConfig(server.origin, credentials), { tokens });
  expect(paths(server.seen)).toEqual([
    'GET /sso/embed',
    'GET /sso/signin',
    'POST /sso/signin',
    'GET /oauth-service/oauth/preauthorized',
    'POST /oauth-service/oauth/exchange/user/2.0',
    'GET /userprofile-service/socialProfile',
  ]);
  expect(new Set(tokens.saves.map(([field]) => field))).toEqual(new Set(['session']));
  expect(tokens.saves[0]?.[1]).not.toHaveProperty('verified_at');
  expect(tokens.stored.get('session')).toMatchObject({ kind: 'oauth', verified_at: expect.any(String) });
  await login(localConfig(server.origin), { tokens });
  expect(server.seen).toHaveLength(7);
});

test('refused saved tokens give way to the password where a sign-in is allowed', async () => {
  const server = await startServer((seen) =>
    seen.headers['authorization'] === 'Bearer bearer-2'
      ? undefined
      : (signInService(success)(seen) ?? { status: 401 }),
  );
  const tokens = memoryTokens({ oauth2_token: { access_token: 'old' } });
  await login(localConfig(server.origin, credentials), { tokens });
  expect(server.seen.filter(({ path, method }) => path === '/sso/signin' && method === 'POST')).toHaveLength(
    1,
  );
});

test.each([
  ['wants a code', '<title>Enter MFA code for login</title>', 200, 'needs_user', 'wants a code'],
  [
    'wants a code, in an inline script',
    `${form}<script>var mfaMethod = "email";</script>`,
    200,
    'needs_user',
    'code',
  ],
  ['refuses the password', form, 200, 'auth', 'refused'],
  ['refuses the password with 401', form, 401, 'auth', 'refused'],
  ['is locked', `${form}<script>var status = "ACCOUNT_LOCKED";</script>`, 200, 'needs_user', 'browser'],
  ['wants a phone number', '<title>Update Phone Number</title>', 200, 'needs_user', 'browser'],
  ['says 429 in the page', '{"error":{"status-code":"429"}}', 200, 'rate_limited', 'for hours'],
  ['wants a captcha', '<title>captcha</title>', 200, 'rate_limited', 'captcha'],
  ['says 429', 'slow down', 429, 'rate_limited', '429'],
  ['checks for bots', '<html>Just a moment...</html>', 403, 'rate_limited', '403'],
  ['is down', '<html>', 502, 'transient', '502'],
])('a sign-in that %s is asked once and ends as it should', async (_, page, status, code, word) => {
  const server = await startServer(signInService(page, status));
  const attempt = login(localConfig(server.origin, credentials), { tokens: memoryTokens() });
  await expect(attempt).rejects.toMatchObject({ code, message: expect.stringContaining(word) });
  await expect(attempt).rejects.toMatchObject({
    refusedSignIn: code === 'rate_limited',
    retryAfterMs: undefined,
  });
  expect(server.seen.filter(({ method }) => method === 'POST')).toHaveLength(1);
});

test('a form without its token is bad_data', async () => {
  const server = await startServer(() => ({ text: '<html></html>' }));
  const attempt = login(localConfig(server.origin, credentials), { tokens: memoryTokens() });
  await expect(attempt).rejects.toMatchObject({ code: 'bad_data' });
});

test('the password is not carried to another host by a redirect', async () => {
  const other = await startServer(() => ({ text: success }));
  const server = await startServer((seen) =>
    seen.path === '/sso/signin' && seen.method === 'POST'
      ? { status: 307, headers: { location: `${other.origin}/sso/signin` } }
      : signInService(success)(seen),
  );
  const attempt = login(localConfig(server.origin, credentials), { tokens: memoryTokens() });
  await expect(attempt).rejects.toMatchObject({
    code: 'bad_data',
    message: expect.stringContaining('sent to'),
  });
  expect(other.seen).toEqual([]);
});

test('the form begins with the consumer, outside Garmin', async () => {
  // Nothing leaves this machine: the proxy is not there.
  vi.stubEnv('https_proxy', 'http://127.0.0.1:1');
  vi.stubEnv('no_proxy', '');
  onTestFinished(() => void vi.unstubAllEnvs());
  const server = await startServer(signInService(success));
  const origins = { apiOrigin: server.origin, ssoOrigin: server.origin };
  const config = configSchema.parse({ ...credentials, ...origins, minRequestIntervalMs: 0 });
  const client = createClient(config, () => {});
  onTestFinished(() => client.close());
  await expect(signInByForm(client, { ...credentials, signal: never })).rejects.toMatchObject({
    code: 'transient',
    message: expect.stringContaining('oauth_consumer.json'),
  });
  expect(server.seen).toEqual([]);
});

test('a run never signs in with the password, not even with a person there', async () => {
  const server = await startServer(signInService(success));
  const origins = { apiOrigin: server.origin, ssoOrigin: server.origin };
  const config = configSchema.parse({ ...credentials, ...origins, minRequestIntervalMs: 0 });
  const attempt = login(config, { tokens: memoryTokens(), prompt: async () => '' });
  await expect(attempt).rejects.toMatchObject({ code: 'needs_user' });
  expect(server.seen).toEqual([]);
});

test('a session that died is not replaced by a sign-in without a person, not even against a simulator', async () => {
  const server = await startServer((seen) => signInService(success)(seen) ?? { status: 401, json: {} });
  const tokens = memoryTokens({ session: { kind: 'di', region: 'garmin.cn', dead: 'it ended' } });
  await expect(login(localConfig(server.origin, credentials), { tokens })).rejects.toMatchObject({
    code: 'needs_user',
    message: 'it ended. To go on, sign in with `npx otw login garmin`',
  });
  expect(server.seen).toEqual([]);
});
