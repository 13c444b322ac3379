import { ConnectorError } from '@on-the-way/sdk';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { silent } from '../../test/server.ts';
import { claimsOf, regionOfHost, regionOfToken } from './jwt.ts';
import { parseSession } from './saved-session.ts';
import { parseTicket } from './ticket.ts';
import { fileNames, readTokenFiles } from './token-files.ts';

const regions = fc.constantFrom('garmin.com' as const, 'garmin.cn' as const);

/** Runs a reader; only a ConnectorError may come of what it cannot read, and it quotes nothing. */
function readOrRefuse<T>(read: () => T, canary?: string): T | undefined {
  try {
    return read();
  } catch (error) {
    if (!ConnectorError.is(error)) throw error;
    if (canary !== undefined) expect(error.message).not.toContain(canary);
    return undefined;
  }
}

/** JSON that is close to what other programs save. */
const anyFile = fc.oneof(
  fc.jsonValue(),
  fc.dictionary(
    fc.constantFrom(
      'di_token',
      'di_refresh_token',
      'di_client_id',
      'oauth_token',
      'oauth_token_secret',
      'mfa_token',
      'domain',
      'access_token',
      'refresh_token',
      'expires_at',
    ),
    fc.jsonValue(),
  ),
);

test('whatever stands in token files, sessions or a ConnectorError come of it, never more than known members', () => {
  fc.assert(
    fc.property(
      fc.record({ [fileNames[0]]: anyFile, [fileNames[1]]: anyFile, [fileNames[2]]: anyFile }),
      regions,
      (files, region) => {
        const sessions = readOrRefuse(() => readTokenFiles(files as never, { region, log: silent })) ?? [];
        for (const session of sessions) {
          expect(session.region).toBe(region);
          expect(parseSession(JSON.parse(JSON.stringify(session)) as never)).toEqual(session);
        }
      },
    ),
  );
});

test('the same file has the same digest, another token another', () => {
  const read = (di_token: string) =>
    readTokenFiles({ garmin_tokens: { di_token, note: di_token } }, { region: 'garmin.cn', log: silent })[0]
      ?.imported;
  expect(read('a')).toBe(read('a'));
  expect(read('a')).not.toBe(read('b'));
});

test('whatever is saved as session, a session or a ConnectorError comes of it', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      readOrRefuse(() => parseSession(value as never));
    }),
  );
});

test('claims of any text are read without an error, and only in their own types', () => {
  const token = fc.oneof(
    fc.string(),
    fc.jsonValue().map((claims) => `e30.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.x`),
    fc
      .record({ exp: fc.jsonValue(), client_id: fc.jsonValue(), iss: fc.jsonValue() })
      .map((claims) => `e30.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.x`),
  );
  fc.assert(
    fc.property(token, (text) => {
      const { exp, client_id: clientId, iss } = claimsOf(text);
      expect([undefined, 'number']).toContain(exp === undefined ? exp : typeof exp);
      expect([undefined, 'string']).toContain(clientId === undefined ? clientId : typeof clientId);
      expect([undefined, 'string']).toContain(iss === undefined ? iss : typeof iss);
      expect(['garmin.com', 'garmin.cn', undefined]).toContain(regionOfToken(text));
    }),
  );
});

test.each([
  ['garmin.cn', 'garmin.cn'],
  ['diauth.garmin.com', 'garmin.com'],
  ['notgarmin.com', undefined],
  ['garmin.com.example.org', undefined],
  ['', undefined],
])('%s belongs to %s', (host, region) => {
  expect(regionOfHost(host)).toBe(region);
});

test('any pasted text gives a ticket or a ConnectorError that does not quote it', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.webUrl({ withQueryParameters: true })), regions, (text, region) => {
      const canary = text.length > 12 ? text : undefined;
      const found = readOrRefuse(() => parseTicket(text, region), canary);
      if (found) expect(found.ticket).toMatch(/^ST-/);
    }),
  );
});

const ticket = fc.stringMatching(/^ST-[A-Za-z0-9-]{3,60}-(cas|sso)$/);
const services = fc.constantFrom(
  'https://mobile.integration.D/gcm/ios',
  'https://mobile.integration.D/gcm/android',
  'https://connect.D/app',
  'https://sso.D/sso/embed',
);

test('a ticket is found bare, quoted, and in the address of every service, whose own address is kept', () => {
  fc.assert(
    fc.property(ticket, services, regions, (given, service, region) => {
      const serviceUrl = service.replace('D', region);
      const ios = `https://mobile.integration.${region}/gcm/ios`;
      expect(parseTicket(given, region)).toEqual({ ticket: given, serviceUrl: ios });
      expect(parseTicket(` "${given}"\n`, region)).toEqual({ ticket: given, serviceUrl: ios });
      expect(parseTicket(`${serviceUrl}?a=b&ticket=${given}#c`, region)).toEqual({
        ticket: given,
        serviceUrl,
      });
      expect(parseTicket(`https://example.org/x?ticket=${given}`, region)).toEqual({
        ticket: given,
        serviceUrl: ios,
      });
      const other = region === 'garmin.com' ? 'garmin.cn' : 'garmin.com';
      expect(() => parseTicket(`${service.replace('D', other)}?ticket=${given}`, region)).toThrow(
        'GARMIN_IS_CN',
      );
    }),
  );
});
