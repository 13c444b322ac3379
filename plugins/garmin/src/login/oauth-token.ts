import { ConnectorError, type JsonValue, type LoginContext } from '@on-the-way/sdk';
import { z } from 'zod';
import { withDeadline } from '../abort.ts';
import type { GarminClient } from '../client.ts';
import { statusOf, toConnectorError } from '../map-error.ts';
import { loadConsumer } from './consumer.ts';
import { createCredential, type BearerState, type Credential } from './credential.ts';
import { describeSignIn } from './remedy.ts';

/** Fields of the token store, and names of garth's and garmin-connect's files. */
export const oauth1Field = 'oauth1_token';
/** See {@link oauth1Field}. */
export const oauth2Field = 'oauth2_token';

const path = '/oauth-service/oauth/exchange/user/2.0';
const marginMs = 60_000;
// A refused sign-in blocks the account for hours, and longer with every further try.
const signInPauseMs = 2 * 3_600_000;
const mobileUserAgent = 'com.garmin.android.apps.connectmobile';

/** What garth and garmin-connect save. The token of a sign-in with a code also has `mfa_token`. */
export const oauth1Schema = z.looseObject({
  oauth_token: z.string().min(1),
  oauth_token_secret: z.string().min(1),
  mfa_token: z.string().nullish(),
  domain: z.string().nullish(),
});
const oauth2Schema = z.looseObject({
  access_token: z.string().min(1),
  expires_at: z.number().nullish().catch(undefined),
});
const answerSchema = z.looseObject({
  access_token: z.string().min(1),
  expires_in: z.number(),
  refresh_token_expires_in: z.number().optional(),
});

/** A long-lived OAuth 1 token. */
export type Oauth1Token = z.output<typeof oauth1Schema>;

interface OauthState extends BearerState {
  readonly saved: JsonValue;
}

type TokenContext = Pick<LoginContext<unknown>, 'tokens' | 'log'>;

function toExchangeError(error: unknown): unknown {
  const mapped = toConnectorError(error, { path, pauseMs: signInPauseMs });
  const status = statusOf(error);
  const isRefused = status !== undefined && status >= 400 && status < 500 && status !== 408;
  if (!isRefused || (ConnectorError.is(mapped) && mapped.code === 'rate_limited')) return mapped;
  return new ConnectorError(
    'needs_user',
    `Expected Garmin to renew the saved session, got HTTP ${status}: the OAuth 1 token has ended. ${describeSignIn}`,
    { status, cause: new Error(`HTTP ${status}`) },
  );
}

/** Gets a bearer for an OAuth 1 token, signed by the library's OAuth client. */
export async function exchange(client: GarminClient, token: Oauth1Token): Promise<OauthState> {
  const { library, origins, timeoutMs } = client;
  const oauth = library.getOauthClient(await loadConsumer(client));
  const data: Record<string, string> = token.mfa_token ? { mfa_token: token.mfa_token } : {};
  const url = `${origins.api}${path}`;
  const key = { key: token.oauth_token, secret: token.oauth_token_secret };
  const signed = oauth.authorize({ url, method: 'POST', data }, key);
  const query = new URLSearchParams(
    Object.entries(signed).map(([name, value]): [string, string] => [name, String(value)]),
  );
  const headers = { 'User-Agent': mobileUserAgent, 'Content-Type': 'application/x-www-form-urlencoded' };
  const form = new URLSearchParams(data).toString();
  const answer = await withDeadline({ timeoutMs }, (signal) =>
    library.post<unknown>(`${url}?${query.toString()}`, form, { headers, signal }),
  ).catch((error: unknown) => {
    throw toExchangeError(error);
  });
  const parsed = answerSchema.safeParse(answer);
  if (!parsed.success) {
    throw new ConnectorError('bad_data', `Expected access_token and expires_in from ${path}, got neither`);
  }
  return stateOf(parsed.data);
}

function stateOf(answer: z.output<typeof answerSchema>): OauthState {
  const nowSeconds = Math.floor(Date.now() / 1000);
  const { access_token: bearer, expires_in: lifetime, refresh_token_expires_in: refreshLifetime } = answer;
  const saved = {
    ...answer,
    expires_at: nowSeconds + lifetime,
    ...(refreshLifetime !== undefined && { refresh_token_expires_at: nowSeconds + refreshLifetime }),
  };
  const margin = Math.min(marginMs, (lifetime * 1000) / 2);
  return { bearer, renewAtMs: Date.now() + lifetime * 1000 - margin, saved: z.json().parse(saved) };
}

/** A credential over an OAuth 1 token and, if there is one already, a bearer. */
export function createOauthCredential(
  client: GarminClient,
  {
    tokens,
    oauth1,
    start,
  }: Pick<TokenContext, 'tokens'> & { oauth1: Oauth1Token | undefined; start: BearerState },
): Credential {
  return createCredential<OauthState>(
    { ...start, saved: null },
    {
      request: async () => {
        if (oauth1) return exchange(client, oauth1);
        throw new ConnectorError(
          'needs_user',
          `Expected ${oauth1Field} to renew the session with, got none, and ${oauth2Field} has ended. ${describeSignIn}`,
        );
      },
      save: ({ saved }) => tokens.save(oauth2Field, saved),
    },
  );
}

function checkRegion(
  oauth1: Oauth1Token | undefined,
  { domain, areLoopback }: GarminClient['origins'],
): void {
  if (!oauth1?.domain || oauth1.domain === domain || areLoopback) return;
  throw new ConnectorError(
    'config',
    `Expected tokens of ${domain}, got tokens of another region: set GARMIN_IS_CN (isChina) to ${domain === 'garmin.com'}`,
  );
}

/** The credential of saved OAuth tokens, or undefined when none are saved. */
export async function loadOauthCredential(
  client: GarminClient,
  { tokens, log }: TokenContext,
): Promise<Credential | undefined> {
  const [saved1, saved2] = [await tokens.load(oauth1Field), await tokens.load(oauth2Field)];
  if ((saved1 ?? saved2 ?? null) === null) return undefined;
  const oauth1 = oauth1Schema.safeParse(saved1).data;
  const oauth2 = oauth2Schema.safeParse(saved2).data;
  if (!oauth1 && !oauth2) {
    log.warn(`Expected tokens in ${oauth1Field} and ${oauth2Field}, got neither: replace the files`);
    return undefined;
  }
  checkRegion(oauth1, client.origins);
  const renewAtMs = oauth2?.expires_at ? oauth2.expires_at * 1000 - marginMs : Number.POSITIVE_INFINITY;
  return createOauthCredential(client, {
    tokens,
    oauth1,
    start: { bearer: oauth2?.access_token ?? '', renewAtMs },
  });
}
