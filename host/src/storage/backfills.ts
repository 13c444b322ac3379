import { badAnswerCodes, type Clock } from '@on-the-way/core';
import type { Window } from '@on-the-way/sdk';
import type { Database } from './database.ts';
import { underFence, type Fence } from './fence.ts';

/** What a person wants of the past. */
export interface BackfillWish {
  readonly window: Window;
  /** Undefined: all that have days of the past. */
  readonly datasets?: readonly string[];
  /** Days that have an answer are asked for again as well. */
  readonly refresh: boolean;
  /** Requests it may make, over all of its runs; undefined: as many as it takes. */
  readonly requestBudget?: number;
}

/** A wish as it is kept. */
export interface Backfill extends BackfillWish {
  readonly id: string;
  readonly connection: string;
  readonly createdAt: Date;
  /** When that was by the clock of this host, milliseconds since 1970: the ledger's times are of such a clock. */
  readonly since: number;
  readonly requestsMade: number;
  /** Until when no host goes on with it, while that lies ahead by the clock of the database. */
  readonly nextRunAt: Date | null;
  /** Its runs in a row that brought no day. */
  readonly stalled: number;
  /** Nothing was left of it then, or no request. */
  readonly finishedAt: Date | null;
  /** A person no longer wanted it then. */
  readonly cancelledAt: Date | null;
}

/** What the ledger says of a dataset within a backfill, in days. */
export interface DaysOfDataset {
  readonly ok: number;
  readonly noData: number;
  readonly notSupported: number;
  /** Had a bad answer: the schedule asks again. What failed for another reason is still left. */
  readonly failed: number;
}

/** What is remembered of a run. */
interface BackfillRun {
  readonly requests: number;
  /** No host goes on with it for so many milliseconds. */
  readonly waitMs: number;
  /** Runs in a row that brought no day, this one among them. */
  readonly stalled: number;
}

/** Backfills in app.backfill. What is left of one is told from the ledger alone, so that each goes on where it stopped. */
export interface BackfillStore {
  /** Resolves with the one that is open already where it is the same wish; it may go on at once then. */
  add(connection: string, wish: BackfillWish): Promise<Backfill>;
  /** Those of a connection that are neither finished nor cancelled, oldest first. Runs work on the first one that need not wait. */
  open(connection: string): Promise<readonly Backfill[]>;
  /** The connections that have an open one which may go on now. */
  openConnections(): Promise<readonly string[]>;
  /** Of a connection, newest first. */
  list(connection: string, limit: number): Promise<readonly Backfill[]>;
  get(id: string): Promise<Backfill | undefined>;
  /**
   * What the ledger says of these backfills, by their ids and by dataset; of a refresh, only what was asked for since.
   * Datasets without any such day are left out.
   */
  days(backfills: readonly Backfill[]): Promise<ReadonlyMap<string, ReadonlyMap<string, DaysOfDataset>>>;
  /** Throws Fenced once another host has the connection. */
  ran(id: string, run: BackfillRun, fence: Fence): Promise<void>;
  /** No host goes on with any of the connection for so many milliseconds. */
  putOff(connection: string, waitMs: number): Promise<void>;
  /** Nothing is left of it. With a fence it throws Fenced once another host has the connection. */
  finish(id: string, fence?: Fence): Promise<void>;
  /** Resolves with false where there is none that is open. */
  cancel(id: string): Promise<boolean>;
}

const isOpen = 'finished_at is null and cancelled_at is null';

/*
 * A backfill waits for itself alone. But while the schedule waits with a sign-in that was refused, so do they all: each
 * would try it once more.
 */
const waitsUntil = `greatest(backfill.next_run_at, (
  select state.next_run_at from app.connection_state as state join app.connector_health as health using (connection)
  where state.connection = backfill.connection and health.last_error_code in ('auth', 'needs_user')))`;

const columns = `backfill_id as id, connection, from_day::text as "from", to_day::text as "to", datasets, refresh,
  request_budget as "requestBudget", requests_made as "requestsMade", created_at as "createdAt",
  (extract(epoch from now() - created_at) * 1000)::float8 as "ageMs", finished_at as "finishedAt",
  cancelled_at as "cancelledAt", stalled,
  case when ${isOpen} and ${waitsUntil} > now() then ${waitsUntil} end as "nextRunAt"`;

interface Row extends Omit<Backfill, 'window' | 'datasets' | 'requestBudget' | 'since'> {
  readonly from: string;
  readonly to: string;
  readonly datasets: readonly string[] | null;
  readonly requestBudget: number | null;
  readonly ageMs: number;
}

function backfillOf({ from, to, datasets, requestBudget, ageMs, ...row }: Row, clock: Clock): Backfill {
  return {
    ...row,
    window: { from, to },
    since: clock.now() - ageMs,
    ...(datasets && { datasets }),
    ...(requestBudget !== null && { requestBudget }),
  };
}

