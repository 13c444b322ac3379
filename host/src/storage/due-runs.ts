import type { Clock } from '@on-the-way/core';
import type { Day } from '@on-the-way/sdk';
import { queueSchema } from '../queue/install.ts';
import type { Database } from './database.ts';

/** A connection that is due. */
interface DueRun {
  readonly connection: string;
  readonly reason: 'live' | 'retry';
}

/** What a host that starts says of a connection. */
interface PlannedConnection {
  readonly connection: string;
  readonly intervalSeconds: number;
  /** The first day that is wanted. */
  readonly backfillFrom: Day;
  /** A digest of what it signs in with; wanted of those that {@link DueRuns.refused} names. */
  readonly refusedBasis?: string | undefined;
}

/** The names of the connections that a host has in its configuration; a Set or a Map of them will do. */
interface OwnNames {
  readonly size: number;
  has(connection: string): boolean;
  keys(): Iterable<string>;
}

/** When connections are due, by the database's clock and for all hosts. */
export interface DueRuns {
  /** Says that these are to be run by schedule. What was planned before stands, unless it is too far off or not enough. */
  plan(connections: readonly PlannedConnection[]): Promise<void>;
  /** Those of these connections that were refused, or wanted a person, when they last ran. */
  refused(connections: readonly string[]): Promise<ReadonlySet<string>>;
  /**
   * Takes up to `limit` of this host's connections that are due; of two hosts that ask, one gets a connection. Each is
   * due again in a minute unless its run says otherwise, so that a job that is lost does not matter; one that has a job
   * still, to which none can be added, in three seconds. A host with very many connections may have to ask several times
   * before it comes to those that are due after many of other hosts.
   */
  take(mine: OwnNames, limit: number): Promise<readonly DueRun[]>;
  /** Makes a connection due so many milliseconds from now, or when it is due anyway if that is sooner. */
  bringForward(connection: string, afterMs: number): Promise<void>;
  /** Makes a connection due no sooner than so many milliseconds from now. */
  putOff(connection: string, afterMs: number): Promise<void>;
  /** Whether any of the connection's newest `count` runs was answered for a day that had never been asked for. */
  gotOn(connection: string, count: number): Promise<boolean>;
  /** The host's clock less the database's, in milliseconds. */
  clockSkewMs(clock: Clock): Promise<number>;
}

/*
 * A run is due at once where none went well yet that a new start may mend, where more days are wanted than were, or
 * where the host that had it ended. Else a start asks no source again before the interval has passed. A sign-in that was
 * refused is not tried again within the hour with the same plugin, configuration and token files.
 */
const planSql = `
  with planned as (
    select state.connection, case
      when last.error_code in ('needs_user', 'auth') and wanted.refused_basis = state.refused_basis
        then least(state.next_run_at, greatest(now(), state.not_before, last.finished_at + interval '1 hour'))
      when last.status is null or state.backfill_from is null or wanted.backfill_from < state.backfill_from
        or last.status = 'interrupted' or last.error_code in ('needs_user', 'auth', 'config', 'usage')
        then least(state.next_run_at, greatest(now(), state.not_before))
      when state.next_run_at is null and last.status <> 'succeeded' then greatest(now(), state.not_before)
      else least(state.next_run_at, greatest(now(), state.not_before,
        last.started_at + wanted.interval_seconds * interval '1 second')) end as at
    from unnest(?::text[], ?::date[], ?::int[], ?::text[])
      as wanted (connection, backfill_from, interval_seconds, refused_basis)
    join app.connection_state as state using (connection)
    left join lateral (
      select status, started_at, finished_at, error_code from app.run
      where run.connection = wanted.connection and trigger <> 'backfill' and status not in ('running', 'queued')
      order by started_at desc limit 1) as last on true)
  update app.connection_state as state set next_run_at = planned.at from planned
  where state.connection = planned.connection and state.next_run_at is distinct from planned.at`;

const gotOnSql = `
  select exists (
    select from (select run_id, started_at from app.run where connection = ? order by started_at desc limit ?) as newest
      join app.slice_ledger as slice using (run_id)
    where slice.connection = ? and slice.first_attempt_at >= newest.started_at) as "gotOn"`;

// Each statement is short, also where hosts start together with very many connections.
const plannedAtOnce = 2_000;
// With more, their names are too much to send at each look, which is once a second.
const mostNamesSent = 5_000;
const dueAtOnce = 1_000;
const pagesAtOnce = 4;

