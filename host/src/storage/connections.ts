import type { RunSummary } from '@on-the-way/core';
import type { DatasetInfo, Day } from '@on-the-way/sdk';
import type { Database } from './database.ts';

/** A connection's health as it is reported. */
export interface ConnectionHealth {
  readonly connection: string;
  readonly lastRunAt: Date | null;
  readonly lastStatus: 'never' | 'ok' | 'error';
  readonly successCount: number;
  readonly failureCount: number;
  readonly lastErrorCode: string | null;
  readonly lastErrorMessage: string | null;
}

/** What is remembered of a connection between runs. */
interface ConnectionState {
  /** First day wanted; days from here on without an outcome are gaps. */
  readonly backfillFrom: Day | null;
  /** The source asked not to be asked before this. */
  readonly notBefore: Date | null;
  /** What the connector could read when it last logged in. */
  readonly datasets: readonly DatasetInfo[] | null;
}

/** Health and state of connections, one row each. */
export interface ConnectionStore {
  /** Makes sure that each has its rows; called at start. */
  ensure(connections: readonly string[]): Promise<void>;
  health(connections: readonly string[]): Promise<readonly ConnectionHealth[]>;
  state(connection: string): Promise<ConnectionState>;
  /** Moves the first day wanted back to `day`, never forward; resolves with the one that holds. */
  wantFrom(connection: string, day: Day): Promise<Day>;
  rememberDatasets(connection: string, datasets: readonly DatasetInfo[]): Promise<void>;
  /** Counts a finished run, and until when a rate limit holds. */
  finish(summary: RunSummary): Promise<void>;
}

// Where a source says "too many requests" and not for how long.
const defaultPauseMs = 30 * 60_000;

const unknown: ConnectionState = { backfillFrom: null, notBefore: null, datasets: null };

async function ensureRows(database: Database, names: readonly string[]): Promise<void> {
  const rows = names.map((connection) => ({ connection }));
  if (rows.length === 0) return;
  await database('app.connector_health').insert(rows).onConflict('connection').ignore();
  await database('app.connection_state').insert(rows).onConflict('connection').ignore();
}

/** What an incomplete run reports as its reason when nothing ended it early. */
function reasonOf(summary: RunSummary, clean: (text: string) => string) {
  if (summary.error) return { code: summary.error.code, message: clean(summary.error.message) };
  if (summary.status === 'succeeded') return { code: null, message: null };
  const bad = Object.entries(summary.datasets).filter(([, counts]) => counts.failed + counts.conflicts > 0);
  const named = bad.map(
    ([name, { failed, conflicts }]) => `${name} ${failed} failed, ${conflicts} conflicts`,
  );
  return { code: 'slices_failed', message: `Days that failed are asked for again: ${named.join('; ')}` };
}

/** Counts the run, and keeps until when the source wants to be left alone. */
async function finishRun(
  database: Database,
  summary: RunSummary,
  clean: (text: string) => string,
): Promise<void> {
  // A run that was told to stop, or asked for what is not there, says nothing about the source.
  if (summary.status === 'interrupted' || summary.error?.code === 'usage') return;
  const { connection } = summary;
  const ok = summary.status === 'succeeded';
  const reason = reasonOf(summary, clean);
  await database.raw(
    `update app.connector_health set last_run_at = ?::timestamptz, last_status = ?, success_count = success_count + ?,
       failure_count = failure_count + ?, last_error_code = ?, last_error_message = ?, updated_at = now()
     where connection = ?`,
    [
      new Date(summary.startedAt).toISOString(),
      ok ? 'ok' : 'error',
      ok ? 1 : 0,
      ok ? 0 : 1,
      reason.code,
      reason.message,
      connection,
    ] as string[],
  );
  const pauseMs =
    summary.error?.code === 'rate_limited' ? (summary.error.retryAfterMs ?? defaultPauseMs) : null;
  const notBefore = pauseMs === null ? null : new Date(summary.finishedAt + pauseMs).toISOString();
  await database.raw(`update app.connection_state set not_before = ?::timestamptz where connection = ?`, [
    notBefore,
    connection,
  ] as string[]);
}

/** The store; `clean` takes secrets out of error messages. */
export function createConnectionStore(database: Database, clean: (text: string) => string): ConnectionStore {
  return {
    ensure: (names) => ensureRows(database, names),
    async health(names) {
      const { rows } = await database.raw<{ rows: ConnectionHealth[] }>(
        `select connection, last_run_at as "lastRunAt", last_status as "lastStatus",
           success_count::int as "successCount", failure_count::int as "failureCount",
           last_error_code as "lastErrorCode", last_error_message as "lastErrorMessage"
         from app.connector_health where connection = any(?) order by connection`,
        [[...names]],
      );
      return rows;
    },
    async state(connection) {
      const { rows } = await database.raw<{ rows: ConnectionState[] }>(
        `select backfill_from::text as "backfillFrom", not_before as "notBefore", datasets
         from app.connection_state where connection = ?`,
        [connection],
      );
      return rows[0] ?? unknown;
    },
    async wantFrom(connection, day) {
      await ensureRows(database, [connection]);
      const { rows } = await database.raw<{ rows: { day: Day }[] }>(
        `update app.connection_state set backfill_from = least(backfill_from, ?::date), updated_at = now()
         where connection = ? returning backfill_from::text as day`,
        [day, connection],
      );
      return rows[0]?.day ?? day;
    },
    async rememberDatasets(connection, datasets) {
      await database.raw(`update app.connection_state set datasets = ?::jsonb where connection = ?`, [
        JSON.stringify(datasets),
        connection,
      ]);
    },
    finish: (summary) => finishRun(database, summary, clean),
  };
}
