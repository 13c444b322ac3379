import { ConnectorError } from '@on-the-way/sdk';
import { z } from 'zod';
import type { GarminClient } from '../client.ts';
import type { Region } from '../config.ts';
import { post, type PlainAnswer } from './post.ts';
import { limitedSignIn, pauseError, refusedPassword } from './refusals.ts';
import { otherRegionHint, ticketWay } from './remedy.ts';

/** The sign-in of the phone app: one request, and one more where a code is wanted. */
export interface MobileAnswer {
  /** Proof of a finished sign-in; absent while a code is wanted. */
  readonly ticket?: string;
  /** How Garmin sends the code: `email`, `sms`, or something else for an app. */
  readonly method?: string;
  /** Where to, masked. */
  readonly sentTo?: string;
  /** `name=value` each; the code must come with them. */
  readonly cookies: readonly string[];
}

const clientId = 'GCM_IOS_DARK';
const userAgent =
  'Mozilla/5.0 (iPhone; CPU iPhone OS 18_7 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148';

const text = z.string().nullish().catch(undefined);
const answerSchema = z.object({
  serviceTicketId: text,
  responseStatus: z.object({ type: text }).nullish().catch(undefined),
  customerMfaInfo: z
    .object({ email: text, phoneNumber: text, mfaLastMethodUsed: text, defaultMfaMethod: text })
    .nullish()
    .catch(undefined),
  consentTypeList: z.array(z.unknown()).nullish().catch(undefined),
});
type Answer = z.output<typeof answerSchema>;

/** The service the app signs in for; the tokens are asked for with the same. */
export function mobileService(region: Region): string {
  return `https://mobile.integration.${region}/gcm/ios`;
}

/** The page on which a person signs in with their own browser. */
export function mobilePage({ origins }: GarminClient): string {
  const query = new URLSearchParams({ clientId, service: mobileService(origins.domain) });
  return `${origins.sso}/mobile/sso/en-US/sign-in?${query.toString()}`;
}

function cookiesOf({ headers }: PlainAnswer, before: readonly string[]): string[] {
  const set = headers['set-cookie'];
  const added = (Array.isArray(set) ? set : []).map((line) => String(line).split(';')[0] ?? '');
  const nameOf = (cookie: string) => cookie.split('=')[0];
  const kept = before.filter((old) => !added.some((cookie) => nameOf(cookie) === nameOf(old)));
  return [...kept, ...added.filter((cookie) => cookie !== '')];
}

/** As Garmin masks it; masked here where it does not. */
function masked(address: string | null | undefined): string | undefined {
  if (!address) return undefined;
  if (address.includes('*')) return address;
  return address.includes('@') ? address.replace(/^[^@]+/, '***') : `***${address.slice(-2)}`;
}

function ask(
  client: GarminClient,
  path: string,
  { body, cookies, signal }: { body: unknown; cookies: readonly string[]; signal: AbortSignal },
): Promise<PlainAnswer> {
  const { origins } = client;
  const query = new URLSearchParams({ clientId, locale: 'en-US', service: mobileService(origins.domain) });
  return post(client, {
    url: `${origins.sso}${path}?${query.toString()}`,
    body: JSON.stringify(body),
    headers: {
      'User-Agent': userAgent,
      Accept: 'application/json, text/plain, */*',
      'Content-Type': 'application/json',
      Origin: origins.sso,
      ...(cookies.length > 0 && { Cookie: cookies.join('; ') }),
    },
    signal,
  });
}

function needsUser(found: string, remedy: string): ConnectorError {
  return new ConnectorError('needs_user', `Expected a sign-in, but ${found}: ${remedy}`);
}

const browserRemedy = 'sign in at Garmin Connect with a browser, answer what it asks, then try again';

