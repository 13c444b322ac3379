import { createHash } from 'node:crypto';
import { ConnectorError, type JsonValue, type Tokens } from '@on-the-way/sdk';
import { z } from 'zod';
import type { StravaConfig } from './config.ts';
import { exchange, type Access, type ExchangeParts } from './exchange.ts';
import { giveAccess } from './refusals.ts';

/** The one field of tokens. */
export const field = 'session';
// A request under way should not meet the end of its access.
const earlyMs = 60_000;

const savedSchema = z.object({
  access: z.string().default(''),
  refresh: z.string(),
  expiresAt: z.number().default(0),
  /** Digest of the refresh token that was configured when this was saved; empty without one. */
  configured: z.string().default(''),
  /** Strava refused the refresh token: asking again is of no use. */
  refused: z.boolean().default(false),
});

type Saved = z.output<typeof savedSchema>;

/** What is needed to get access and to keep it. */
export interface AccessParts extends ExchangeParts {
  readonly tokens: Tokens;
}

/** Access to Strava that is renewed when it ends. */
export interface AccessKeeper {
  /** A token that should be good. Rejects with the signal's reason as soon as that is aborted. */
  get(signal: AbortSignal): Promise<string>;
  /** Another token than the one that was refused; many callers at once cost one exchange. */
  renew(refused: string, signal: AbortSignal): Promise<string>;
  /** Resolves when no renewal is under way any more. */
  settled(): Promise<void>;
}

function digestOf({ refreshToken }: StravaConfig): string {
  if (refreshToken === undefined) return '';
  return createHash('sha256').update(refreshToken).digest('hex').slice(0, 16);
}

/** New access as it is saved. */
export function savedOf(access: Access, config: StravaConfig): JsonValue {
  return { ...access, configured: digestOf(config) };
}

function needsUser(found: string): ConnectorError {
  return new ConnectorError(
    'needs_user',
    `Expected a refresh token that Strava takes, got ${found}: ${giveAccess}`,
  );
}

/** What to go on with: what is saved, unless another refresh token was configured since. */
function usable(config: StravaConfig, value: JsonValue | undefined): Saved {
  const { data: saved } = savedSchema.safeParse(value);
  const configured = digestOf(config);
  if (saved && (configured === '' || configured === saved.configured)) return saved;
  if (config.refreshToken === undefined) throw needsUser('none');
  return { access: '', refresh: config.refreshToken, expiresAt: 0, configured, refused: false };
}

function isGood({ access, expiresAt }: Saved): boolean {
  return access !== '' && Date.now() < expiresAt - earlyMs;
}

async function renewed(parts: AccessParts, refused: string): Promise<Saved> {
  const value = await parts.tokens.update(field, async (current) => {
    const saved = usable(parts.config, current);
    // Somebody else has renewed it meanwhile, or nobody ever will.
    if (saved.refused || (isGood(saved) && saved.access !== refused)) return undefined;
    const next = await exchange(parts, { grant_type: 'refresh_token', refresh_token: saved.refresh });
    return next === 'refused' ? { ...saved, refused: true } : { ...(savedOf(next, parts.config) as object) };
  });
  const saved = usable(parts.config, value);
  if (saved.refused) throw needsUser('one that was refused');
  return saved;
}

async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const onAbort = (): void => reject(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  if (signal.aborted) onAbort();
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

/** Keeps the access of one session. */
export function keepAccess(parts: AccessParts): AccessKeeper {
  let current: Saved | undefined;
  let renewal: Promise<Saved> | undefined;
  const renew = async (refused: string, signal: AbortSignal): Promise<string> => {
    renewal ??= renewed(parts, refused).finally(() => (renewal = undefined));
    // Its answer holds a token that was not there before: it goes on when a caller is aborted.
    current = await unlessAborted(renewal, signal);
    return current.access;
  };
  return {
    renew: async (refused, signal) =>
      current && isGood(current) && current.access !== refused ? current.access : renew(refused, signal),
    async get(signal) {
      current ??= usable(parts.config, await parts.tokens.load(field));
      return isGood(current) ? current.access : renew(current.access, signal);
    },
    settled: async () => void (await Promise.allSettled([renewal])),
  };
}
