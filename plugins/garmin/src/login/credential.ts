import { ConnectorError, type Tokens } from '@on-the-way/sdk';
import type { GarminClient } from '../client.ts';
import { renewDi } from './di-token.ts';
import { renewOauth } from './oauth-token.ts';
import { describeEnd, signInAgain } from './remedy.ts';
import { updateSession, type SavedSession } from './saved-session.ts';

/** A session's bearer, and how to get the next one. */
export interface Credential {
  /** The bearer to send; renewed first when it is about to run out. May be called alongside itself. */
  bearer(): Promise<string>;
  /** A bearer other than the refused one. Callers that are refused together share one renewal. */
  renew(refused: string): Promise<string>;
}

const cutOff =
  'An earlier renewal was cut off before its tokens were saved, which ends a session; nothing else is wrong.';

function isOver({ expires_at: at }: SavedSession): boolean {
  return at !== undefined && Date.now() >= at * 1000;
}

function isRefusal(error: unknown): error is ConnectorError {
  return ConnectorError.is(error) && error.code === 'needs_user';
}

async function requestNext(client: GarminClient, current: SavedSession): Promise<SavedSession> {
  return current.kind === 'di' ? renewDi(client, current) : renewOauth(client, current);
}

/** Whether what is saved can be used at once, since another process has renewed it. */
function isNewer(saved: SavedSession, refused: string): boolean {
  const { access_token: bearer = '' } = saved;
  return bearer !== '' && bearer !== refused && !isOver(saved);
}

function deadError(reason: string, status?: number): ConnectorError {
  return new ConnectorError('needs_user', reason, status === undefined ? {} : { status });
}

/** What a renewal found or did; the error is thrown once everything is saved. */
interface Outcome {
  session?: SavedSession;
  error?: unknown;
}

/** Without an answer the tokens may have been renewed at Garmin all the same: then the mark stays. */
function afterFailure(saved: SavedSession, error: unknown, wasCutOff: boolean): SavedSession {
  const isAnswered = !ConnectorError.is(error) || error.status !== undefined;
  if (wasCutOff || !isAnswered) return saved;
  const { renewal_began_at: _, ...rest } = saved;
  return rest;
}

/** The renewals of one process, each under the lock that all processes share. */
function createRenewal(client: GarminClient, tokens: Tokens) {
  // A rotated token that could not be saved is not asked for twice: the one it was made of is spent.
  let unsaved: { readonly from: string; readonly session: SavedSession } | undefined;

  /** Makes durable that a renewal begins. Resolves with whether an earlier one never ended. */
  async function begin(refused: string): Promise<boolean> {
    let wasCutOff = false;
    await updateSession(tokens, async (saved) => {
      if (!saved || saved.dead !== undefined || isNewer(saved, refused)) return undefined;
      // OAuth 1 tokens are not spent by a renewal.
      wasCutOff = saved.kind === 'di' && saved.renewal_began_at !== undefined;
      return { ...saved, renewal_began_at: new Date().toISOString() };
    });
    return wasCutOff;
  }

  async function next(saved: SavedSession): Promise<SavedSession> {
    const from = JSON.stringify([saved.access_token, saved.refresh_token]);
    if (unsaved?.from !== from) unsaved = { from, session: await requestNext(client, saved) };
    const { renewal_began_at: _, ...renewed } = unsaved.session;
    return renewed;
  }

  async function renewSaved(
    saved: SavedSession,
    wasCutOff: boolean,
  ): Promise<Outcome & { save: SavedSession }> {
    try {
      const session = await next(saved);
      return { session, save: session };
    } catch (error) {
      if (!isRefusal(error)) return { error, save: afterFailure(saved, error, wasCutOff) };
      const reason = describeEnd(wasCutOff ? `${error.message}. ${cutOff}` : error.message);
      const { renewal_began_at: _, ...rest } = saved;
      return { error: deadError(reason, error.status), save: { ...rest, dead: reason } };
    }
  }

  return async (refused: string): Promise<SavedSession> => {
    const wasCutOff = await begin(refused);
    let outcome: Outcome = { error: deadError(`Expected a saved session, got none: ${signInAgain}`) };
    await updateSession(tokens, async (saved) => {
      if (!saved) return undefined;
      if (saved.dead !== undefined) outcome = { error: deadError(describeEnd(saved.dead)) };
      else if (isNewer(saved, refused)) outcome = { session: saved };
      else {
        const { save, ...rest } = await renewSaved(saved, wasCutOff);
        outcome = rest;
        return save;
      }
      return undefined;
    });
    if (!outcome.session) throw outcome.error;
    unsaved = undefined;
    return outcome.session;
  };
}

/**
 * The credential of the saved session. It renews itself, one renewal at a time in all processes, and uses
 * what another one has renewed. A session that is dead stays so.
 */
export function createCredential(
  client: GarminClient,
  { tokens, start }: { readonly tokens: Tokens; readonly start: SavedSession },
): Credential {
  const renewal = createRenewal(client, tokens);
  let current = start;
  let running: Promise<string> | undefined;
  let dead: unknown;

  async function renewNow(refused: string): Promise<string> {
    try {
      current = await renewal(refused);
      return current.access_token ?? '';
    } catch (error) {
      if (isRefusal(error)) dead = error;
      throw error;
    } finally {
      running = undefined;
    }
  }

  async function renew(refused: string): Promise<string> {
    if (dead) throw dead;
    const { access_token: bearer = '' } = current;
    if (refused !== bearer) return bearer;
    running ??= renewNow(refused);
    return running;
  }

  return {
    renew,
    async bearer() {
      const { access_token: bearer = '', renew_at: renewAt = Number.POSITIVE_INFINITY } = current;
      return bearer !== '' && Date.now() < renewAt * 1000 ? bearer : renew(bearer);
    },
  };
}
