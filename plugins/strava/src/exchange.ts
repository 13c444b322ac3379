import { ConnectorError } from '@on-the-way/sdk';
import { z } from 'zod';
import type { StravaConfig } from './config.ts';
import type { RateLimits } from './rate-limits.ts';
import { reasonsOf, refusalOf } from './refusals.ts';
import type { Answer, Transport } from './transport.ts';

/** What is exchanged for access. */
export type Grant =
  | { readonly grant_type: 'refresh_token'; readonly refresh_token: string }
  | { readonly grant_type: 'authorization_code'; readonly code: string };

/** Access for some hours, and what brings the next. */
export interface Access {
  readonly access: string;
  readonly refresh: string;
  /** Milliseconds since 1970, by our clock. */
  readonly expiresAt: number;
}

/** What an exchange needs of a session. */
export interface ExchangeParts {
  readonly config: StravaConfig;
  readonly transport: Transport;
  readonly limits: RateLimits;
  countRequest(): void;
}

const path = '/oauth/token';

const answered = z.object({
  access_token: z.string().min(1),
  refresh_token: z.string().min(1),
  expires_in: z.number(),
});

/**
 * Exchanges a grant for access; `refused` when Strava takes neither it nor any later try with it. Not aborted with a run:
 * an exchange that was begun may have used up the grant, so its answer must be read.
 *
 * @throws ConnectorError `config` for a client that Strava does not know, `transient` or `rate_limited` when it may be
 * tried again with the same grant, `bad_data` for an answer without tokens.
 */
export async function exchange(
  { config, transport, limits, countRequest }: ExchangeParts,
  grant: Grant,
): Promise<Access | 'refused'> {
  const { clientId, clientSecret } = config;
  const body = new URLSearchParams({ client_id: clientId, client_secret: clientSecret, ...grant });
  countRequest();
  const answer = await transport.send({
    method: 'POST',
    path,
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: body.toString(),
  });
  if (answer.status === 429) throw limits.refusal(answer, path);
  if (answer.status === 200) return accessOf(answer);
  if (isGrantRefused(answer)) return 'refused';
  throw isClientRefused(answer) ? clientRefused(answer) : refusalOf(answer, path);
}

function accessOf({ text }: Answer): Access {
  let parsed: z.ZodSafeParseResult<z.output<typeof answered>> | undefined;
  try {
    parsed = answered.safeParse(JSON.parse(text));
  } catch {
    // The reason would quote the body, which may hold a token.
    parsed = undefined;
  }
  if (!parsed?.success) {
    throw new ConnectorError(
      'bad_data',
      `Expected access_token, refresh_token and expires_in from ${path}, got something else`,
    );
  }
  const { access_token: access, refresh_token: refresh, expires_in: seconds } = parsed.data;
  return { access, refresh, expiresAt: Date.now() + seconds * 1000 };
}

function isGrantRefused(answer: Answer): boolean {
  if (answer.status !== 400 && answer.status !== 401) return false;
  return reasonsOf(answer).some(({ resource }) => ['RefreshToken', 'AuthorizationCode'].includes(resource));
}

function isClientRefused(answer: Answer): boolean {
  if (answer.status !== 400 && answer.status !== 401) return false;
  return reasonsOf(answer).some(({ resource }) => resource === 'Application');
}

function clientRefused({ status }: Answer): ConnectorError {
  return new ConnectorError(
    'config',
    'Expected clientId and clientSecret of a Strava application, Strava does not know them: copy both from ' +
      'https://www.strava.com/settings/api',
    { status },
  );
}
