import type { DatasetInfo, Day, Window } from '@on-the-way/sdk';
import type { Knex } from 'knex';
import type { Database } from './database.ts';
import { underFence, type Fence } from './fence.ts';

/** What is to be forgotten of a connection; all of it where nothing narrower is said. */
export interface ResetWish {
  /** Just these days: cursors, backfills and pauses are kept. */
  readonly window?: Window;
  /** Just these datasets: backfills and pauses are kept. */
  readonly datasets?: readonly string[];
  /** Just where cursor datasets go on. */
  readonly cursorsOnly?: boolean;
}

/** What is to be forgotten, and the first day that the configuration wants, which is the first one wanted again. */
export interface ResetRequest {
  readonly wish: ResetWish;
  readonly firstWanted: Day;
}

/** What a reset forgets. */
export interface Reset {
  readonly forgotten: Forgotten;
  /** Days of the wish that are older than the first one wanted, so that only a backfill asks for them again. */
  readonly leftToBackfill?: Window;
}

/** How many rows of each kind are forgotten. */
interface Forgotten {
  /** Days of datasets in the ledger, with their marks and revisions. */
  readonly ledgerDays: number;
  /** Those of them that were set aside. */
  readonly setAside: number;
  /**
   * Dead letters of days; those of events hold what is nowhere else, and are kept. Of a letter of several days the days
   * that are not forgotten keep a letter.
   */
  readonly sliceLetters: number;
  readonly cursors: number;
  /** Finished ones as well. */
  readonly backfills: number;
  /** 1 where the source had asked for a pause. */
  readonly pauses: number;
}

const ofDatasets =
  'connection = :connection and (cast(:datasets as text[]) is null or dataset = any(:datasets))';
const ofDays = `${ofDatasets} and (cast(:from as date) is null or (day >= :from and day < :to))`;
const sliceLetters = `app.dead_letter where kind = 'slice' and ${ofDatasets}
  and (cast(:from as date) is null or (to_day > :from and from_day < :to))`;

/** Rows by what they are, as they stand after `from`. */
const rowsOf: Readonly<Record<keyof Forgotten, string>> = {
  ledgerDays: `app.slice_ledger where ${ofDays}`,
  setAside: `app.slice_ledger where ${ofDays} and set_aside_at is not null`,
  sliceLetters,
  cursors: `app.dataset_cursor where ${ofDatasets}`,
  backfills: 'app.backfill where connection = :connection',
  pauses: 'app.connection_state where connection = :connection and not_before is not null',
};

/** What a wish is about. */
function partsOf({ window, datasets, cursorsOnly }: ResetWish): readonly (keyof Forgotten)[] {
  if (cursorsOnly === true) return ['cursors'];
  const days = ['ledgerDays', 'setAside', 'sliceLetters'] as const;
  if (window !== undefined) return days;
  return datasets === undefined ? [...days, 'cursors', 'backfills', 'pauses'] : [...days, 'cursors'];
}

function valuesOf(connection: string, { window, datasets }: ResetWish) {
  const { from = null, to = null } = window ?? {};
  return { connection, datasets: datasets ? [...datasets] : null, from, to };
}

const nothing: Forgotten = {
  ledgerDays: 0,
  setAside: 0,
  sliceLetters: 0,
  cursors: 0,
  backfills: 0,
  pauses: 0,
};

/** Days that no run asks for by itself once they are forgotten; what is read as it is now has none. */
async function leftToBackfill(
  database: Pick<Database, 'raw'>,
  connection: string,
  { wish, firstWanted }: ResetRequest,
): Promise<Window | undefined> {
  const state = await database.raw<{ rows: { backfillFrom: Day | null; datasets: DatasetInfo[] | null }[] }>(
    'select backfill_from::text as "backfillFrom", datasets from app.connection_state where connection = ?',
    [connection],
  );
  const { backfillFrom = null, datasets } = state.rows[0] ?? {};
  // A reset of everything sets the first day wanted anew.
  const isKept = backfillFrom !== null && backfillFrom < firstWanted && !partsOf(wish).includes('backfills');
  const wanted = isKept ? backfillFrom : firstWanted;
  const names = (datasets ?? []).flatMap(({ name, granularity }) =>
    granularity === 'snapshot' || granularity === 'cursor' || wish.datasets?.includes(name) === false
      ? []
      : [name],
  );
  if (wish.cursorsOnly === true || names.length === 0) return undefined;
  const { rows } = await database.raw<{ rows: { from: Day | null; to: Day | null }[] }>(
    `select min(day)::text as from, (max(day) + 1)::text as to from app.slice_ledger
     where connection = ? and dataset = any(?) and day < ?`,
    [connection, names, wanted],
  );
  const { from = null, to = null } = wish.window ?? rows[0] ?? {};
  if (from === null || to === null || from >= wanted) return undefined;
  return { from, to: to < wanted ? to : wanted };
}

