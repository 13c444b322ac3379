import { ConnectorError } from '@on-the-way/sdk';
import { z } from 'zod';
import type { GarminClient } from '../client.ts';
import { loadConsumer } from './consumer.ts';
import { refresh } from './di-token.ts';
import { claimsOf } from './jwt.ts';
import { post, type PlainAnswer } from './post.ts';
import { limitedRenewal } from './refusals.ts';
import { signInAgain } from './remedy.ts';
import type { Oauth1Token, OauthSession } from './saved-session.ts';

const path = '/oauth-service/oauth/exchange/user/2.0';
const marginSeconds = 60;
const mobileUserAgent = 'com.garmin.android.apps.connectmobile';

const answerSchema = z.object({
  access_token: z.string().min(1),
  refresh_token: z.string().min(1).optional().catch(undefined),
  expires_in: z.number(),
});

type BearerTokens = Pick<OauthSession, 'access_token' | 'refresh_token' | 'expires_at' | 'renew_at'>;

async function sendSigned(client: GarminClient, token: Oauth1Token): Promise<PlainAnswer> {
  const oauth = client.library.getOauthClient(await loadConsumer(client));
  const data: Record<string, string> = token.mfa_token ? { mfa_token: token.mfa_token } : {};
  const url = `${client.origins.api}${path}`;
  const key = { key: token.oauth_token, secret: token.oauth_token_secret };
  const signed = oauth.authorize({ url, method: 'POST', data }, key);
  const query = new URLSearchParams(
    Object.entries(signed).map(([name, value]): [string, string] => [name, String(value)]),
  );
  return post(client, {
    url: `${url}?${query.toString()}`,
    body: new URLSearchParams(data).toString(),
    headers: { 'User-Agent': mobileUserAgent, 'Content-Type': 'application/x-www-form-urlencoded' },
  });
}

/** Gets a bearer for an OAuth 1 token, signed by the library's OAuth client. */
async function exchangeOauth1(client: GarminClient, token: Oauth1Token): Promise<BearerTokens> {
  const answer = await sendSigned(client, token);
  const { status, json } = answer;
  if (status >= 200 && status < 300) return readBearer(json);
  const limited = limitedRenewal(answer);
  if (limited) throw limited;
  if (status === 408 || status >= 500) {
    throw new ConnectorError(
      'transient',
      `Expected a renewed session from ${path}, got HTTP ${status}: ask again later`,
      { status },
    );
  }
  throw new ConnectorError(
    'needs_user',
    `Expected Garmin to renew the session, got HTTP ${status}: the OAuth 1 token has ended. To go on, ${signInAgain}`,
    { status, cause: new Error(`HTTP ${status}`) },
  );
}

function readBearer(json: unknown): BearerTokens {
  const parsed = answerSchema.safeParse(json);
  if (!parsed.success) {
    throw new ConnectorError('bad_data', `Expected access_token and expires_in from ${path}, got neither`);
  }
  return bearerTokens(parsed.data);
}

function bearerTokens(answer: z.output<typeof answerSchema>): BearerTokens {
  const { access_token, refresh_token, expires_in: lifetime } = answer;
  const now = Math.floor(Date.now() / 1000);
  return {
    access_token,
    ...(refresh_token !== undefined && { refresh_token }),
    expires_at: now + lifetime,
    renew_at: now + lifetime - Math.min(marginSeconds, Math.floor(lifetime / 2)),
  };
}

/** The second way to a bearer, open where the first is refused; undefined where it is closed too. */
async function refreshInstead(
  client: GarminClient,
  current: OauthSession,
): Promise<BearerTokens | undefined> {
  const { refresh_token: refreshToken, access_token: bearer = '' } = current;
  const clientId = claimsOf(bearer).client_id;
  if (refreshToken === undefined || clientId === undefined) return undefined;
  try {
    const answer = await refresh(client, { refreshToken, clientId });
    if ('refused' in answer) return undefined;
    const expires_in = answer.expires_in ?? (claimsOf(answer.access_token).exp ?? 0) - Date.now() / 1000;
    return bearerTokens({ refresh_token: refreshToken, ...answer, expires_in: Math.floor(expires_in) });
  } catch (error) {
    // What the first way said is the better reason; a spent budget is no failure of this way.
    if (ConnectorError.is(error)) return undefined;
    throw error;
  }
}

/** The session with a renewed bearer. */
export async function renewOauth(client: GarminClient, current: OauthSession): Promise<OauthSession> {
  try {
    if (current.oauth1) return { ...current, ...(await exchangeOauth1(client, current.oauth1)) };
    throw new ConnectorError(
      'needs_user',
      `Expected an OAuth 1 token to renew the session with, got none: ${signInAgain}`,
    );
  } catch (error) {
    if (!ConnectorError.is(error) || !['needs_user', 'rate_limited'].includes(error.code)) throw error;
    const refreshed = await refreshInstead(client, current);
    if (!refreshed) throw error;
    return { ...current, ...refreshed };
  }
}
