import { ConnectorError } from '@on-the-way/sdk';
import { z } from 'zod';
import type { GarminClient } from '../client.ts';
import { claimsOf } from './jwt.ts';
import { post, type PlainAnswer } from './post.ts';
import { limitedRenewal, limitedSignIn } from './refusals.ts';
import { otherRegionHint, signInAgain } from './remedy.ts';
import type { DiSession, SavedSession } from './saved-session.ts';

const path = '/di-oauth2-service/oauth/token';
// Garmin's clients renew a quarter of an hour early.
const marginSeconds = 900;
// The refresh token is spent by the request: the next one is lost with an answer that is given up too early.
const patientMs = 45_000;
// Newest first; the app's own, of which an account may know some only.
const clientIds = [
  'GARMIN_CONNECT_MOBILE_ANDROID_DI_2025Q2',
  'GARMIN_CONNECT_MOBILE_ANDROID_DI_2024Q4',
  'GARMIN_CONNECT_MOBILE_ANDROID_DI',
  'GARMIN_CONNECT_MOBILE_IOS_DI',
] as const;
// A name rather than an address: it is the same in both regions.
const ticketGrant = 'https://connectapi.garmin.com/di-oauth2-service/oauth/grant/service_ticket';

const answerSchema = z.object({
  access_token: z.string().min(1),
  refresh_token: z.string().min(1).optional(),
  expires_in: z.number().positive().optional().catch(undefined),
});

/** What the token service gave. */
export type TokenAnswer = z.output<typeof answerSchema>;

interface TokenRequest {
  readonly clientId: string;
  readonly form: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal | undefined;
  readonly timeoutMs?: number;
}

async function send(client: GarminClient, { clientId, form, ...rest }: TokenRequest): Promise<PlainAnswer> {
  return post(client, {
    url: `${client.origins.auth}${path}`,
    body: new URLSearchParams({ client_id: clientId, ...form }).toString(),
    headers: {
      ...client.headers,
      Accept: 'application/json,text/html;q=0.9,*/*;q=0.8',
      'Cache-Control': 'no-cache',
      'Content-Type': 'application/x-www-form-urlencoded',
      Authorization: `Basic ${Buffer.from(`${clientId}:`).toString('base64')}`,
    },
    ...rest,
  });
}

function readToken({ status, json }: PlainAnswer): TokenAnswer | undefined {
  if (status < 200 || status > 299) return undefined;
  const parsed = answerSchema.safeParse(json);
  if (parsed.success) return parsed.data;
  throw new ConnectorError('bad_data', `Expected access_token from ${path}, got an answer without it`);
}

function failureOf(answer: PlainAnswer, client: GarminClient): ConnectorError | undefined {
  const { status, text } = answer;
  const { domain } = client.origins;
  if (status === 408 || status >= 500) {
    return new ConnectorError(
      'transient',
      `Expected a token from ${path}, got HTTP ${status}: ask again later`,
      {
        status,
      },
    );
  }
  if (/User doesn't exist/i.test(text)) {
    return new ConnectorError(
      'config',
      `Expected an account of ${domain}, got one of the other region: ${otherRegionHint(domain)}, and ${signInAgain}`,
      { status },
    );
  }
  return undefined;
}

/** When a token ends and when to renew it, in seconds since 1970. */
function timesOf({ access_token: token, expires_in: lifetime }: TokenAnswer): {
  expires_at?: number;
  renew_at?: number;
} {
  const now = Date.now() / 1000;
  const expires = claimsOf(token).exp ?? (lifetime === undefined ? undefined : now + lifetime);
  if (expires === undefined) return {};
  // A token that has just come may live shorter than the margin; renewing it at once would never end.
  return {
    expires_at: Math.floor(expires),
    renew_at: Math.floor(expires - Math.min(marginSeconds, Math.max(0, (expires - now) / 2))),
  };
}

/** Gives a ticket of a finished sign-in for tokens. `source` where no client id is accepted. */
export async function exchangeTicket(
  client: GarminClient,
  { ticket, serviceUrl, signal }: { ticket: string; serviceUrl: string; signal: AbortSignal },
): Promise<DiSession> {
  let status = 0;
  for (const clientId of clientIds) {
    const form = { service_ticket: ticket, grant_type: ticketGrant, service_url: serviceUrl };
    const answer = await send(client, { clientId, form, signal });
    const token = readToken(answer);
    if (token) return sessionOf(token, { region: client.origins.domain, clientId });
    const failure = limitedSignIn(answer) ?? failureOf(answer, client);
    if (failure) throw failure;
    status = answer.status;
  }
  throw new ConnectorError(
    'source',
    `Expected tokens for the ticket, got HTTP ${status}: a ticket is good once and for minutes only, so ${signInAgain}`,
    { status },
  );
}

function sessionOf(
  token: TokenAnswer,
  { region, clientId }: { region: SavedSession['region']; clientId: string },
): DiSession {
  const { access_token, refresh_token } = token;
  return {
    kind: 'di',
    region,
    access_token,
    ...(refresh_token !== undefined && { refresh_token }),
    client_id: claimsOf(access_token).client_id ?? clientId,
    ...timesOf(token),
  };
}

/** Asks for the next token. Resolves with the status where the refresh token is refused. */
export async function refresh(
  client: GarminClient,
  { refreshToken, clientId }: { readonly refreshToken: string; readonly clientId: string },
): Promise<TokenAnswer | { readonly refused: number }> {
  const form = { grant_type: 'refresh_token', refresh_token: refreshToken };
  const timeoutMs = Math.max(client.timeoutMs, patientMs);
  const answer = await send(client, { clientId, form, timeoutMs });
  const token = readToken(answer);
  if (token) return token;
  const failure = limitedRenewal(answer) ?? failureOf(answer, client);
  if (failure) throw failure;
  return { refused: answer.status };
}

/** The session with renewed tokens. */
export async function renewDi(client: GarminClient, current: DiSession): Promise<DiSession> {
  const { refresh_token: refreshToken, access_token: bearer = '' } = current;
  const clientId = current.client_id ?? claimsOf(bearer).client_id ?? clientIds[0];
  if (refreshToken === undefined) {
    throw new ConnectorError(
      'needs_user',
      `Expected a refresh token to renew the session with, got none: ${signInAgain}`,
    );
  }
  const answer = await refresh(client, { refreshToken, clientId });
  if (!('refused' in answer)) {
    return {
      ...current,
      ...sessionOf({ refresh_token: refreshToken, ...answer }, { region: current.region, clientId }),
    };
  }
  throw new ConnectorError(
    'needs_user',
    `Expected Garmin to renew the session, got HTTP ${answer.refused}: it has ended. To go on, ${signInAgain}`,
    { status: answer.refused, cause: new Error(`HTTP ${answer.refused}`) },
  );
}
