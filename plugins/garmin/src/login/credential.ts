import { ConnectorError } from '@on-the-way/sdk';

/** A session's bearer, and how to get the next one. */
export interface Credential {
  /** The bearer to send; renewed first when it is about to run out. May be called alongside itself. */
  bearer(): Promise<string>;
  /** A bearer other than the refused one. Callers that are refused together share one renewal. */
  renew(refused: string): Promise<string>;
}

/** What a credential holds at a time. */
export interface BearerState {
  /** The access token; empty when there is none yet. */
  readonly bearer: string;
  /** When it should be renewed, in milliseconds since 1970; Infinity when that is not known. */
  readonly renewAtMs: number;
}

/** The two steps of a renewal. */
export interface Renewal<State extends BearerState> {
  /** Asks Garmin for the next state. Called by one caller at a time. */
  readonly request: (current: State) => Promise<State>;
  /** Makes it durable; the new bearer is not used before. */
  readonly save: (next: State) => Promise<void>;
}

/** A credential that renews itself, one renewal at a time. A session that is dead stays so. */
export function createCredential<State extends BearerState>(
  start: State,
  { request, save }: Renewal<State>,
): Credential {
  let current = start;
  let unsaved: State | undefined;
  let running: Promise<string> | undefined;
  let dead: unknown;

  async function renewNow(): Promise<string> {
    try {
      // A rotated token that could not be saved is not asked for twice: the old one is spent.
      unsaved ??= await request(current);
      await save(unsaved);
      current = unsaved;
      unsaved = undefined;
      return current.bearer;
    } catch (error) {
      if (ConnectorError.is(error) && (error.code === 'needs_user' || error.code === 'auth')) dead = error;
      throw error;
    } finally {
      running = undefined;
    }
  }

  async function renew(refused: string): Promise<string> {
    if (dead) throw dead;
    if (refused !== current.bearer) return current.bearer;
    running ??= renewNow();
    return running;
  }

  return {
    renew,
    bearer: async () =>
      current.bearer !== '' && Date.now() < current.renewAtMs ? current.bearer : renew(current.bearer),
  };
}
