import { randomUUID } from 'node:crypto';
import { openSigner, readClaims } from './jwt.ts';
import type { Claims, Signer } from './jwt.ts';
import { regionOf } from './region.ts';
import type { Region } from './region.ts';

/** Seconds. An access token lives 18 hours; a refresh token 30 days, and only until it is used. */
const ACCESS_SECONDS = 64_800;
const REFRESH_SECONDS = 2_591_999;
/** A bearer of the Personal API lives a day and has no refresh token. */
const PERSONAL_SECONDS = 86_400;

/** Tokens written by hand begin with this; they never expire by the clock. */
const BY_HAND = 'simulated-';

/** What the token endpoints answer. */
export interface TokenAnswer {
  readonly scope: string;
  readonly jti: string;
  readonly token_type: string;
  readonly access_token: string;
  readonly refresh_token: string;
  readonly expires_in: number;
  readonly refresh_token_expires_in: number;
}

/** Which endpoint gave a token out: the DI endpoint, or the exchange of an OAuth1 token. */
type Origin = 'di' | 'oauth2';

export interface IssueRequest {
  readonly clientId: string;
  /** Default 'di'. */
  readonly from?: Origin;
  /** Default the simulator's own. */
  readonly region?: Region;
}

/** `app` may read everything, `personal` what the Personal API serves, `foreign` belongs to the other region. */
export type Standing = 'app' | 'personal' | 'foreign' | 'inactive';

type Refreshed = { readonly issued: TokenAnswer } | { readonly refused: 'token' | 'client' | 'region' };

export interface TokenDeskOptions {
  readonly seed: string;
  readonly now: () => number;
  readonly region: Region | undefined;
  readonly accessSeconds?: number;
  readonly refreshSeconds?: number;
  /** Is the refresh token of an exchange taken at the DI endpoint? Default true. */
  readonly oauth2RefreshAtDi?: boolean;
}

export interface TokenDesk {
  /** A new access token with a new refresh token. */
  issue(request: IssueRequest): TokenAnswer;
  issuePersonal(): {
    readonly access_token: string;
    readonly token_type: string;
    readonly expires_in: number;
  };
  /** Exchanges a refresh token, which works once. */
  refresh(refreshToken: string, clientId: string): Refreshed;
  standingOf(accessToken: string): Standing;
  issueOAuth1(): { readonly token: string; readonly secret: string };
  acceptsOAuth1(token: string | undefined): boolean;
  /** Ends all tokens of the kinds given out so far. */
  end(uses: readonly TokenUse[]): void;
}

type TokenUse = 'access' | 'refresh' | 'oauth1';

interface Books {
  readonly signer: Signer;
  readonly seconds: () => number;
  readonly region: Region | undefined;
  /** Tokens of an earlier round than the current one of their use have ended. */
  readonly rounds: Record<TokenUse, number>;
}

/** Tokens written by hand are as old as the simulator: they end with the first round. */
function isValid({ signer, seconds, rounds }: Books, token: string, use: TokenUse): boolean {
  if (token.startsWith(BY_HAND)) return rounds[use] === 0;
  const found = signer.verify(token);
  if (found?.['use'] !== use || Number(found['round'] ?? 0) < rounds[use]) return false;
  return found['exp'] === undefined || Number(found['exp']) > seconds();
}

/** The other region's tokens are told by what they say of themselves: they are signed elsewhere. */
function isForeign({ region }: Books, claims: Claims): boolean {
  const issuer = regionOf(String(claims['iss']));
  return region !== undefined && issuer !== undefined && issuer !== region;
}

const issuerOf = (region: Region | undefined): string =>
  region === undefined ? 'garmin-simulator' : `https://diauth.${region}`;

function issueWith(books: Books, options: TokenDeskOptions, request: IssueRequest): TokenAnswer {
  const { clientId, from = 'di', region = books.region } = request;
  const { accessSeconds = ACCESS_SECONDS, refreshSeconds = REFRESH_SECONDS } = options;
  const { signer, seconds, rounds } = books;
  const jti = randomUUID();
  const base = { iss: issuerOf(region), jti, client_id: clientId, from, iat: seconds() };
  const sign = (use: TokenUse, life: number): string =>
    signer.sign({ ...base, use, round: rounds[use], exp: seconds() + life });
  return {
    scope: 'CONNECT_READ CONNECT_WRITE',
    jti,
    token_type: 'Bearer',
    access_token: sign('access', accessSeconds),
    refresh_token: sign('refresh', refreshSeconds),
    expires_in: accessSeconds,
    refresh_token_expires_in: refreshSeconds,
  };
}

function refuseRefresh(
  books: Books,
  options: TokenDeskOptions,
  { refreshToken, clientId }: { readonly refreshToken: string; readonly clientId: string },
): 'token' | 'client' | 'region' | undefined {
  const claims = readClaims(refreshToken);
  if (isForeign(books, claims)) return 'region';
  if (!isValid(books, refreshToken, 'refresh')) return 'token';
  if (claims['from'] === 'oauth2' && options.oauth2RefreshAtDi === false) return 'token';
  if (claims['client_id'] !== undefined && claims['client_id'] !== clientId) return 'client';
  return undefined;
}

export function openTokenDesk(options: TokenDeskOptions): TokenDesk {
  const { seed, now, region } = options;
  const signer = openSigner(seed);
  const seconds = (): number => Math.floor(now() / 1000);
  const books: Books = { signer, seconds, region, rounds: { access: 0, refresh: 0, oauth1: 0 } };
  const spent = new Set<string>();
  return {
    issue: (request) => issueWith(books, options, request),
    issuePersonal() {
      const claims = { iss: issuerOf(region), jti: randomUUID(), use: 'access', from: 'personal' };
      const times = { iat: seconds(), exp: seconds() + PERSONAL_SECONDS, round: books.rounds.access };
      const token = signer.sign({ ...claims, ...times });
      return { access_token: token, token_type: 'Bearer', expires_in: PERSONAL_SECONDS };
    },
    refresh(refreshToken, clientId) {
      const refused = refuseRefresh(books, options, { refreshToken, clientId });
      if (refused !== undefined) return { refused };
      if (spent.has(refreshToken)) return { refused: 'token' };
      spent.add(refreshToken);
      return { issued: issueWith(books, options, { clientId }) };
    },
    standingOf(accessToken) {
      const claims = readClaims(accessToken);
      if (isForeign(books, claims)) return 'foreign';
      if (!isValid(books, accessToken, 'access')) return 'inactive';
      return claims['from'] === 'personal' ? 'personal' : 'app';
    },
    issueOAuth1: () => ({
      token: signer.sign({ use: 'oauth1', jti: randomUUID(), round: books.rounds.oauth1 }),
      secret: randomUUID(),
    }),
    acceptsOAuth1: (token) => token !== undefined && isValid(books, token, 'oauth1'),
    end(uses) {
      for (const use of uses) books.rounds[use] += 1;
    },
  };
}
