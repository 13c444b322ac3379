import type { Frontier, Ledger, Outcome, SliceOutcome } from '@on-the-way/core';
import { spansOf, type Day, type Window } from '@on-the-way/sdk';
import type { Knex } from 'knex';
import type { Database } from './database.ts';
import { fenced, type Fence } from './fence.ts';
import { forgetFrontiersSql, loadFrontiers, saveFrontiers } from './frontiers.ts';
import { readEntries } from './ledger-entries.ts';
import { addSliceLetter } from './slice-letters.ts';

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

/** A day whose answer the source changed after it was first read. */
export interface RevisedDay {
  readonly dataset: string;
  readonly day: Day;
  /** How often. */
  readonly revisions: number;
  readonly firstReadAt: Date;
  /** When the last change was seen. */
  readonly changedAt: Date;
  /** Days between the day and its last change. */
  readonly daysLate: number;
}

/** The ledger plus what people ask of it. */
export interface LedgerStore extends Pick<Ledger, 'read'> {
  /** Frontiers as they are, for who plans without a run. */
  readonly frontiers: { load(connection: string): Promise<readonly Frontier[]> };
  /** The ledger for a run: `record` throws Fenced, and writes nothing, once another host has the connection. */
  under(fence: Fence): Ledger;
  coverage(connection: string, from: Day, to: Day): Promise<readonly CoverageEntry[]>;
  /** Days whose answer changed, by dataset, then day. */
  revised(connection: string, window: Window): Promise<readonly RevisedDay[]>;
  /** The oldest day that anything is known of. */
  firstDay(connection: string): Promise<Day | undefined>;
  /** How many days of each dataset have an answer. */
  answered(
    connection: string,
    window: Window,
  ): Promise<readonly { readonly dataset: string; readonly days: number }[]>;
}

// attempts count tries and bad_answers runs since the last answer; attempts are 0 for a day that was not asked for since
// its dataset is absent. A day is set aside by bad answers alone, and only one more ties it to another version. The digest of a day stays while asking fails, so that a later answer can still be told from the
// one before; so do its mark and its note.
const upsert = `
  with fence as (
    -- Whoever takes the connection over waits for this to be committed, or this finds that it is too late.
    select from app.connection_claim where connection = ? and epoch = ? for share),
  recorded as (
    select new.* from jsonb_to_recordset(?::jsonb) as new(dataset text, day date, outcome text, attempts int,
      error_code text, error_message text, digest text, mark text, note text, rows_written bigint,
      rows_unchanged bigint, conflicts bigint, set_aside_after int, covers_earlier boolean), fence),
  forgotten as (${forgetFrontiersSql}),
  covered as (
    -- What is read as it is now has no days to ask for again: this is all there is to be had for a day that failed.
    update app.slice_ledger l set outcome = case when l.rows_written + l.rows_unchanged > 0 then 'ok' else 'no_data' end,
      error_code = null, error_message = null
    from recorded r
    where r.covers_earlier and l.connection = ? and l.dataset = r.dataset and l.day < r.day and l.outcome = 'failed')
  insert into app.slice_ledger as known (connection, dataset, day, outcome, attempts, error_code, error_message,
    digest, mark, note, rows_written, rows_unchanged, conflicts, run_id, plugin_version,
    first_attempt_at, last_attempt_at, bad_answers, bad_answer_version, set_aside_at)
  select ?, new.dataset, new.day, new.outcome, new.attempts, new.error_code, new.error_message,
    new.digest, new.mark, new.note, new.rows_written, new.rows_unchanged, new.conflicts, ?::uuid, version, at, at,
    bad.answers, case when bad.answers > 0 then version end,
    case when bad.answers >= new.set_aside_after then at end
  from recorded new
    cross join (select ?::text as version, ?::timestamptz as at) run
    cross join lateral (select case when new.set_aside_after is null then 0 else 1 end as answers) bad
  order by new.dataset, new.day
  on conflict (connection, day, dataset) do update set
    -- Days with data have a digest, but for those of a cursor dataset: its runs add to the day, and one that brings
    -- nothing takes nothing away.
    outcome = case when excluded.outcome = 'no_data' and known.outcome = 'ok' and known.digest is null
      then 'ok' else excluded.outcome end,
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
    bad_answers = case when excluded.outcome = 'failed' then known.bad_answers + excluded.bad_answers else 0 end,
    bad_answer_version = case when excluded.outcome = 'failed'
      then coalesce(excluded.bad_answer_version, known.bad_answer_version) end,
    set_aside_at = case when excluded.outcome = 'failed' then coalesce(known.set_aside_at, case
      when known.bad_answers + excluded.bad_answers >= (
        select r.set_aside_after from recorded r where r.dataset = excluded.dataset and r.day = excluded.day)
      then excluded.last_attempt_at end) end
  returning dataset, day::text as day, attempts, error_code as "errorCode", error_message as "errorMessage",
    set_aside_at is not distinct from ?::timestamptz as "isGivenUp"`;

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
    set_aside_after: outcome.setAsideAfter ?? null,
    covers_earlier: outcome.coversEarlier ?? false,
  };
}

