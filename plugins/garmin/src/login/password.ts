import { ConnectorError, type Tokens } from '@on-the-way/sdk';
import { z } from 'zod';
import { unlessAborted, withDeadline } from '../abort.ts';
import type { GarminClient } from '../client.ts';
import { toConnectorError } from '../map-error.ts';
import { loadConsumer } from './consumer.ts';
import type { Credential } from './credential.ts';
import { createOauthCredential, exchange, oauth1Field, oauth1Schema, oauth2Field } from './oauth-token.ts';

const path = '/sso/signin';
const preauthorizedPath = '/oauth-service/oauth/preauthorized';
// Sign-ins are limited to one or two; a further try within hours makes the block longer.
const signInPauseMs = 2 * 3_600_000;

/** What a sign-in needs. */
export interface SignInContext {
  readonly email: string;
  readonly password: string;
  readonly tokens: Tokens;
  readonly signal: AbortSignal;
}

interface Page {
  readonly html: string;
  /** Lower case. */
  readonly title: string;
}

/** What a page without a ticket can mean; the first that fits counts. */
const meanings: readonly { readonly fits: (page: Page) => boolean; readonly error: () => ConnectorError }[] =
  [
    {
      fits: ({ html, title }) =>
        title.includes('mfa') ||
        (title.includes('authentication application') && /var\s+mfaMethod\s*=\s*"[^"]+"/.test(html)),
      error: () =>
        new ConnectorError(
          'needs_user',
          'Expected a sign-in, but this account wants a code: sign in with python-garminconnect, which asks for it, ' +
            'and put its garmin_tokens.json into GARMIN_TOKEN_DIR',
        ),
    },
    {
      fits: ({ html }) => /"status-code"\s*:\s*"429"/.test(html),
      error: () =>
        new ConnectorError('rate_limited', 'Expected a sign-in, got HTTP 429 in the page: wait two hours', {
          status: 429,
          retryAfterMs: signInPauseMs,
        }),
    },
    {
      fits: ({ html, title }) => /phone number|locked|captcha/.test(title) || html.includes('ACCOUNT_LOCKED'),
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
      error: () =>
        new ConnectorError('auth', 'Expected a sign-in, but e-mail or password are refused: check both'),
    },
  ];

/** Throws what the page after the sign-in form says, unless it carries a ticket. */
function checkSignInPage(page: unknown): void {
  const html = typeof page === 'string' ? page : JSON.stringify(page ?? '');
  if (/ticket=[^"]+"/.test(html)) return;
  const title = (/<title>([^<]*)<\/title>/i.exec(html)?.[1] ?? '').toLowerCase();
  const meaning = meanings.find(({ fits }) => fits({ html, title }));
  if (meaning) throw meaning.error();
}

function toSignInError(error: unknown): unknown {
  const mapped = toConnectorError(error, { path, pauseMs: signInPauseMs });
  if (ConnectorError.is(mapped)) {
    if (mapped.status !== 401 || mapped.code !== 'auth') return mapped;
    return new ConnectorError('auth', 'Expected a sign-in, but e-mail or password are refused: check both', {
      status: 401,
    });
  }
  // What is left are the library's own plain errors; their words may quote the page.
  if (error instanceof Error && error.message === 'login - csrf not found') {
    return new ConnectorError(
      'bad_data',
      "Expected Garmin's sign-in form, got a page without it: try again later",
    );
  }
  return mapped;
}

interface LibraryInternals {
  getLoginTicket(email: string, password: string): Promise<string>;
}

async function getTicket({ library }: GarminClient, { email, password }: SignInContext): Promise<string> {
  // The library's own checks print the page's title to the console.
  library.handleAccountLocked = () => {};
  library.handlePageTitle = () => {};
  library.handleMFA = checkSignInPage;
  return (library as unknown as LibraryInternals).getLoginTicket(email, password);
}

async function getOauth1(
  client: GarminClient,
  context: SignInContext,
): Promise<z.output<typeof oauth1Schema>> {
  const ticket = await getTicket(client, context).catch((error: unknown) => {
    throw toSignInError(error);
  });
  const { token } = await client.library.getOauth1Token(ticket).catch((error: unknown) => {
    throw toConnectorError(error, { path: preauthorizedPath, pauseMs: signInPauseMs });
  });
  const parsed = oauth1Schema.safeParse({ ...token });
  if (parsed.success) return parsed.data;
  throw new ConnectorError(
    'bad_data',
    `Expected oauth_token from ${preauthorizedPath}, got an answer without it`,
  );
}

/** Signs in once with e-mail and password, saves both tokens, and resolves with their credential. */
export async function signIn(client: GarminClient, context: SignInContext): Promise<Credential> {
  const { tokens, signal } = context;
  await unlessAborted(loadConsumer(client), signal);
  const oauth1 = await withDeadline({ signal, timeoutMs: 4 * client.timeoutMs }, (giveUp) =>
    client.withSignal(giveUp, () => getOauth1(client, context)),
  ).catch((error: unknown) => {
    throw signal.aborted ? signal.reason : toConnectorError(error, { path });
  });
  // Saved at once: a sign-in is too precious to be done again because the next step failed.
  await tokens.save(oauth1Field, z.json().parse({ ...oauth1, domain: client.origins.domain }));
  const start = await unlessAborted(exchange(client, oauth1), signal);
  await tokens.save(oauth2Field, start.saved);
  return createOauthCredential(client, { tokens, oauth1, start });
}
