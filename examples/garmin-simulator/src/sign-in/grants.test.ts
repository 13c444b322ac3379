import { expect, test } from 'vitest';
import type { GarminSimulator } from '../index.ts';
import { PASSWORD, TICKET_GRANT, askToken, fetchFrom, postTo, withSimulator } from '../testing.ts';

const SERVICE = 'https://mobile.integration.garmin.com/gcm/android';
const PROFILE = '/userprofile-service/socialProfile';

async function ticketFor(simulator: GarminSimulator, service: string): Promise<string> {
  const { body } = await postTo(
    simulator,
    `/mobile/api/login?service=${encodeURIComponent(service)}`,
    PASSWORD,
  );
  return body.serviceTicketId;
}

const refresh = (simulator: GarminSimulator, token: string, clientId = 'GARMIN_CONNECT_MOBILE_ANDROID_DI') =>
  askToken(simulator, { grant_type: 'refresh_token', refresh_token: token, client_id: clientId });

const profileStatus = async (simulator: GarminSimulator, token: string): Promise<number> =>
  (await fetchFrom(simulator, PROFILE, { authorization: `Bearer ${token}` })).status;

test('a ticket is spent by an exchange for another service', () =>
  withSimulator({}, async (simulator) => {
    const ticket = await ticketFor(simulator, SERVICE);
    const fields = { grant_type: TICKET_GRANT, service_ticket: ticket };
    expect((await askToken(simulator, { ...fields, service_url: `${SERVICE}/` })).status).toBe(400);
    expect((await askToken(simulator, { ...fields, service_url: SERVICE })).status).toBe(400);
  }));

test('an unknown client id leaves the ticket for the next one', () =>
  withSimulator({ diClientIds: ['KNOWN'] }, async (simulator) => {
    const fields = {
      grant_type: TICKET_GRANT,
      service_ticket: await ticketFor(simulator, SERVICE),
      service_url: SERVICE,
    };
    expect(await askToken(simulator, fields)).toMatchObject({
      status: 401,
      body: { error: 'invalid_client' },
    });
    expect((await askToken(simulator, { ...fields, client_id: 'KNOWN' })).status).toBe(200);
  }));

test('the name of the grant is the same in both regions', () =>
  withSimulator({}, async (simulator) => {
    const grant = TICKET_GRANT.replace('garmin.com', 'garmin.cn');
    const fields = { grant_type: grant, service_ticket: await ticketFor(simulator, SERVICE) };
    expect((await askToken(simulator, fields)).body).toEqual({ error: 'unsupported_grant_type' });
  }));

test('an OAuth1 token is exchanged, and the refresh token of that is taken at the DI endpoint unless told not to', async () => {
  for (const oauth2RefreshAtDi of [true, false]) {
    await withSimulator({ oauth2RefreshAtDi }, async (simulator) => {
      const ticket = await ticketFor(simulator, SERVICE);
      const query = new URLSearchParams({ ticket, 'login-url': SERVICE });
      const oauth = { authorization: 'OAuth oauth_consumer_key="simulated"' };
      const first = await fetchFrom(simulator, `/oauth-service/oauth/preauthorized?${query}`, oauth);
      const token = new URLSearchParams(first.text).get('oauth_token') ?? '';
      const path = `/oauth-service/oauth/exchange/user/2.0?oauth_token=${encodeURIComponent(token)}`;
      const { body } = await postTo(simulator, path, new URLSearchParams());
      expect(await profileStatus(simulator, body.access_token)).toBe(200);
      const refreshed = await refresh(simulator, body.refresh_token);
      expect(refreshed.status).toBe(oauth2RefreshAtDi ? 200 : 400);
    });
  }
});

test('a refresh token belongs to the client id it was given to', () =>
  withSimulator({}, async (simulator) => {
    const { refresh_token: token } = simulator.issueTokens({ clientId: 'MINE' });
    expect((await refresh(simulator, token, 'YOURS')).body).toEqual({ error: 'invalid_client' });
    expect((await refresh(simulator, token, 'MINE')).status).toBe(200);
  }));

test('access and refresh tokens live as long as told', async () => {
  let now = Date.parse('2026-03-17T12:00:00Z');
  await withSimulator({ now: () => now, accessSeconds: 60, refreshSeconds: 120 }, async (simulator) => {
    const tokens = simulator.issueTokens({ clientId: 'MINE' });
    expect(tokens).toMatchObject({ expires_in: 60, refresh_token_expires_in: 120 });
    now += 60_000;
    expect(await profileStatus(simulator, tokens.access_token)).toBe(401);
    now += 60_000;
    expect((await refresh(simulator, tokens.refresh_token, 'MINE')).body).toEqual({ error: 'invalid_grant' });
  });
});

test('access tokens can be ended at once, and a refresh still works', () =>
  withSimulator({}, async (simulator) => {
    const tokens = simulator.issueTokens({ clientId: 'MINE' });
    simulator.expireAccess();
    expect(await profileStatus(simulator, tokens.access_token)).toBe(401);
    expect(await profileStatus(simulator, 'simulated-by-hand')).toBe(401);
    const { body } = await refresh(simulator, tokens.refresh_token, 'MINE');
    expect(await profileStatus(simulator, body.access_token)).toBe(200);
  }));

test('everything can be revoked', () =>
  withSimulator({}, async (simulator) => {
    const tokens = simulator.issueTokens({ clientId: 'MINE' });
    simulator.revoke();
    expect(await profileStatus(simulator, tokens.access_token)).toBe(401);
    expect((await refresh(simulator, tokens.refresh_token, 'MINE')).status).toBe(400);
    expect((await refresh(simulator, 'simulated-by-hand')).status).toBe(400);
  }));

test('a change of password ends refresh tokens, and the old password', () =>
  withSimulator({}, async (simulator) => {
    const tokens = simulator.issueTokens({ clientId: 'MINE' });
    simulator.changePassword('another');
    expect(await profileStatus(simulator, tokens.access_token)).toBe(200);
    expect((await refresh(simulator, tokens.refresh_token, 'MINE')).status).toBe(400);
    expect((await postTo(simulator, '/mobile/api/login', PASSWORD)).status).toBe(401);
    expect((await postTo(simulator, '/mobile/api/login', { ...PASSWORD, password: 'another' })).status).toBe(
      200,
    );
  }));