async function add(
  database: Database,
  connection: string,
  { window, datasets, refresh, requestBudget }: BackfillWish,
): Promise<readonly Row[]> {
  const names = datasets ? [...datasets].toSorted() : null;
  const wish = [connection, window.from, window.to, names, refresh, requestBudget ?? null];
  return database.transaction(async (transaction) => {
    // One after the other for a connection, so that the same wish twice at once is one.
    await transaction.raw(`select pg_advisory_xact_lock(hashtextextended('on-the-way backfill ' || ?, 0))`, [
      connection,
    ]);
    const { rows: known } = await transaction.raw<{ rows: Row[] }>(
      `update app.backfill set next_run_at = null, stalled = 0 where ${isOpen} and connection = ? and from_day = ?::date and to_day = ?::date
         and datasets is not distinct from ?::text[] and refresh = ?::boolean
         and request_budget is not distinct from ?::int returning ${columns}`,
      wish as string[],
    );
    if (known.length > 0) return known;
    const { rows } = await transaction.raw<{ rows: Row[] }>(
      `insert into app.backfill (connection, from_day, to_day, datasets, refresh, request_budget)
       values (?, ?::date, ?::date, ?::text[], ?, ?) returning ${columns}`,
      wish as string[],
    );
    return rows;
  });
}

const daysSql = `
  select b.backfill_id as id, days.* from app.backfill b cross join lateral (
    select dataset, count(*) filter (where outcome = 'ok')::int as ok,
      count(*) filter (where outcome = 'no_data')::int as "noData",
      -- As a plan takes it: what was recorded without asking, or refused to who signed in before, is no answer.
      count(*) filter (where outcome = 'not_supported' and attempts > 0 and last_attempt_at > signed_in.at)::int
        as "notSupported",
      count(*) filter (where outcome = 'failed' and (error_code = any(?::text[]) or set_aside_at is not null))::int
        as failed
    from app.slice_ledger l cross join (
      select coalesce((select signed_in_at from app.connection_state s where s.connection = b.connection),
        '-infinity') as at) as signed_in
    where l.connection = b.connection and day >= b.from_day and day < b.to_day
      and (b.datasets is null or dataset = any(b.datasets))
      and (not b.refresh or last_attempt_at >= b.created_at + (?::timestamptz - now()))
    group by dataset) as days
  where b.backfill_id = any(?::uuid[])`;

async function days(
  database: Database,
  clock: Clock,
  backfills: readonly Backfill[],
): Promise<ReadonlyMap<string, ReadonlyMap<string, DaysOfDataset>>> {
  const ids = backfills.map(({ id }) => id);
  const { rows } = await database.raw<{ rows: (DaysOfDataset & { id: string; dataset: string })[] }>(
    daysSql,
    [[...badAnswerCodes], new Date(clock.now()).toISOString(), ids] as unknown as string[],
  );
  const found = new Map(ids.map((id) => [id, new Map<string, DaysOfDataset>()]));
  for (const { id, dataset, ...counts } of rows) found.get(id)?.set(dataset, counts);
  return found;
}

/** Makes the store; `clock` is the one the ledger's times are from. */
export function createBackfillStore(database: Database, clock: Clock): BackfillStore {
  const select = async (where: string, values: readonly string[]): Promise<Backfill[]> => {
    const sql = `select ${columns} from app.backfill where ${where}`;
    const { rows } = await database.raw<{ rows: Row[] }>(sql, [...values]);
    return rows.map((row) => backfillOf(row, clock));
  };
  return {
    async add(connection, wish) {
      const [row] = await add(database, connection, wish);
      if (!row) throw new Error('Expected the database to keep a backfill, found none');
      return backfillOf(row, clock);
    },
    open: (connection) =>
      select(`${isOpen} and connection = ? order by created_at, backfill_id`, [connection]),
    async openConnections() {
      const { rows } = await database.raw<{ rows: { connection: string }[] }>(
        `select distinct connection from app.backfill where ${isOpen} and coalesce(${waitsUntil} <= now(), true)
         order by connection`,
      );
      return rows.map(({ connection }) => connection);
    },
    list: (connection, limit) =>
      select('connection = ? order by created_at desc, backfill_id desc limit ?', [
        connection,
        String(limit),
      ]),
    get: async (id) => (await select('backfill_id = ?::uuid', [id]))[0],
    days: (backfills) => days(database, clock, backfills),
    async ran(id, { requests, waitMs, stalled }, fence) {
      const sql = `update app.backfill set requests_made = requests_made + ?, stalled = ?,
          next_run_at = case when ?::float8 > 0 then now() + ?::float8 * interval '1 millisecond' end
        where backfill_id = ?::uuid`;
      const values = [requests, stalled, waitMs, waitMs, id];
      await underFence(database, fence, (transaction) => transaction.raw(sql, values));
    },
    async putOff(connection, waitMs) {
      await database.raw(
        `update app.backfill set next_run_at = now() + ? * interval '1 millisecond' where connection = ? and ${isOpen}`,
        [waitMs, connection],
      );
    },
    async finish(id, fence) {
      const sql = `update app.backfill set finished_at = now() where ${isOpen} and backfill_id = ?::uuid`;
      if (fence) await underFence(database, fence, (transaction) => transaction.raw(sql, [id]));
      else await database.raw(sql, [id]);
    },
    async cancel(id) {
      const { rows } = await database.raw<{ rows: unknown[] }>(
        `update app.backfill set cancelled_at = now() where ${isOpen} and backfill_id = ?::uuid returning backfill_id`,
        [id],
      );
      return rows.length > 0;
    },
  };
}
