import { describe, expect, test } from 'vitest';
import type { GarminSimulator, Region } from '../index.ts';
import { PASSWORD, TICKET_GRANT, askToken, cookieOf, fetchFrom, postTo, withSimulator } from '../testing.ts';

const serviceOf = (region: Region): string => `https://mobile.integration.${region}/gcm/ios`;

function login(simulator: GarminSimulator, service: string, fields: Record<string, string> = PASSWORD) {
  const query = new URLSearchParams({ clientId: 'GCM_IOS_DARK', locale: 'en-US', service });
  return postTo(simulator, `/mobile/api/login?${query}`, { ...fields, rememberMe: true, captchaToken: '' });
}

function verify(simulator: GarminSimulator, code: string, cookie: string, method = 'email') {
  const query = new URLSearchParams({ clientId: 'GCM_IOS_DARK', service: serviceOf('garmin.com') });
  const body = { mfaMethod: method, mfaVerificationCode: code, rememberMyBrowser: true };
  return postTo(simulator, `/mobile/api/mfa/verifyCode?${query}`, body, { cookie });
}

const exchange = (simulator: GarminSimulator, ticket: string, service: string) =>
  askToken(simulator, { grant_type: TICKET_GRANT, service_ticket: ticket, service_url: service });

const claimsOf = (token: string): unknown =>
  JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString());

describe.each(['garmin.com', 'garmin.cn'] as const)('a simulator of %s', (region) => {
  const other = region === 'garmin.com' ? 'garmin.cn' : 'garmin.com';

  test("signs in with the region's service URL and says so in the token", () =>
    withSimulator({ region }, async (simulator) => {
      const signedIn = await login(simulator, serviceOf(region));
      expect(signedIn.body.responseStatus.type).toBe('SUCCESSFUL');
      const { status, body } = await exchange(
        simulator,
        signedIn.body.serviceTicketId,
        signedIn.body.serviceURL,
      );
      expect(status).toBe(200);
      expect(claimsOf(body.access_token)).toMatchObject({ iss: `https://diauth.${region}` });
      const bearer = { authorization: `Bearer ${body.access_token}` };
      expect((await fetchFrom(simulator, '/userprofile-service/socialProfile', bearer)).status).toBe(200);
    }));

  test("refuses the other region's service URL, signing in and exchanging", () =>
    withSimulator({ region }, async (simulator) => {
      expect((await login(simulator, serviceOf(other))).status).toBe(400);
      const { body } = await login(simulator, serviceOf(region));
      expect(await exchange(simulator, body.serviceTicketId, serviceOf(other))).toMatchObject({
        status: 400,
        body: { error: 'invalid_grant' },
      });
    }));

  test("does not know the other region's tokens", () =>
    withSimulator({ region }, async (simulator) => {
      const foreign = simulator.issueTokens({ region: other });
      const refreshed = await askToken(simulator, {
        grant_type: 'refresh_token',
        refresh_token: foreign.refresh_token,
      });
      expect(refreshed).toMatchObject({
        status: 400,
        body: { error: 'invalid_grant', error_description: "User doesn't exist in DB for GarminGUID" },
      });
      const bearer = { authorization: `Bearer ${foreign.access_token}` };
      expect((await fetchFrom(simulator, '/userprofile-service/socialProfile', bearer)).status).toBe(401);
    }));
});

test("the other region's token can be answered with a profile of nulls", () =>
  withSimulator({ region: 'garmin.cn', foreignTokens: 'empty-profile' }, async (simulator) => {
    const { access_token: token } = simulator.issueTokens({ region: 'garmin.com' });
    const bearer = { authorization: `Bearer ${token}` };
    const profile = await fetchFrom(simulator, '/userprofile-service/socialProfile', bearer);
    expect(profile).toMatchObject({ status: 200, body: { displayName: null, profileId: null } });
    expect((await fetchFrom(simulator, '/device-service/deviceregistration/devices', bearer)).status).toBe(
      403,
    );
  }));

describe.each(['email', 'sms', 'app'] as const)('a code by %s', (method) => {
  test('is asked for after the password, may be wrong, and then gives the ticket', () =>
    withSimulator({ mfa: { method, code: '123456' } }, async (simulator) => {
      const asked = await login(simulator, serviceOf('garmin.com'));
      expect(asked).toMatchObject({
        status: 200,
        body: {
          serviceTicketId: null,
          responseStatus: { type: 'MFA_REQUIRED' },
          customerMfaInfo: {
            email: 'r****@example.com',
            mfaLastMethodUsed: method,
            defaultMfaMethod: method,
          },
        },
      });
      const cookie = cookieOf(asked);
      const wrong = await verify(simulator, '000000', cookie, method);
      expect(wrong.body).toMatchObject({
        serviceTicketId: null,
        responseStatus: { type: 'INVALID_MFA_CODE' },
      });
      const right = await verify(simulator, '123456', cookie, method);
      expect(right.body.responseStatus.type).toBe('SUCCESSFUL');
      const exchanged = await exchange(simulator, right.body.serviceTicketId, serviceOf('garmin.com'));
      expect(exchanged.status).toBe(200);
    }));
});

test('a code without the cookie of its sign-in is refused, and so is a second use of the sign-in', () =>
  withSimulator({ mfa: { method: 'email', code: '123456' } }, async (simulator) => {
    const cookie = cookieOf(await login(simulator, serviceOf('garmin.com')));
    for (const strange of ['', 'SESSION=stranger']) {
      expect(await verify(simulator, '123456', strange)).toMatchObject({
        status: 401,
        body: { responseStatus: { type: 'SESSION_EXPIRED' } },
      });
    }
    expect((await verify(simulator, '123456', cookie)).body.responseStatus.type).toBe('SUCCESSFUL');
    expect((await verify(simulator, '123456', cookie)).status).toBe(401);
  }));

test('a wrong password and an empty body are answered as Garmin answers them', () =>
  withSimulator({}, async (simulator) => {
    const wrong = await login(simulator, serviceOf('garmin.com'), { ...PASSWORD, password: 'wrong' });
    expect([wrong.status, wrong.body.responseStatus.type]).toEqual([401, 'INVALID_USERNAME_PASSWORD']);
    const empty = await postTo(simulator, '/mobile/api/login', new URLSearchParams());
    expect([empty.status, empty.headers.get('content-type')]).toEqual([400, 'application/problem+json']);
  }));
