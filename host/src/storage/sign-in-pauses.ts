import type { Database } from './database.ts';

/** How long a source that refused a sign-in is left alone. */
interface SignInPause {
  readonly until: Date;
  /** How long this pause was to be without a time the source stated; the next one is twice that. */
  readonly pauseMs: number;
}

/** What is remembered of sign-ins, in app.connection_state. */
export interface SignInPauses {
  /** The last pause, which may be over; undefined since the last sign-in that went well. */
  read(connection: string): Promise<SignInPause | undefined>;
  pause(connection: string, pause: SignInPause): Promise<void>;
  /** A sign-in went well: nothing the source asked for before it holds any more. */
  signedIn(connection: string, at: Date): Promise<void>;
}

interface Row {
  readonly until: Date | null;
  readonly pauseMs: string | null;
}

/** The store over app.connection_state. */
export function createSignInPauses(database: Database): SignInPauses {
  return {
    async read(connection) {
      const { rows } = await database.raw<{ rows: Row[] }>(
        `select login_not_before as until, login_pause_ms as "pauseMs" from app.connection_state where connection = ?`,
        [connection],
      );
      const { until = null, pauseMs = null } = rows[0] ?? {};
      return until === null ? undefined : { until, pauseMs: Number(pauseMs) };
    },
    async pause(connection, { until, pauseMs }) {
      await database.raw(
        `insert into app.connection_state (connection, login_not_before, login_pause_ms) values (?, ?::timestamptz, ?)
         on conflict (connection) do update set login_not_before = excluded.login_not_before,
           login_pause_ms = excluded.login_pause_ms`,
        [connection, until.toISOString(), pauseMs],
      );
    },
    async signedIn(connection, at) {
      await database.raw(
        `insert into app.connection_state (connection, signed_in_at) values (?, ?::timestamptz)
         on conflict (connection) do update set signed_in_at = excluded.signed_in_at, login_not_before = null,
           login_pause_ms = null, not_before = null, pause_ms = null, last_change = null`,
        [connection, at.toISOString()],
      );
    },
  };
}
