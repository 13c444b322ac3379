/** Who started a run. */
export type Trigger = 'schedule' | 'person' | 'backfill';

/** A run that begins. Instants are milliseconds since 1970. */
export interface NewRun {
  readonly runId: string;
  readonly trigger: Trigger;
  readonly startedAt: number;
  /** When the day of `startedAt` began where the connection is. */
  readonly dayStartedAt: number;
}

/**
 * SQL for a run's beginning, to follow a `with claim(connection, epoch, host_id)` that has the connection or no row; `begun`
 * has no row where the run has ended already. Takes {@link beginningOf}.
 *
 * Marks what an earlier host left running as interrupted, then adds the new run, or begins the one that was asked for. A run
 * that a person asked for, and whose host ended, goes on under its id; so does one whose end could not be written.
 */
export const beginningSql = `
  ended as (
    update app.run set status = 'interrupted', finished_at = ?::timestamptz, error_code = 'host_ended',
      error_message = 'The host ended before the run did'
    where connection = (select connection from claim) and status = 'running' and run_id <> ?::uuid),
  begun as (
    insert into app.run (run_id, connection, trigger, status, started_at, host_id, epoch)
    select ?::uuid, connection, ?, 'running', ?::timestamptz, host_id, epoch from claim
    on conflict (run_id) do update set status = 'running', started_at = excluded.started_at, host_id = excluded.host_id,
      epoch = excluded.epoch, finished_at = null, error_code = null, error_message = null,
      requests_before = case when app.run.started_at < ?::timestamptz then app.run.requests else app.run.requests_before end
    where app.run.status in ('queued', 'running')
      or (app.run.status = 'interrupted' and app.run.error_code = 'host_ended')
    returning run_id)`;

/** The values of {@link beginningSql}. */
export function beginningOf({ runId, trigger, startedAt, dayStartedAt }: NewRun): readonly string[] {
  const when = new Date(startedAt).toISOString();
  return [when, runId, runId, trigger, when, new Date(dayStartedAt).toISOString()];
}
