import { expect, test } from 'vitest';
import type { GarminSimulator } from '../index.ts';
import { PASSWORD, TICKET_GRANT, askToken, cookieOf, fetchFrom, postTo, withSimulator } from '../testing.ts';

const SERVICE = 'https://mobile.integration.garmin.cn/gcm/ios';
const PAGE = `/mobile/sso/en-US/sign-in?clientId=GCM_IOS_DARK&service=${encodeURIComponent(SERVICE)}`;
const EMBED = 'https://sso.garmin.com/sso/embed';
const WIDGET = `?id=gauth-widget&service=${encodeURIComponent(EMBED)}`;

const csrfOf = (html: string): string => /name="_csrf"\s+value="(.+?)"/.exec(html)?.[1] ?? 'none';
const titleOf = (html: string): string => /<title>(.*?)<\/title>/.exec(html)?.[1] ?? 'none';

/** Opens a page and sends its form, as a browser does. */
async function submit(simulator: GarminSimulator, path: string, fields: Record<string, string>) {
  const { text } = await fetchFrom(simulator, path);
  return postTo(simulator, path, new URLSearchParams({ ...fields, _csrf: csrfOf(text) }));
}

test("a person's own browser ends at the service URL with a ticket in the address", () =>
  withSimulator({ region: 'garmin.cn' }, async (simulator) => {
    const answer = await submit(simulator, PAGE, PASSWORD);
    expect(answer.status).toBe(302);
    const address = new URL(answer.headers.get('location') ?? '');
    const ticket = address.searchParams.get('ticket') ?? '';
    expect([address.origin + address.pathname, ticket.slice(0, 3)]).toEqual([SERVICE, 'ST-']);
    const fields = { grant_type: TICKET_GRANT, service_ticket: ticket, service_url: SERVICE };
    expect((await askToken(simulator, fields)).status).toBe(200);
  }));

test('a wrong password and a strange service stay on a page without a ticket', () =>
  withSimulator({ region: 'garmin.cn' }, async (simulator) => {
    const wrong = await submit(simulator, PAGE, { ...PASSWORD, password: 'wrong' });
    expect([wrong.status, titleOf(wrong.text)]).toEqual([
      200,
      'GARMIN Authentication Application: Invalid sign in',
    ]);
    const strange = await fetchFrom(simulator, PAGE.replaceAll('garmin.cn', 'garmin.com'));
    expect(titleOf(strange.text)).toContain('Invalid service');
  }));

test('a browser is asked for the code too', () =>
  withSimulator({ mfa: { method: 'sms', code: '4711' } }, async (simulator) => {
    const asked = await submit(simulator, PAGE, PASSWORD);
    expect(titleOf(asked.text)).toBe('Enter MFA code for login');
    const cookie = cookieOf(asked);
    const send = (code: string) =>
      postTo(simulator, PAGE, new URLSearchParams({ 'mfa-code': code }), { cookie });
    expect((await send('0000')).status).toBe(200);
    expect((await send('4711')).headers.get('location')).toContain('?ticket=ST-');
  }));

test('the widget asks for the code and ends on the page with the ticket', () =>
  withSimulator({ mfa: { method: 'email', code: '4711' } }, async (simulator) => {
    const asked = await submit(simulator, `/sso/signin${WIDGET}`, PASSWORD);
    expect(asked.text).toContain('var mfaMethod = "email"');
    expect(asked.text).toContain('var codeSentTo = "r****@example.com"');
    const fields = new URLSearchParams({ 'mfa-code': '4711', _csrf: csrfOf(asked.text) });
    const path = `/sso/verifyMFA/loginEnterMfaCode${WIDGET}`;
    const done = await postTo(simulator, path, fields, { cookie: cookieOf(asked) });
    expect(titleOf(done.text)).toBe('Success');
    const ticket = /\?ticket=(ST-[^"&\s]+)/.exec(done.text)?.[1] ?? '';
    const grant = { grant_type: TICKET_GRANT, service_ticket: ticket, service_url: EMBED };
    expect((await askToken(simulator, grant)).status).toBe(200);
  }));
