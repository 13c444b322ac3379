import { ConnectorError, type LoginContext } from '@on-the-way/sdk';
import type { GarminClient } from '../client.ts';
import type { GarminConfig } from '../config.ts';
import type { GarminApi } from '../garmin-api.ts';
import { isSomeoneElse, readProfile, type Profile } from '../session.ts';
import { createCredential, type Credential } from './credential.ts';
import { signInAgain } from './remedy.ts';
import {
  accountOf,
  checkBinding,
  loadSession,
  replaceSession,
  updateSession,
  type SavedSession,
} from './saved-session.ts';
import { remember, updateMemory } from './sign-in-memory.ts';

/** What every way in works with. */
export interface LoginParts {
  readonly client: GarminClient;
  readonly context: LoginContext<GarminConfig>;
  /** Makes what asks `origin` with a credential. */
  readonly makeApi: (credential: Credential, origin: string) => GarminApi;
}

/** A session that was proven good, and whose it is. */
export interface OpenedSession {
  readonly api: GarminApi;
  readonly profile: Profile;
}

/** How a session that is new here came: what others made must be of the configured account. */
export type NewSessionWay = 'password' | 'handed over';

/** Garmin or we refuse the tokens; time does not mend it. */
export function isRefusal(error: unknown): error is ConnectorError {
  return ConnectorError.is(error) && (error.code === 'needs_user' || error.code === 'auth');
}

function checkAccount(profile: Profile, { context }: LoginParts, way: NewSessionWay | undefined): void {
  const { config, log } = context;
  if (!isSomeoneElse(config.email, profile.userName)) return;
  if (way !== 'handed over') {
    log.warn('the account signed in has another address than GARMIN_EMAIL, under which its rows are filed');
    return;
  }
  throw new ConnectorError(
    'config',
    'Expected tokens of the account in GARMIN_EMAIL (email), got tokens of another account: set GARMIN_EMAIL to its ' +
      'address, or hand over tokens of the right one. Nothing was saved',
  );
}

async function bind(profile: Profile, { context }: LoginParts): Promise<void> {
  const { config, tokens } = context;
  const account = config.email === undefined ? {} : { account: accountOf(config.email) };
  const { profileId } = profile;
  await updateSession(tokens, async (saved) => {
    if (!saved) return undefined;
    const isBound =
      saved.verified_at !== undefined &&
      (profileId === undefined || saved.profileId === profileId) &&
      (account.account === undefined || saved.account === account.account);
    if (isBound) return undefined;
    const verified_at = saved.verified_at ?? new Date().toISOString();
    return { ...saved, ...account, ...(profileId !== undefined && { profileId }), verified_at };
  });
}

function needsBinding(saved: SavedSession, profile: Profile, email: string | undefined): boolean {
  if (saved.verified_at === undefined) return true;
  if (saved.profileId === undefined && profile.profileId !== undefined) return true;
  return saved.account === undefined && email !== undefined;
}

/**
 * Opens what is saved: checks region and account before a request, reads the profile, and binds what was
 * not bound. Throws `needs_user` for a dead session, `auth` where the profile is someone else's.
 */
export async function openSaved(
  parts: LoginParts,
  saved: SavedSession,
  way?: NewSessionWay,
): Promise<OpenedSession> {
  const { client, context, makeApi } = parts;
  const { config, tokens, signal } = context;
  checkBinding(saved, { region: client.origins.domain, email: config.email });
  if (saved.dead !== undefined) throw new ConnectorError('needs_user', saved.dead);
  const api = makeApi(createCredential(client, { tokens, start: saved }), client.origins.api);
  const profile = await readProfile(api, { isChina: config.isChina, signal });
  if (
    saved.profileId !== undefined &&
    profile.profileId !== undefined &&
    saved.profileId !== profile.profileId
  ) {
    throw new ConnectorError(
      'auth',
      `Expected the profile this session was made for, got another one: ${signInAgain}`,
    );
  }
  checkAccount(profile, parts, way);
  if (needsBinding(saved, profile, config.email)) await bind(profile, parts);
  return { api, profile };
}

async function loadPrevious(parts: LoginParts): Promise<SavedSession | undefined> {
  try {
    return await loadSession(parts.context.tokens);
  } catch (error) {
    // What cannot be read is no loss: it is being replaced.
    if (isRefusal(error)) return undefined;
    throw error;
  }
}

function inactive(status: number | undefined): ConnectorError {
  return new ConnectorError(
    'needs_user',
    'Expected the new session to open the profile, but Garmin answers that its token is not active, as it does for ' +
      'some accounts. The token was removed. Try `npx otw login garmin --ticket`, or a Personal API key',
    status === undefined ? {} : { status },
  );
}

/**
 * Takes a new session: saved at once, as a sign-in is too precious to be done again, then tried out and
 * bound. One that is refused is removed, and what was there before comes back.
 */
export async function accept(
  parts: LoginParts,
  session: SavedSession,
  way: NewSessionWay,
): Promise<OpenedSession> {
  const { tokens } = parts.context;
  const previous = await loadPrevious(parts);
  await replaceSession(tokens, session);
  try {
    return await openSaved(parts, session, way);
  } catch (error) {
    const isRefused = isRefusal(error) || (ConnectorError.is(error) && error.code === 'config');
    if (!isRefused) throw error;
    await replaceSession(tokens, previous);
    throw error.code === 'auth' && error.status === 401 ? inactive(error.status) : error;
  }
}

/**
 * Takes the first of several sessions read from token files that Garmin accepts; remembers those it
 * refuses, which are not tried again without a person. Throws what the first one was refused with.
 */
export async function acceptFirst(
  parts: LoginParts,
  sessions: readonly SavedSession[],
): Promise<OpenedSession | { readonly refusal: ConnectorError | undefined }> {
  let refusal: ConnectorError | undefined;
  for (const session of sessions) {
    try {
      return await accept(parts, session, 'handed over');
    } catch (error) {
      if (!isRefusal(error)) throw error;
      refusal ??= error;
      parts.context.log.info('Tokens from a file are not accepted', { code: error.code });
      await rememberDead(parts, session);
    }
  }
  return { refusal };
}

/** Remembers that the file a session was read from is of no more use. */
export async function rememberDead({ context }: LoginParts, { imported }: SavedSession): Promise<void> {
  if (imported === undefined) return;
  await updateMemory(context.tokens, ({ dead_files: dead }) =>
    dead.includes(imported) ? undefined : { dead_files: remember(dead, imported) },
  );
}
