import type { Ledger, LedgerEntry, Outcome, SliceOutcome } from '@on-the-way/core';
import type { Day } from '@on-the-way/sdk';
import type { Database } from './database.ts';
import { Fenced, type Fence } from './fence.ts';

/** A (dataset, day) as `otw coverage` shows it. */
export interface CoverageEntry {
  readonly dataset: string;
  readonly day: Day;
  readonly outcome: Outcome;
  readonly attempts: number;
  /** How often the source changed its answer after it was first read. */
  readonly revisions: number;
  readonly rowsWritten: number;
  readonly errorCode: string | null;
  readonly errorMessage: string | null;
  readonly lastAttemptAt: Date;
  /** What the source left out. */
  readonly note: string | null;
}

/** The ledger plus what people ask of it. */
export interface LedgerStore extends Pick<Ledger, 'read'> {
  /** The ledger for a run: `record` throws Fenced, and writes nothing, once another host has the connection. */
  under(fence: Fence): Ledger;
  coverage(connection: string, from: Day, to: Day): Promise<readonly CoverageEntry[]>;
}

// attempts count since the last answer, and are 0 for a day that was not asked for since its dataset is
// absent. The digest of a day stays while asking fails, so that a later answer can still be told from the
// one before; so do its mark and its note.
const upsert = `
  with fence as (
    -- Whoever takes the connection over waits for this to be committed, or this finds that it is too late.
    select from app.connection_claim where connection = ? and epoch = ? for share)
  insert into app.slice_ledger as known (connection, dataset, day, outcome, attempts, error_code, error_message,
    digest, mark, note, rows_written, rows_unchanged, conflicts, run_id, plugin_version, first_attempt_at, last_attempt_at)
  select ?, new.dataset, new.day, new.outcome, new.attempts, new.error_code, new.error_message,
    new.digest, new.mark, new.note, new.rows_written, new.rows_unchanged, new.conflicts, ?::uuid, ?, ?::timestamptz, ?::timestamptz
  from jsonb_to_recordset(?::jsonb) as new(dataset text, day date, outcome text, attempts int, error_code text,
    error_message text, digest text, mark text, note text, rows_written bigint, rows_unchanged bigint, conflicts bigint),
    fence
  order by new.dataset, new.day
  on conflict (connection, day, dataset) do update set
    outcome = excluded.outcome,
    attempts = case when known.outcome = 'failed' and (excluded.outcome = 'failed' or excluded.attempts > 0)
      then known.attempts + excluded.attempts else excluded.attempts end,
    error_code = excluded.error_code,
    error_message = excluded.error_message,
    digest = case when excluded.outcome = 'failed' then known.digest else excluded.digest end,
    mark = case when excluded.outcome = 'failed' or excluded.attempts = 0 then known.mark else excluded.mark end,
    note = case when excluded.outcome = 'failed' or excluded.attempts = 0 then known.note else excluded.note end,
    revisions = known.revisions + case
      when excluded.outcome = 'failed' or known.digest is null or excluded.digest is not distinct from known.digest
      then 0 else 1 end,
    changed_at = case
      when excluded.outcome = 'failed' or known.digest is null or excluded.digest is not distinct from known.digest
      then known.changed_at else excluded.last_attempt_at end,
    rows_written = known.rows_written + excluded.rows_written,
    rows_unchanged = known.rows_unchanged + excluded.rows_unchanged,
    conflicts = known.conflicts + excluded.conflicts,
    run_id = excluded.run_id,
    plugin_version = excluded.plugin_version,
    last_attempt_at = excluded.last_attempt_at,
    set_aside_at = case when excluded.outcome = 'failed' then known.set_aside_at end`;

function rowOf(outcome: SliceOutcome) {
  return {
    dataset: outcome.dataset,
    day: outcome.day,
    outcome: outcome.outcome,
    attempts: outcome.attempts,
    error_code: outcome.errorCode ?? null,
    error_message: outcome.errorMessage ?? null,
    digest: outcome.digest ?? null,
    mark: outcome.mark ?? null,
    note: outcome.note ?? null,
    rows_written: outcome.rowsWritten,
    rows_unchanged: outcome.rowsUnchanged,
    conflicts: outcome.conflicts,
  };
}

interface EntryRow extends Omit<LedgerEntry, 'lastAttemptAt' | 'mark' | 'reason'> {
  readonly at: Date;
  readonly mark: string | null;
  readonly reason: string | null;
}

const coverageColumns = `dataset, day::text as day, outcome, attempts, revisions, rows_written::int as "rowsWritten",
  error_code as "errorCode", error_message as "errorMessage", last_attempt_at as "lastAttemptAt", note`;

async function record(
  database: Database,
  fence: Fence,
  clean: (text: string) => string,
  [{ connection, runId, version, at }, outcomes]: Parameters<Ledger['record']>,
): Promise<void> {
  if (outcomes.length === 0) return;
  const when = new Date(at).toISOString();
  const rows = outcomes.map((outcome) => {
    const row = rowOf(outcome);
    return { ...row, error_message: row.error_message === null ? null : clean(row.error_message) };
  });
  const values = [
    fence.connection,
    fence.epoch,
    connection,
    runId,
    version,
    when,
    when,
    JSON.stringify(rows),
  ] as const;
  const { rowCount } = await database.raw<{ rowCount: number }>(upsert, [...values]);
  if (rowCount === 0) throw new Fenced(fence);
}

async function read(database: Database, connection: string, from: Day): Promise<readonly LedgerEntry[]> {
  const { rows } = await database.raw<{ rows: EntryRow[] }>(
    `select dataset, day::text as day, outcome, attempts, last_attempt_at as at, mark,
       case when outcome = 'not_supported' and attempts > 0 then error_message end as reason
     from app.slice_ledger where connection = ? and (day >= ?::date or outcome = 'failed')`,
    [connection, from],
  );
  return rows.map(({ at, mark, reason, ...entry }) => ({
    ...entry,
    lastAttemptAt: at.getTime(),
    ...(mark !== null && { mark }),
    ...(reason !== null && { reason }),
  }));
}

/** The ledger in app.slice_ledger. `clean` takes secrets out of error messages. */
export function createLedgerStore(database: Database, clean: (text: string) => string): LedgerStore {
  return {
    read: (connection, from) => read(database, connection, from),
    under: (fence) => ({
      read: (connection, from) => read(database, connection, from),
      record: (...recorded) => record(database, fence, clean, recorded),
    }),
    async coverage(connection, from, to) {
      const { rows } = await database.raw<{ rows: CoverageEntry[] }>(
        `select ${coverageColumns} from app.slice_ledger
         where connection = ? and day >= ?::date and day < ?::date order by dataset, day`,
        [connection, from, to],
      );
      return rows;
    },
  };
}
