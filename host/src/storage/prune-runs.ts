import type { Database } from './database.ts';

/** Takes runs that ended long ago out of app.run. */
export interface RunPruner {
  /** Deletes some, of some of the connections; the next call goes on with others. Resolves with how many. */
  prune(): Promise<number>;
}

// What is asked of the newest ones: whether a plugin is broken, whether a run got any further.
const newestKept = 20;
const connectionsAtOnce = 500;
const runsAtOnce = 2_000;
// Nothing is urgent: what all of them have is looked at once an hour.
const passEveryMs = 3_600_000;
// Of hosts that come to it at the same moment one does it. Any number will do.
const lockKey = 7_206_503;

/*
 * Read by the index of each connection, the oldest first. Its last run that went well, and its last one that is no chunk of
 * a backfill, are asked for whatever their age: when it is due next is told from them.
 */
const pruneSql = `
  with turn as materialized (select pg_try_advisory_xact_lock(${lockKey}) as is_mine),
  page as (
    select connection from app.connection_state, turn where is_mine and connection > ?
    order by connection limit ${connectionsAtOnce}),
  old as (
    select run.run_id from page
      cross join lateral (
        select started_at, run_id from app.run where run.connection = page.connection
        order by started_at desc, run_id desc offset ${newestKept} limit 1) as kept
      cross join lateral (
        select run_id, connection, status, trigger, started_at from app.run where run.connection = page.connection
          and started_at <= least(kept.started_at, now() - ? * interval '1 day')
          and (started_at, run_id) <= (kept.started_at, kept.run_id) and status not in ('queued', 'running')
        order by started_at limit ${runsAtOnce}) as run
    where (run.status <> 'succeeded' or exists (
        select from app.run as later where later.connection = run.connection
          and later.started_at > run.started_at and later.status = 'succeeded'))
      and (run.trigger = 'backfill' or exists (
        select from app.run as later where later.connection = run.connection
          and later.started_at > run.started_at and later.trigger <> 'backfill'
          and later.status not in ('queued', 'running')))
    limit ${runsAtOnce}),
  gone as (delete from app.run where run_id = any(array(select run_id from old)) returning run_id)
  select (select max(connection) from page) as last, (select count(*)::int from gone) as gone`;

/** Makes it; runs that began within the last `keepDays` days stay, and of each connection the newest ones. */
export function createRunPruner(
  database: Database,
  { keepDays, now = () => performance.now() }: { readonly keepDays: number; readonly now?: () => number },
): RunPruner {
  let after = '';
  let passAgainAt = -Infinity;
  return {
    async prune() {
      if (now() < passAgainAt) return 0;
      const { rows } = await database.raw<{ rows: { last: string | null; gone: number }[] }>(pruneSql, [
        after,
        keepDays,
      ]);
      const { last = null, gone = 0 } = rows[0] ?? {};
      // There may be more of the same ones.
      if (gone === runsAtOnce) return gone;
      after = last ?? '';
      if (last === null) passAgainAt = now() + passEveryMs;
      return gone;
    },
  };
}