/*
 * A host with more connections sends the names of those alone that are due. Read in the order in which they are due, a page
 * at a time: what is due at the front may be other hosts', or nobody's.
 */
const dueSql = `
  select connection, next_run_at::text as at, coalesce(?::timestamptz, now())::text as until from app.connection_state
  where next_run_at <= coalesce(?::timestamptz, now()) and paused_at is null
    and (next_run_at, connection) > (coalesce(?::timestamptz, '-infinity'), ?)
  order by next_run_at, connection limit ${dueAtOnce}`;

const takeSql = `
  with due as (
    select connection, due_reason from app.connection_state
    where next_run_at <= now() and paused_at is null and connection = any(?)
    order by next_run_at, connection limit ? for update skip locked)
  update app.connection_state as state set next_run_at = now() + case when exists (
      select from ${queueSchema}.job where name = 'run' and singleton_key = due.connection and job.state <= 'active')
    then interval '3 seconds' else interval '1 minute' end
  from due where state.connection = due.connection
  returning state.connection, due.due_reason as reason`;

/** How far a host has read what is due. What is due only after `until` is for the next time, so that there is an end. */
interface Place {
  readonly connection: string;
  readonly at: string;
  readonly until: string;
}

/** This host's own of what is due: some more than are wanted, since other hosts take of the same ones meanwhile. */
function createDueReader(database: Database) {
  let place: Place | undefined;
  return async (mine: OwnNames, limit: number): Promise<readonly string[]> => {
    const found: string[] = [];
    const began = place;
    for (let page = 0; page < pagesAtOnce && found.length < 2 * limit; page += 1) {
      const { connection = '', at = null, until = null } = place ?? {};
      const values = [until, until, at, connection] as string[];
      const { rows } = await database.raw<{ rows: Place[] }>(dueSql, values);
      found.push(...rows.map((row) => row.connection).filter((name) => mine.has(name)));
      place = rows.length < dueAtOnce ? undefined : rows.at(-1);
      if (!place) break;
    }
    // Not all of them can be taken: the next look begins where this one did.
    if (found.length > limit) place = began;
    return found;
  };
}

/** Makes it. */
export function createDueRuns(database: Database): DueRuns {
  const readDue = createDueReader(database);
  return {
    async plan(connections) {
      for (let at = 0; at < connections.length; at += plannedAtOnce) {
        const some = connections.slice(at, at + plannedAtOnce);
        await database.raw(planSql, [
          some.map(({ connection }) => connection),
          some.map(({ backfillFrom }) => backfillFrom),
          some.map(({ intervalSeconds }) => intervalSeconds),
          some.map(({ refusedBasis }) => refusedBasis ?? null),
        ] as unknown as string[]);
      }
    },
    async refused(connections) {
      const { rows } = await database.raw<{ rows: { connection: string }[] }>(
        `select connection from app.connection_state join app.connector_health as health using (connection)
         where connection = any(?) and refused_basis is not null and health.last_error_code in ('needs_user', 'auth')`,
        [[...connections]],
      );
      return new Set(rows.map(({ connection }) => connection));
    },
    async take(mine, limit) {
      const names = mine.size <= mostNamesSent ? [...mine.keys()] : await readDue(mine, limit);
      if (names.length === 0) return [];
      const values = [names, limit] as unknown as string[];
      return (await database.raw<{ rows: DueRun[] }>(takeSql, values)).rows;
    },
    async gotOn(connection, count) {
      const values = [connection, count, connection];
      const { rows } = await database.raw<{ rows: { gotOn: boolean }[] }>(gotOnSql, values);
      return rows[0]?.gotOn === true;
    },
    async bringForward(connection, afterMs) {
      await database.raw(
        `update app.connection_state set next_run_at = least(next_run_at, now() + ? * interval '1 millisecond')
         where connection = ?`,
        [afterMs, connection],
      );
    },
    async putOff(connection, afterMs) {
      await database.raw(
        `update app.connection_state set next_run_at = greatest(next_run_at, now() + ? * interval '1 millisecond')
         where connection = ?`,
        [afterMs, connection],
      );
    },
    async clockSkewMs(clock) {
      const before = clock.now();
      const { rows } = await database.raw<{ rows: { now: Date }[] }>('select clock_timestamp() as now');
      return (before + clock.now()) / 2 - (rows[0]?.now.getTime() ?? before);
    },
  };
}
