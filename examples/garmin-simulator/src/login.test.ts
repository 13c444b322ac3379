import { createRequire } from 'node:module';
import { expect, test, vi } from 'vitest';
import type { GarminSimulator } from './index.ts';
import { TICKET_GRANT, askToken, fetchFrom, withSimulator } from './testing.ts';

interface LibraryClient {
  url: { GC_MODERN: string; GARMIN_SSO_ORIGIN: string; GC_API: string };
  client: {
    OAUTH_CONSUMER: { key: string; secret: string };
    fetchOauthConsumer(): Promise<void>;
    oauth2Token: { access_token: string };
  };
  login(): Promise<unknown>;
  getUserProfile(): Promise<{ displayName: string; fullName: string }>;
  getHeartRate(date: Date): Promise<{ calendarDate: string }>;
}

const { GarminConnect } = createRequire(import.meta.url)('garmin-connect') as {
  GarminConnect: new (credentials: { username: string; password: string }) => LibraryClient;
};

function libraryFor({ origin }: GarminSimulator, password: string): LibraryClient {
  const library = new GarminConnect({ username: 'runner@example.com', password });
  Object.assign(library.url, { GC_MODERN: `${origin}/modern`, GARMIN_SSO_ORIGIN: origin, GC_API: origin });
  library.client.OAUTH_CONSUMER = { key: 'simulated-key', secret: 'simulated-secret' };
  library.client.fetchOauthConsumer = () => Promise.resolve();
  return library;
}

async function signIn(simulator: GarminSimulator): Promise<string> {
  const answer = await fetch(`${simulator.origin}/sso/signin`, {
    method: 'POST',
    body: new URLSearchParams({
      username: 'runner@example.com',
      password: 'simulated',
      embed: 'true',
      _csrf: 'simulated-csrf-token',
    }),
  });
  return /ticket=(ST-[^"]+)"/.exec(await answer.text())?.[1] ?? 'no ticket';
}

test('the npm library signs in and reads the profile and a day', () =>
  withSimulator({}, async (simulator) => {
    vi.spyOn(console, 'log').mockImplementation(() => undefined); // the library prints the page title
    const library = libraryFor(simulator, 'simulated');
    await library.login();
    expect((await library.getUserProfile()).fullName).toBe('Simulated Runner');
    expect((await library.getHeartRate(new Date('2026-03-17T12:00:00Z'))).calendarDate).toMatch(/^2026-03-1/);
    const claims = library.client.oauth2Token.access_token.split('.')[1] ?? '';
    expect(JSON.parse(Buffer.from(claims, 'base64url').toString())).toMatchObject({
      client_id: 'GARMIN_CONNECT_MOBILE_ANDROID_DI',
    });
    vi.restoreAllMocks();
  }));

test('a wrong password gives a page without a ticket', () =>
  withSimulator({}, async (simulator) => {
    vi.spyOn(console, 'log').mockImplementation(() => undefined);
    await expect(libraryFor(simulator, 'wrong').login()).rejects.toThrow('Ticket not found');
    vi.restoreAllMocks();
  }));

test('data needs an access token that is known and has not expired', async () => {
  let now = Date.parse('2026-03-17T12:00:00Z');
  await withSimulator({ now: () => now }, async (simulator) => {
    const path = '/userprofile-service/socialProfile';
    const refused = await fetchFrom(simulator, path, { authorization: 'Bearer stranger' });
    expect(refused.status).toBe(401);
    expect(refused.headers.get('www-authenticate')).toBe(
      'Bearer error="invalid_token", error_description="Token is not active"',
    );
    expect(refused.headers.get('x-simulated')).toBe('garmin-simulator');
    const { body } = await askToken(simulator, { grant_type: 'refresh_token', refresh_token: 'simulated-x' });
    const authorization = `Bearer ${body['access_token']}`;
    expect((await fetchFrom(simulator, path, { authorization })).status).toBe(200);
    now += Number(body['expires_in']) * 1000;
    expect((await fetchFrom(simulator, path, { authorization })).status).toBe(401);
    expect(JSON.stringify(simulator.requests)).not.toContain(body['access_token']);
    expect(simulator.requests.map(({ authorised }) => authorised)).toEqual([false, false, true, false]);
  });
});

test('a refresh token works once and is replaced', () =>
  withSimulator({}, async (simulator) => {
    const refresh = (token = '') =>
      askToken(simulator, { grant_type: 'refresh_token', refresh_token: token });
    const first = await refresh('simulated-refresh');
    expect(first.status).toBe(200);
    const second = await refresh(first.body['refresh_token']);
    expect(second.status).toBe(200);
    expect(second.body['access_token']).not.toBe(first.body['access_token']);
    expect(await refresh(first.body['refresh_token'])).toMatchObject({
      status: 400,
      body: { error: 'invalid_grant' },
    });
    expect((await refresh('stranger')).status).toBe(400);
  }));

test('a sign-in ticket is exchanged for tokens once', () =>
  withSimulator({}, async (simulator) => {
    const fields = { grant_type: TICKET_GRANT, service_ticket: await signIn(simulator) };
    expect((await askToken(simulator, fields)).status).toBe(200);
    expect((await askToken(simulator, fields)).body).toEqual({ error: 'invalid_grant' });
  }));
