import type { Database } from './database.ts';
import { underFence, type Fence } from './fence.ts';

/** How long a source that refused a sign-in is left alone. */
interface SignInPause {
  readonly until: Date;
  /** How long this pause was to be without a time the source stated; the next one is twice that. */
  readonly pauseMs: number;
}

/** What is remembered of sign-ins, in app.connection_state. */
export interface SignInPauses {
  /** For a run: throws Fenced, and writes nothing, once another host has the connection. */
  under(fence: Fence): Pick<SignInPauses, 'refused'>;
  /** The last pause, which may be over; undefined since the last sign-in that went well. */
  read(connection: string): Promise<SignInPause | undefined>;
  /**
   * Remembers, across restarts, that a sign-in was refused at `at`: for two hours, twice as long as the last
   * time, or for `statedMs` where that is longer. While a pause lasts nothing was sent, so it stays as it is
   * but for a longer time stated. Resolves with how long to wait, in milliseconds.
   */
  refused(connection: string, at: number, statedMs?: number): Promise<number>;
  /** A sign-in went well: the pause of sign-ins is over. What the source asked of questions holds. */
  signedIn(connection: string, at: Date): Promise<void>;
}

const hourMs = 3_600_000;
// Garmin refuses for hours after one or two sign-ins too many, and for longer the more it is tried.
const firstPauseMs = 2 * hourMs;
const longestPauseMs = 24 * hourMs;
// A time stated wrongly must not shut a person out for good.
const longestStatedMs = 7 * 24 * hourMs;

function nextPause(last: SignInPause | undefined, at: number, statedMs = 0): SignInPause {
  const stated = Number.isFinite(statedMs) ? Math.min(statedMs, longestStatedMs) : 0;
  if (last && last.until.getTime() > at) {
    return { until: new Date(Math.max(last.until.getTime(), at + stated)), pauseMs: last.pauseMs };
  }
  const pauseMs = last ? Math.min(2 * last.pauseMs, longestPauseMs) : firstPauseMs;
  return { until: new Date(at + Math.max(pauseMs, stated)), pauseMs };
}

interface Row {
  readonly until: Date | null;
  readonly pauseMs: string | null;
}

/** The store over app.connection_state. */
export function createSignInPauses(database: Database): SignInPauses {
  async function read(connection: string): Promise<SignInPause | undefined> {
    const { rows } = await database.raw<{ rows: Row[] }>(
      `select login_not_before as until, login_pause_ms as "pauseMs" from app.connection_state where connection = ?`,
      [connection],
    );
    const { until = null, pauseMs = null } = rows[0] ?? {};
    return until === null ? undefined : { until, pauseMs: Number(pauseMs) };
  }

  return {
    under: (fence) => ({
      refused: (...args) =>
        underFence(database, fence, (transaction) => createSignInPauses(transaction).refused(...args)),
    }),
    read,
    async refused(connection, at, statedMs) {
      const { until, pauseMs } = nextPause(await read(connection), at, statedMs);
      await database.raw(
        `insert into app.connection_state (connection, login_not_before, login_pause_ms) values (?, ?::timestamptz, ?)
         on conflict (connection) do update set login_not_before = excluded.login_not_before,
           login_pause_ms = excluded.login_pause_ms`,
        [connection, until.toISOString(), pauseMs],
      );
      return until.getTime() - at;
    },
    async signedIn(connection, at) {
      await database.raw(
        `insert into app.connection_state as state (connection, signed_in_at) values (?, ?::timestamptz)
         on conflict (connection) do update set signed_in_at = excluded.signed_in_at, login_not_before = null,
           login_pause_ms = null, last_change = null,
           -- What waited for a person is due at once; other runs are where they were.
           next_run_at = case when state.login_not_before is not null or exists (
               select from app.connector_health as health where health.connection = excluded.connection
                 and health.last_error_code in ('needs_user', 'auth'))
             then least(state.next_run_at, greatest(now(), state.not_before)) else state.next_run_at end`,
        [connection, at.toISOString()],
      );
    },
  };
}