/** What `reset` would forget. */
export async function wouldReset(
  database: Pick<Database, 'raw'>,
  connection: string,
  request: ResetRequest,
): Promise<Reset> {
  const forgotten = await countReset(database, connection, request.wish);
  const left = await leftToBackfill(database, connection, request);
  return { forgotten, ...(left && { leftToBackfill: left }) };
}

async function countReset(
  database: Pick<Database, 'raw'>,
  connection: string,
  wish: ResetWish,
): Promise<Forgotten> {
  const counts: Record<keyof Forgotten, number> = { ...nothing };
  for (const part of partsOf(wish)) {
    const { rows } = await database.raw<{ rows: { count: number }[] }>(
      `select count(*)::int as count from ${rowsOf[part]}`,
      valuesOf(connection, wish) as never,
    );
    counts[part] = rows[0]?.count ?? 0;
  }
  return counts;
}

/**
 * Letters of days go, and what lies before and after the days that are forgotten has letters of its own, the first of
 * them the one there was: else those days would stay set aside, and nothing would tell of them.
 */
const splitLettersSql = `
  with doomed as (delete from ${sliceLetters} returning *),
  rest as (
    select doomed.*, part.first, part.last, row_number() over (partition by dead_letter_id order by part.first) as nth
    from doomed cross join lateral (values
      (from_day, least(to_day, cast(:from as date))), (greatest(from_day, cast(:to as date)), to_day)
    ) as part(first, last)
    where cast(:from as date) is not null and part.first < part.last),
  -- Of two for the same days the one that waits counts.
  one_each as (
    select distinct on (dataset, first, last) * from rest order by dataset, first, last, replayed_at desc nulls first)
  insert into app.dead_letter (dead_letter_id, kind, connection, dataset, from_day, to_day, run_id, plugin_version,
    error_code, error_message, attempts, created_at, last_attempt_at, replayed_at)
  select case nth when 1 then dead_letter_id else gen_random_uuid() end, 'slice', connection, dataset, first, last,
    run_id, plugin_version, error_code, error_message, attempts, created_at, last_attempt_at, replayed_at
  from one_each
  on conflict (connection, dataset, from_day, to_day) where kind = 'slice' do update set
    replayed_at = case when excluded.replayed_at is null then null else dead_letter.replayed_at end`;

async function forget(
  transaction: Knex.Transaction,
  connection: string,
  { wish, firstWanted }: ResetRequest,
): Promise<void> {
  const values = valuesOf(connection, wish) as never;
  const doomed = partsOf(wish).filter((part) => part !== 'setAside' && part !== 'pauses');
  for (const part of doomed)
    await transaction.raw(part === 'sliceLetters' ? splitLettersSql : `delete from ${rowsOf[part]}`, values);
  if (wish.cursorsOnly === true) return;
  // Worked out from the ledger, and of no use beside another one.
  await transaction.raw(`delete from app.dataset_frontier where ${ofDatasets}`, values);
  // Else the next run could be spared, since the source has nothing new.
  await transaction.raw(
    `update app.connection_state set last_change = null, last_pass_at = null where connection = :connection`,
    values,
  );
  if (!doomed.includes('backfills')) return;
  // The pause had put the next run off as well.
  await transaction.raw(
    `update app.connection_state set not_before = null, pause_ms = null, backfill_from = cast(:firstWanted as date),
       next_run_at = case when not_before is null or next_run_at is null then next_run_at
         else least(next_run_at, greatest(now(), login_not_before)) end
     where connection = :connection`,
    { connection, firstWanted },
  );
}

/**
 * Forgets what is known of a connection, so that its days are gaps again; resolves with what was forgotten. What is
 * stored, who is signed in, events that were refused and the history of runs are kept, and reading the days again
 * stores nothing twice. Throws Fenced once another host has the connection.
 */
export async function resetConnection(
  database: Database,
  fence: Fence,
  request: ResetRequest,
): Promise<Reset> {
  return underFence(database, fence, async (transaction) => {
    const reset = await wouldReset(transaction, fence.connection, request);
    await forget(transaction, fence.connection, request);
    return reset;
  });
}
