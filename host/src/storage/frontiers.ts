import type { Frontier } from '@on-the-way/core';
import { prepared, type Database } from './database.ts';
import { fenced, type Fence } from './fence.ts';

interface Row extends Omit<Frontier, 'absentFrom'> {
  readonly absentFrom: string | null;
}

/** The days of a connection that need not be read to plan a run, dataset by dataset, out of app.dataset_frontier. */
export async function loadFrontiers(database: Database, connection: string): Promise<readonly Frontier[]> {
  const { rows } = await prepared<Row>(
    database,
    `select dataset, from_day::text as "from", to_day::text as "to", basis, absent_from::text as "absentFrom",
       newest as row
     from app.dataset_frontier where connection = ?`,
    [connection],
  );
  return rows.map(({ absentFrom, ...frontier }) => ({
    ...frontier,
    ...(absentFrom !== null && { absentFrom }),
  }));
}

const saveSql = `
  with fence as (select from app.connection_claim where connection = ? and epoch = ? for share)
  insert into app.dataset_frontier (connection, dataset, from_day, to_day, basis, absent_from, newest, newest_end)
  select ?, new.dataset, new."from", new."to", new.basis, new."absentFrom", new.row, new."end"
  from jsonb_to_recordset(?::jsonb) as new(dataset text, "from" date, "to" date, basis text, "absentFrom" date,
    row jsonb, "end" date), fence
  order by new.dataset
  on conflict (connection, dataset) do update set from_day = excluded.from_day, to_day = excluded.to_day,
    basis = excluded.basis, absent_from = excluded.absent_from, newest = excluded.newest,
    newest_end = excluded.newest_end`;

/** Replaces those of the same datasets. Throws Fenced, and writes nothing, once another host has the connection. */
export async function saveFrontiers(
  database: Database,
  fence: Fence,
  frontiers: readonly Frontier[],
): Promise<void> {
  if (frontiers.length === 0) return;
  const rows = frontiers.map((frontier) => ({
    ...frontier,
    end: frontier.row.findLast(({ kind }) => kind === 'end')?.newest,
  }));
  const { connection, epoch } = fence;
  const values = [connection, epoch, connection, JSON.stringify(rows)];
  const { rowCount } = await database.raw<{ rowCount: number }>(saveSql, values);
  if (rowCount === 0) throw fenced(fence);
}

/**
 * SQL, to follow a `with recorded(dataset, day, outcome, attempts)`: forgets what is no longer true of the frontiers of
 * a connection once these outcomes are recorded. Takes the connection.
 */
export const forgetFrontiersSql = `
  delete from app.dataset_frontier f using recorded r
  where f.connection = ? and f.dataset = r.dataset and r.day >= f.from_day and r.day < f.to_day and (
    -- The newest days decide whether the dataset is absent. A failure that ends them, and fails again, goes on to.
    (r.day >= coalesce(f.newest_end, f.from_day)
      and not (r.outcome = 'failed' and r.day is not distinct from f.newest_end))
    -- Answered only while the dataset is absent, which the frontier does not know of.
    or (r.outcome = 'not_supported' and r.attempts = 0 and (f.absent_from is null or r.day < f.absent_from)))`;
