import { ConnectorError, type LoginContext } from '@on-the-way/sdk';
import type { GarminClient } from '../client.ts';
import type { GarminConfig } from '../config.ts';
import type { GarminApi } from '../garmin-api.ts';
import { isSomeoneElse, readProfile, type Profile } from '../session.ts';
import { createCredential, type Credential } from './credential.ts';
import { describeEnd, signInAgain } from './remedy.ts';
import {
  accountOf,
  checkBinding,
  loadSession,
  replaceSession,
  updateSession,
  type SavedSession,
} from './saved-session.ts';
import { remember } from './sign-in-memory.ts';

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

/** How a session that is new here came: what others made (a ticket, an import) must be of the configured account. */
export type NewSessionWay = 'password' | 'ticket' | 'import';

/** Garmin or we refuse the tokens; time does not mend it. */
export function isRefusal(error: unknown): error is ConnectorError {
  return ConnectorError.is(error) && (error.code === 'needs_user' || error.code === 'auth');
}

/** Whether others made the tokens, and no profile has shown yet whose they are. */
function isUntried(saved: SavedSession | undefined): boolean {
  return saved?.handed_over === true && saved.verified_at === undefined;
}

/** Throws unless the tokens are of this connection's account; for tokens that others made that is `config`. */
function checkAccount(saved: SavedSession, profile: Profile, { context }: LoginParts): void {
  const { config, log } = context;
  const isOtherProfile =
    saved.profileId !== undefined && profile.profileId !== undefined && saved.profileId !== profile.profileId;
  const isOtherAddress = isSomeoneElse(config.email, profile.userName);
  if (isUntried(saved) && (isOtherProfile || isOtherAddress)) {
    throw new ConnectorError(
      'config',
      'Expected tokens of the account in GARMIN_EMAIL (email), got tokens of another account: set GARMIN_EMAIL to its ' +
        'address, or hand over tokens of the right one. These were not kept',
    );
  }
  if (isOtherProfile) {
    throw new ConnectorError(
      'auth',
      `Expected the profile this session was made for, got another one: ${signInAgain}`,
    );
  }
  if (isOtherAddress)
    log.warn('the account signed in has another address than GARMIN_EMAIL, under which its rows are filed');
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
    const { handed_over: _, ...rest } = saved;
    return { ...rest, ...account, ...(profileId !== undefined && { profileId }), verified_at };
  });
}

function needsBinding(saved: SavedSession, profile: Profile, email: string | undefined): boolean {
  if (saved.verified_at === undefined) return true;
  if (saved.profileId === undefined && profile.profileId !== undefined) return true;
  return saved.account === undefined && email !== undefined;
}

async function open(parts: LoginParts, saved: SavedSession): Promise<OpenedSession> {
  const { client, context, makeApi } = parts;
  const { config, tokens, signal } = context;
  checkBinding(saved, { region: client.origins.domain, email: config.email });
  if (saved.dead !== undefined) throw new ConnectorError('needs_user', describeEnd(saved.dead));
  const api = makeApi(createCredential(client, { tokens, start: saved }), client.origins.api);
  const profile = await readProfile(api, { isChina: config.isChina, signal });
  checkAccount(saved, profile, parts);
  if (needsBinding(saved, profile, config.email)) await bind(profile, parts);
  return { api, profile };
}

const isConfigError = (error: unknown) => ConnectorError.is(error) && error.code === 'config';

/**
 * Opens what is saved: checks region and account before a request, reads the profile, and binds what was
 * not bound. Throws `needs_user` for a dead session, `auth` where the profile is someone else's; `config`
 * where tokens that others made turn out to be so, and forgets them.
 */
export async function openSaved(parts: LoginParts, saved: SavedSession): Promise<OpenedSession> {
  const { client, context } = parts;
  checkBinding(saved, { region: client.origins.domain, email: context.config.email });
  try {
    return await open(parts, saved);
  } catch (error) {
    if (isUntried(saved) && isConfigError(error))
      await updateSession(context.tokens, async (current) => (isUntried(current) ? null : undefined));
    throw error;
  }
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

/** A session that others made: of the profile that the one before had for the same account and region. */
function markHandedOver(
  session: SavedSession,
  { previous, email }: { readonly previous: SavedSession | undefined; readonly email: string | undefined },
): SavedSession {
  const { profileId, account, region } = previous ?? {};
  const isSame = email !== undefined && account === accountOf(email) && region === session.region;
  const expected = isSame && profileId !== undefined ? { profileId, account } : {};
  return { ...session, ...expected, handed_over: true };
}

/**
 * Takes a new session: saved at once, as a sign-in is too precious to be done again, then tried out and
 * bound. One that is refused is removed, and what was there before comes back; so does a session that
 * still works where tokens of a file cannot be tried out, as they can be handed over again.
 */
export async function accept(
  parts: LoginParts,
  given: SavedSession,
  way: NewSessionWay,
): Promise<OpenedSession> {
  const { tokens, config } = parts.context;
  const previous = await loadPrevious(parts);
  const session = way === 'password' ? given : markHandedOver(given, { previous, email: config.email });
  await replaceSession(tokens, session);
  try {
    return await open(parts, session);
  } catch (error) {
    const isRefused = isRefusal(error) || isConfigError(error);
    const isRepeatable = way === 'import' && previous !== undefined && previous.dead === undefined;
    if (!isRefused && !isRepeatable) throw error;
    await replaceSession(tokens, previous);
    if (!isRefusal(error)) throw error;
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
      return await accept(parts, session, 'import');
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
  await remember(context.tokens, 'dead_files', imported);
}
