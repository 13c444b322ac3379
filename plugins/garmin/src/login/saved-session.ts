import { createHash } from 'node:crypto';
import { ConnectorError, type JsonValue, type Tokens } from '@on-the-way/sdk';
import { z } from 'zod';
import type { Region } from '../config.ts';
import { otherRegionHint, signInAgain } from './remedy.ts';

/** The field of the token store that holds the session. */
const field = 'session';

const instant = z.string().optional();

const common = {
  /** The tokens belong to this region alone. */
  region: z.enum(['garmin.com', 'garmin.cn']),
  /** Whose tokens they are; until the profile was read, whose they must be, where that is known. */
  profileId: z.string().optional(),
  /** {@link accountOf} the e-mail address that was configured then. */
  account: z.string().optional(),
  /** When the profile was first read with them; absent until then. */
  verified_at: instant,
  /** Others made them; there until the profile has shown whose they are. */
  handed_over: z.literal(true).optional(),
  /** A renewal was begun then, and is not known to have ended. */
  renewal_began_at: instant,
  /** Why Garmin will never renew them again. */
  dead: z.string().optional(),
  /** Digest of the token file they were read from. */
  imported: z.string().optional(),
  /** Seconds since 1970; absent where that is not known. */
  expires_at: z.number().optional(),
  /** When to renew it, in seconds since 1970. */
  renew_at: z.number().optional(),
  access_token: z.string().optional(),
  refresh_token: z.string().optional(),
};

const oauth1 = z.object({
  oauth_token: z.string().min(1),
  oauth_token_secret: z.string().min(1),
  mfa_token: z.string().optional(),
});

const schema = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('di'), ...common, client_id: z.string().optional() }),
  z.object({ kind: z.literal('oauth'), ...common, oauth1: oauth1.optional() }),
]);

/** A long-lived OAuth 1 token; that of a sign-in with a code also has `mfa_token`. */
export type Oauth1Token = z.output<typeof oauth1>;
/** What is kept between runs: tokens, and what they are bound to. */
export type SavedSession = z.output<typeof schema>;
/** Tokens of the app's own kind. */
export type DiSession = Extract<SavedSession, { kind: 'di' }>;
/** Tokens as garth and garmin-connect have them. */
export type OauthSession = Extract<SavedSession, { kind: 'oauth' }>;

/** The first 12 hex digits of the SHA-256 of an e-mail address, trimmed and in lower case. */
export function accountOf(email: string): string {
  return createHash('sha256').update(email.trim().toLowerCase()).digest('hex').slice(0, 12);
}

/** The session in a stored value; undefined where none is stored. Throws `needs_user` for anything else. */
export function parseSession(value: JsonValue | undefined): SavedSession | undefined {
  if (value === undefined || value === null) return undefined;
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  // Without a cause: zod's issues may quote a token.
  throw new ConnectorError(
    'needs_user',
    `Expected a session in the field ${field}, got something else. ${signInAgain}`,
  );
}

/** What is saved now. */
export async function loadSession(tokens: Tokens): Promise<SavedSession | undefined> {
  return parseSession(await tokens.load(field));
}

/** Replaces what is saved while nobody else can; see `Tokens.update`. Null forgets it. */
export async function updateSession(
  tokens: Tokens,
  change: (current: SavedSession | undefined) => Promise<SavedSession | null | undefined>,
): Promise<SavedSession | undefined> {
  const saved = await tokens.update(field, async (current) => {
    const next = await change(parseSession(current));
    return next === undefined ? undefined : z.json().parse(next);
  });
  return parseSession(saved);
}

/** Replaces whatever is saved, also what cannot be read. */
export async function replaceSession(tokens: Tokens, next: SavedSession | undefined): Promise<void> {
  await tokens.update(field, async () => (next === undefined ? null : z.json().parse(next)));
}

/** Throws `config` unless a session belongs to the configured region and account. */
export function checkBinding(
  saved: SavedSession,
  { region, email }: { readonly region: Region; readonly email: string | undefined },
): void {
  if (saved.region !== region) {
    throw new ConnectorError(
      'config',
      `Expected a session of ${region}, got one of the other region: ${otherRegionHint(region)}, or ${signInAgain}`,
    );
  }
  if (saved.account !== undefined && email !== undefined && saved.account !== accountOf(email)) {
    throw new ConnectorError(
      'config',
      'Expected a session of the account in GARMIN_EMAIL (email), got one of another account: ' +
        `set it back, or give this account a connection of its own, or ${signInAgain}`,
    );
  }
}
