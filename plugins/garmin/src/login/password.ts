import { ConnectorError } from '@on-the-way/sdk';
import { z } from 'zod';
import { unlessAborted, withDeadline } from '../abort.ts';
import type { GarminClient } from '../client.ts';
import type { Region } from '../config.ts';
import { toConnectorError } from '../map-error.ts';
import { loadConsumer } from './consumer.ts';
import type { PlainAnswer } from './post.ts';
import { limitedSignIn, pauseError, refusedPassword } from './refusals.ts';
import { signInAgain } from './remedy.ts';
import type { Oauth1Token, OauthSession } from './saved-session.ts';

const path = '/sso/signin';
const preauthorizedPath = '/oauth-service/oauth/preauthorized';

const oauth1Schema = z.object({
  oauth_token: z.string().min(1),
  oauth_token_secret: z.string().min(1),
  mfa_token: z.string().optional().catch(undefined),
});

/** What a sign-in needs. */
export interface SignInContext {
  readonly email: string;
  readonly password: string;
  readonly signal: AbortSignal;
}

interface Page {
  readonly html: string;
  /** Lower case. */
  readonly title: string;
}

/** What a page without a ticket can mean; the first that fits counts. */
const meanings: readonly {
  readonly fits: (page: Page) => boolean;
  readonly error: (region: Region) => ConnectorError;
}[] = [
  {
    fits: ({ html, title }) =>
      title.includes('mfa') ||
      (title.includes('authentication application') && /var\s+mfaMethod\s*=\s*"[^"]+"/.test(html)),
    error: () =>
      new ConnectorError(
        'needs_user',
        `Expected a sign-in, but this account wants a code, which this form cannot send: ${signInAgain}`,
      ),
  },
  {
    fits: ({ html }) => /"status-code"\s*:\s*"429"/.test(html),
    error: () => pauseError('Expected a sign-in, got HTTP 429 in the page', { status: 429, headers: {} }),
  },
  {
    fits: ({ title }) => title.includes('captcha'),
    error: () =>
      pauseError('Expected a sign-in, but Garmin wants a captcha solved', { status: 200, headers: {} }),
  },
  {
    fits: ({ html, title }) => /phone number|locked/.test(title) || html.includes('ACCOUNT_LOCKED'),
    error: () =>
      new ConnectorError(
        'needs_user',
        'Expected a sign-in, got a question from Garmin: sign in at Garmin Connect with a browser, answer it, then try again',
      ),
  },
  {
    fits: ({ title }) => /bad gateway|service unavailable|cloudflare|502|503/.test(title),
    error: () =>
      new ConnectorError(
        'transient',
        'Expected the sign-in page, but the service is unavailable: try again later',
      ),
  },
  {
    fits: () => true,
    error: (region) => refusedPassword(region),
  },
];

/** Throws what the page after the sign-in form says, unless it carries a ticket. */
function checkSignInPage(page: unknown, region: Region): void {
  const html = typeof page === 'string' ? page : JSON.stringify(page ?? '');
  if (/ticket=[^"]+"/.test(html)) return;
  const title = (/<title>([^<]*)<\/title>/i.exec(html)?.[1] ?? '').toLowerCase();
  const meaning = meanings.find(({ fits }) => fits({ html, title }));
  if (meaning) throw meaning.error(region);
}

/** The answer within what the HTTP library threw. */
function answerOf(error: unknown): PlainAnswer | undefined {
  if (!(error instanceof Error) || !('response' in error)) return undefined;
  const { response } = error as { response?: { status: number; headers: object; data: unknown } };
  if (!response) return undefined;
  const { status, headers, data } = response;
  const text = typeof data === 'string' ? data : JSON.stringify(data ?? '');
  return { status, headers: { ...headers }, text, json: typeof data === 'string' ? undefined : data };
}

/** The error for what the form or the step after it threw; limits and bot checks wait for hours. */
function toSignInError(error: unknown, failed: { readonly path: string; readonly region: Region }): unknown {
  const answer = answerOf(error);
  const limited = answer && limitedSignIn(answer);
  if (limited) return limited;
  if (answer?.status === 401) return refusedPassword(failed.region, 401);
  // What is left without an answer are the library's own plain errors; their words may quote the page.
  if (error instanceof Error && error.message === 'login - csrf not found') {
    return new ConnectorError(
      'bad_data',
      "Expected Garmin's sign-in form, got a page without it: try again later",
    );
  }
  return toConnectorError(error, { path: failed.path });
}

interface LibraryInternals {
  getLoginTicket(email: string, password: string): Promise<string>;
}

async function getTicket(
  { library, origins }: GarminClient,
  { email, password }: SignInContext,
): Promise<string> {
  // The library's own checks print the page's title to the console.
  library.handleAccountLocked = () => {};
  library.handlePageTitle = () => {};
  library.handleMFA = (page: unknown) => checkSignInPage(page, origins.domain);
  return (library as unknown as LibraryInternals).getLoginTicket(email, password);
}

async function getOauth1(client: GarminClient, context: SignInContext): Promise<Oauth1Token> {
  const region = client.origins.domain;
  const ticket = await getTicket(client, context).catch((error: unknown) => {
    throw toSignInError(error, { path, region });
  });
  const { token } = await client.library.getOauth1Token(ticket).catch((error: unknown) => {
    const answer = answerOf(error);
    throw (answer && limitedSignIn(answer)) ?? toConnectorError(error, { path: preauthorizedPath });
  });
  const parsed = oauth1Schema.safeParse({ ...token });
  if (parsed.success) return parsed.data;
  throw new ConnectorError(
    'bad_data',
    `Expected oauth_token from ${preauthorizedPath}, got an answer without it`,
  );
}

/** Signs in with e-mail and password by the library's web form, once. The session has no bearer yet. */
export async function signInByForm(client: GarminClient, context: SignInContext): Promise<OauthSession> {
  const { signal } = context;
  await unlessAborted(loadConsumer(client), signal);
  const oauth1 = await withDeadline({ signal, timeoutMs: 4 * client.timeoutMs }, (giveUp) =>
    client.withSignal(giveUp, () => getOauth1(client, context)),
  ).catch((error: unknown) => {
    throw signal.aborted ? signal.reason : toConnectorError(error, { path });
  });
  return { kind: 'oauth', region: client.origins.domain, oauth1 };
}