/** A row as it is once it was recorded. */
interface RecordedRow {
  readonly dataset: string;
  readonly day: Day;
  readonly attempts: number;
  readonly errorCode: string | null;
  readonly errorMessage: string | null;
  /** It was set aside just now. */
  readonly isGivenUp: boolean;
}

const coverageColumns = `dataset, day::text as day, outcome, attempts, revisions, rows_written::int as "rowsWritten",
  error_code as "errorCode", error_message as "errorMessage", last_attempt_at as "lastAttemptAt", note`;

type Recorded = Parameters<Ledger['record']>;

async function upsertRows(
  database: Database | Knex.Transaction,
  fence: Fence,
  clean: (text: string) => string,
  [{ connection, runId, version, at }, outcomes]: Recorded,
): Promise<readonly RecordedRow[]> {
  const when = new Date(at).toISOString();
  const rows = outcomes.map((outcome) => {
    const row = rowOf(outcome);
    return { ...row, error_message: row.error_message === null ? null : clean(row.error_message) };
  });
  const values = [fence.connection, fence.epoch, JSON.stringify(rows), connection, connection, connection];
  const found = await database.raw<{ rows: RecordedRow[] }>(upsert, [...values, runId, version, when, when]);
  if (found.rows.length === 0) throw fenced(fence);
  return found.rows;
}

/** A letter for days in a row that were given up for the same reason. */
async function addLetters(
  transaction: Knex.Transaction,
  clean: (text: string) => string,
  { connection, runId, version }: Recorded[0],
  rows: readonly RecordedRow[],
): Promise<void> {
  const alike = Map.groupBy(rows, ({ dataset, errorCode, errorMessage }) =>
    JSON.stringify([dataset, errorCode, errorMessage]),
  );
  for (const group of alike.values()) {
    const [first] = group;
    if (!first) continue;
    const { dataset, errorCode, errorMessage } = first;
    const attempts = Math.max(...group.map((row) => row.attempts));
    const why = { errorCode: errorCode ?? 'internal', errorMessage: errorMessage ?? '', attempts };
    const letter = { connection, dataset, runId, pluginVersion: version, ...why };
    const days = group.map(({ day }) => day);
    for (const window of spansOf(days, days.length))
      await addSliceLetter(transaction, { ...letter, window }, clean);
  }
}

async function record(
  database: Database,
  fence: Fence,
  clean: (text: string) => string,
  recorded: Recorded,
): Promise<void> {
  const [run, outcomes] = recorded;
  if (outcomes.length === 0) return;
  if (outcomes.every(({ setAsideAfter }) => setAsideAfter === undefined)) {
    await upsertRows(database, fence, clean, recorded);
    return;
  }
  await database.transaction(async (transaction) => {
    const rows = await upsertRows(transaction, fence, clean, recorded);
    await addLetters(
      transaction,
      clean,
      run,
      rows.filter(({ isGivenUp }) => isGivenUp),
    );
  });
}

/** The ledger in app.slice_ledger. `clean` takes secrets out of error messages. */
export function createLedgerStore(database: Database, clean: (text: string) => string): LedgerStore {
  return {
    read: (connection, question) => readEntries(database, connection, question),
    frontiers: { load: (connection) => loadFrontiers(database, connection) },
    under: (fence) => ({
      read: (connection, question) => readEntries(database, connection, question),
      frontiers: {
        load: (connection) => loadFrontiers(database, connection),
        save: (frontiers) => saveFrontiers(database, fence, frontiers),
      },
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
    async revised(connection, { from, to }) {
      const { rows } = await database.raw<{ rows: RevisedDay[] }>(
        `select dataset, day::text as day, revisions, first_attempt_at as "firstReadAt", changed_at as "changedAt",
           days_late as "daysLate"
         from app.revision where connection = ? and day >= ?::date and day < ?::date order by dataset, day`,
        [connection, from, to],
      );
      return rows;
    },
    async firstDay(connection) {
      const { rows } = await database.raw<{ rows: { day: Day | null }[] }>(
        `select min(day)::text as day from app.slice_ledger where connection = ?`,
        [connection],
      );
      return rows[0]?.day ?? undefined;
    },
    async answered(connection, { from, to }) {
      const { rows } = await database.raw<{ rows: { dataset: string; days: number }[] }>(
        `select dataset, count(*)::int as days from app.slice_ledger
         where connection = ? and day >= ?::date and day < ?::date and outcome in ('ok', 'no_data')
         group by dataset order by dataset`,
        [connection, from, to],
      );
      return rows;
    },
  };
}
