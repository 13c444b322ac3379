import { Buffer } from 'node:buffer';
import { createHmac, randomUUID } from 'node:crypto';

/** Seconds. An access token lives 18 hours; a refresh token 30 days, and only until it is used. */
const ACCESS_SECONDS = 64_800;
const REFRESH_SECONDS = 2_591_999;

/** Tokens written by hand begin with this; they never expire. */
const BY_HAND = 'simulated-';

interface TokenAnswer {
  readonly scope: string;
  readonly jti: string;
  readonly token_type: string;
  readonly access_token: string;
  readonly refresh_token: string;
  readonly expires_in: number;
  readonly refresh_token_expires_in: number;
}

export interface TokenDesk {
  /** A new access token with a new refresh token. */
  issue(clientId: string): TokenAnswer;
  /** Exchanges a refresh token, which works once; undefined when it is unknown, expired or used. */
  refresh(refreshToken: string, clientId: string): TokenAnswer | undefined;
  accepts(accessToken: string): boolean;
  /** A single-use proof of a finished login. */
  issueTicket(): string;
  spendTicket(ticket: string | undefined): boolean;
  issueOAuth1(): { readonly token: string; readonly secret: string };
  acceptsOAuth1(token: string | undefined): boolean;
}

const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');

function decode(part: string | undefined): Record<string, unknown> {
  try {
    return JSON.parse(Buffer.from(part ?? '', 'base64url').toString('utf8')) as Record<string, unknown>;
  } catch {
    return {}; // whatever is not one of our tokens has no claims, and is refused for that
  }
}

/** Signed with the seed, so that a simulator started again still knows the tokens it gave out. */
function signer(seed: string) {
  const signature = (text: string): string =>
    createHmac('sha256', `garmin-simulator ${seed}`).update(text).digest('base64url');
  return {
    sign(claims: Record<string, unknown>): string {
      const text = `${encode({ alg: 'HS256', typ: 'JWT', kid: 'simulated' })}.${encode(claims)}`;
      return `${text}.${signature(text)}`;
    },
    claims(token: string): Record<string, unknown> | undefined {
      const [head, body, tail] = token.split('.');
      return tail === signature(`${head}.${body}`) ? decode(body) : undefined;
    },
  };
}

export function openTokenDesk(seed: string, now: () => number): TokenDesk {
  const { sign, claims } = signer(seed);
  const spent = new Set<string>();
  const tickets = new Set<string>();
  const seconds = (): number => Math.floor(now() / 1000);
  const valid = (token: string, use: string): boolean => {
    const found = claims(token);
    return found?.['use'] === use && Number(found['exp']) > seconds();
  };
  const issue = (clientId: string): TokenAnswer => {
    const jti = randomUUID();
    const base = { iss: 'garmin-simulator', jti, client_id: clientId, iat: seconds() };
    return {
      scope: 'CONNECT_READ CONNECT_WRITE',
      jti,
      token_type: 'Bearer',
      access_token: sign({ ...base, use: 'access', exp: seconds() + ACCESS_SECONDS }),
      refresh_token: sign({ ...base, use: 'refresh', exp: seconds() + REFRESH_SECONDS }),
      expires_in: ACCESS_SECONDS,
      refresh_token_expires_in: REFRESH_SECONDS,
    };
  };
  return {
    issue,
    refresh(refreshToken, clientId) {
      const known = refreshToken.startsWith(BY_HAND) || valid(refreshToken, 'refresh');
      if (!known || spent.has(refreshToken)) return undefined;
      spent.add(refreshToken);
      return issue(clientId);
    },
    accepts: (accessToken) => accessToken.startsWith(BY_HAND) || valid(accessToken, 'access'),
    issueTicket() {
      const ticket = `ST-simulated-${randomUUID()}-cas`;
      tickets.add(ticket);
      return ticket;
    },
    spendTicket: (ticket) => ticket !== undefined && tickets.delete(ticket),
    issueOAuth1: () => ({ token: sign({ use: 'oauth1', jti: randomUUID() }), secret: randomUUID() }),
    acceptsOAuth1: (token) =>
      token !== undefined && (token.startsWith(BY_HAND) || claims(token)?.['use'] === 'oauth1'),
  };
}