/** What an answer without a ticket means, for a person. The first that fits counts. */
const meanings: readonly {
  readonly fits: (seen: PlainAnswer & { type: string; answer: Answer | undefined }) => boolean;
  readonly error: (seen: PlainAnswer, region: Region) => ConnectorError;
}[] = [
  {
    fits: ({ type }) => type.includes('CAPTCHA'),
    error: (seen) => pauseError('Expected a sign-in, but Garmin wants a captcha solved', seen),
  },
  {
    fits: ({ status, type, answer }) =>
      status === 412 || /CONSENT/.test(type) || (answer?.consentTypeList ?? []).length > 0,
    error: () => needsUser('Garmin wants consent to its terms', browserRemedy),
  },
  {
    fits: ({ type, text: body }) => /LOCK|DISABLED|SUSPEND/.test(type) || body.includes('ACCOUNT_LOCKED'),
    error: () => needsUser('the account is locked', 'set a new password at Garmin Connect with a browser'),
  },
  {
    fits: ({ type }) => /CHILD|FAMILY|MINOR/.test(type),
    error: () =>
      needsUser(
        'it is an account of a child',
        'such accounts cannot sign in here; use an account of an adult',
      ),
  },
  {
    fits: ({ status, type }) => status === 401 || type.includes('PASSWORD'),
    error: ({ status }, region) => refusedPassword(region, status),
  },
  {
    fits: ({ status }) => status === 408 || status >= 500,
    error: ({ status }) =>
      new ConnectorError('transient', `Expected a sign-in, got HTTP ${status}: try again later`, { status }),
  },
  {
    fits: () => true,
    error: ({ status }, region) =>
      new ConnectorError(
        'bad_data',
        `Expected a sign-in, got HTTP ${status} with an answer that is not known. Where the account is one of the ` +
          `other region, ${otherRegionHint(region)}; else ${ticketWay}`,
        { status },
      ),
  },
];

function readAnswer(
  answer: PlainAnswer,
  { region, cookies }: { region: Region; cookies: readonly string[] },
): MobileAnswer | ConnectorError {
  const limited = limitedSignIn(answer);
  if (limited) return limited;
  const parsed = answerSchema.safeParse(answer.json).data;
  const type = parsed?.responseStatus?.type ?? '';
  const jar = cookiesOf(answer, cookies);
  if (type === 'SUCCESSFUL' && parsed?.serviceTicketId)
    return { ticket: parsed.serviceTicketId, cookies: jar };
  if (type === 'MFA_REQUIRED') {
    const { mfaLastMethodUsed, defaultMfaMethod, email, phoneNumber } = parsed?.customerMfaInfo ?? {};
    const method = mfaLastMethodUsed ?? defaultMfaMethod ?? 'email';
    const sentTo = masked(/mail/i.test(method) ? email : /sms|phone/i.test(method) ? phoneNumber : undefined);
    return { method, ...(sentTo !== undefined && { sentTo }), cookies: jar };
  }
  const seen = { ...answer, type: type.toUpperCase(), answer: parsed };
  const meaning = meanings.find(({ fits }) => fits(seen));
  return meaning?.error(answer, region) ?? new ConnectorError('bad_data', 'Expected a sign-in, got nothing');
}

/** Sends e-mail and password, once. Throws what a person must know where neither a ticket nor a code comes of it. */
export async function sendPassword(
  client: GarminClient,
  { email, password, signal }: { email: string; password: string; signal: AbortSignal },
): Promise<MobileAnswer> {
  const body = { username: email, password, rememberMe: true, captchaToken: '' };
  const answer = await ask(client, '/mobile/api/login', { body, cookies: [], signal });
  const read = readAnswer(answer, { region: client.origins.domain, cookies: [] });
  if (read instanceof Error) throw read;
  return read;
}

/** What came of a code. `ended`: Garmin no longer waits for one. */
export type CodeAnswer =
  { readonly kind: 'ticket'; readonly ticket: string } | { readonly kind: 'refused' | 'ended' };

/** Sends a code for a sign-in that waits for it. */
export async function sendCode(
  client: GarminClient,
  waiting: {
    readonly method: string;
    readonly cookies: readonly string[];
    readonly code: string;
    readonly signal: AbortSignal;
  },
): Promise<CodeAnswer> {
  const { method, cookies, code, signal } = waiting;
  const body = {
    mfaMethod: method,
    mfaVerificationCode: code,
    rememberMyBrowser: true,
    reconsentList: [],
    mfaSetup: false,
  };
  const answer = await ask(client, '/mobile/api/mfa/verifyCode', { body, cookies, signal });
  if (/"type"\s*:\s*"[A-Z_]*EXPIRED"/.test(answer.text)) return { kind: 'ended' };
  const read = readAnswer(answer, { region: client.origins.domain, cookies });
  if (!(read instanceof Error))
    return read.ticket === undefined ? { kind: 'refused' } : { kind: 'ticket', ticket: read.ticket };
  // Whatever else is refused at this step is the code: the password was right.
  if (read.code === 'auth' || read.code === 'bad_data') return { kind: 'refused' };
  throw read;
}
