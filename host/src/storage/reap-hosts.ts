import { tokenSessionName } from './advisory-lock.ts';
import type { Database } from './database.ts';
import { hostLockSql } from './host-life.ts';

/** A connection that a dead host had. */
export interface Reaped {
  readonly connection: string;
  readonly runId: string | null;
  /** The queue's job, where the run had one. */
  readonly jobId: string | null;
}

// Without its session and not seen for this long: the process has ended, however it did.
const endedAfter = '2500 milliseconds';
// With its session and not seen for this long: stopped, or cut off. Its event loop may be blocked for 5 s in all good faith.
const silentAfter = '10 seconds';

/** A condition on a host's id: no session has its lock. */
export function hasNoSessionSql(hostId: string): string {
  return `not exists (
    select from pg_locks where locktype = 'advisory' and granted and objsubid = 1
      and database = (select oid from pg_database where datname = current_database())
      and ((classid::bigint << 32) | objid::bigint) = ${hostLockSql(hostId)})`;
}

/*
 * The lock of a session goes when its process does, however that ends, and says so within milliseconds; the time it was
 * last seen, by the database's clock, tells a host that is frozen or cut off.
 */
const reapSql = `
  with dead as (
    delete from app.host where seen_at < now() - interval '${silentAfter}'
      or (seen_at < now() - interval '${endedAfter}' and ${hasNoSessionSql('host_id')})
    returning host_id),
  freed as (
    update app.connection_claim as claim set host_id = null, epoch = claim.epoch + 1
    where claim.host_id is not null
      and (claim.host_id in (select host_id from dead) or not exists (
        select from app.host where host_id = claim.host_id))
    returning connection, run_id, job_id),
  ended as (
    update app.run set status = 'interrupted', finished_at = now(), error_code = 'host_ended',
      error_message = 'The host ended before the run did'
    where run_id in (select run_id from freed) and status = 'running'),
  due as (
    update app.connection_state set next_run_at = least(next_run_at, now())
    where connection in (select connection from freed) and next_run_at is not null)
  select connection, run_id as "runId", job_id as "jobId" from freed`;

/*
 * What a host that is frozen or cut off has locked goes only with its session, and whoever takes its connections over
 * would wait for it. Of a process that has ended there is none.
 */
const endTokenLocksSql = `
  select pg_terminate_backend(pid) from pg_stat_activity as session
  where datname = current_database() and application_name like '${tokenSessionName('%')}'
    and not exists (select from app.host where session.application_name = '${tokenSessionName('')}' || host_id)`;

/** Declares hosts dead that are. Resolves with the connections that nobody has any more, which are due. */
export async function reapHosts(database: Database): Promise<readonly Reaped[]> {
  return (await database.raw<{ rows: Reaped[] }>(reapSql)).rows;
}

/** Ends the sessions that hold token locks for hosts that are on the list no more. Rejects where these are another user's. */
export async function endTokenLocks(database: Database): Promise<void> {
  await database.raw(endTokenLocksSql);
}
