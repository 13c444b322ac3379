import { createHash } from 'node:crypto';

/** What the token endpoint answers. */
interface TokenAnswer {
  readonly status: number;
  readonly body: unknown;
}

/** Tokens of all athletes: access that ends, refresh tokens that work once. */
export interface TokenService {
  /** `POST /oauth/token`. */
  exchange(form: URLSearchParams): TokenAnswer;
  /** Whose access token it is, while it is good. */
  athleteOf(bearer: string): number | undefined;
  /** The refresh token that works now. */
  refreshToken(athlete: number): string;
  /** A code as a browser is given one; it works once. */
  authorize(athlete: number): string;
  /** Ends all access that was given so far. */
  expireAccess(): void;
  /** Ends refresh tokens too, as when a person takes access away. */
  revoke(): void;
}

interface Parts {
  readonly clientId: string;
  readonly clientSecret: string;
  readonly athletes: readonly number[];
  readonly accessSeconds: number;
  now(): number;
}

function refusal(resource: string, field: string): TokenAnswer {
  return { status: 400, body: { message: 'Bad Request', errors: [{ resource, field, code: 'invalid' }] } };
}

const hex = (text: string): string => createHash('sha1').update(text).digest('hex');

/** Every refresh gives a new refresh token and ends the one before it. */
export function createTokenService({
  clientId,
  clientSecret,
  athletes,
  accessSeconds,
  now,
}: Parts): TokenService {
  const refreshOf = new Map<number, string>();
  const codes = new Map<string, number>();
  const access = new Map<string, { readonly athlete: number; readonly until: number }>();
  let made = 0;
  const make = (kind: string): string => hex(`simulated ${kind} ${(made += 1)}`);
  for (const athlete of athletes) refreshOf.set(athlete, make('refresh'));

  function answer(athlete: number): TokenAnswer {
    const token = make('access');
    const until = Math.floor(now() / 1000) + accessSeconds;
    access.set(token, { athlete, until });
    const refresh = make('refresh');
    refreshOf.set(athlete, refresh);
    const body = {
      token_type: 'Bearer',
      access_token: token,
      expires_at: until,
      expires_in: accessSeconds,
      refresh_token: refresh,
    };
    return { status: 200, body };
  }

  function byCode(code: string): TokenAnswer {
    const athlete = codes.get(code);
    codes.delete(code);
    return athlete === undefined ? refusal('AuthorizationCode', 'code') : answer(athlete);
  }

  function byRefreshToken(token: string): TokenAnswer {
    const athlete = athletes.find((one) => refreshOf.get(one) === token);
    return athlete === undefined ? refusal('RefreshToken', 'refresh_token') : answer(athlete);
  }

  return {
    exchange(form) {
      const of = (name: string): string => form.get(name) ?? '';
      if (of('client_id') !== clientId) return refusal('Application', 'client_id');
      if (of('client_secret') !== clientSecret) return refusal('Application', 'client_secret');
      if (of('grant_type') === 'authorization_code') return byCode(of('code'));
      if (of('grant_type') === 'refresh_token') return byRefreshToken(of('refresh_token'));
      return refusal('Application', 'grant_type');
    },
    athleteOf(bearer) {
      const found = access.get(bearer);
      return found && found.until > now() / 1000 ? found.athlete : undefined;
    },
    refreshToken: (athlete) => refreshOf.get(athlete) ?? '',
    authorize(athlete) {
      const code = make('code');
      codes.set(code, athlete);
      return code;
    },
    expireAccess: () => access.clear(),
    revoke() {
      access.clear();
      refreshOf.clear();
    },
  };
}
