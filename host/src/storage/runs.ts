import type { DatasetCounts, Failure, RunStatus, RunSummary } from '@on-the-way/core';
import type { Knex } from 'knex';
import { prepared, type Database } from './database.ts';
import type { Trigger } from './run-begin.ts';

/** A run as it is listed. */
export interface StoredRun {
  readonly runId: string;
  readonly connection: string;
  readonly trigger: Trigger;
  /** `queued`: asked for, and no host has begun it yet. */
  readonly status: RunStatus | 'running' | 'queued';
  readonly startedAt: Date;
  /** The same to the microsecond, which a Date cannot hold; RFC 3339. */
  readonly startedAtExactly: string;
  readonly finishedAt: Date | null;
  readonly slicesPlanned: number;
  readonly datasets: Readonly<Record<string, DatasetCounts>>;
  /** Requests made to the source. */
  readonly requests: number;
  /** Why nothing was asked for. */
  readonly skipped: string | null;
  readonly errorCode: string | null;
  readonly errorMessage: string | null;
}

/** Which runs to list, newest first. */
interface RunFilter {
  readonly connection?: string;
  readonly status?: string;
  readonly limit: number;
  /** Only runs older than this one. */
  readonly before?: { readonly startedAt: string; readonly runId: string };
}

/** A run that no host has. */
interface UnheldRun {
  readonly runId: string;
  readonly status: 'queued' | 'running';
}

/** Runs in app.run. */
export interface RunStore {
  /** Adds a run that a person asked for and that another host will begin; `work` adds it to the queue, in one transaction. */
  ask(
    run: { runId: string; connection: string },
    work: (transaction: Knex.Transaction) => Promise<void>,
  ): Promise<void>;
  /** Has others go on with a person's run that this host broke off, in the transaction that records that it did. */
  askAgain(runId: string, transaction: Knex.Transaction): Promise<void>;
  /** Runs that no host has: queued, or marked as running under a claim that is no more. */
  unheld(): Promise<readonly UnheldRun[]>;
  /** Ends a run that was asked for and could not begin, or could not be gone on with. One that a host has is left alone. */
  refuse(runId: string, error: Failure): Promise<void>;
  /** Marks a run as interrupted whose host ended before it did. */
  interrupt(runId: string): Promise<void>;
  list(filter: RunFilter): Promise<readonly StoredRun[]>;
  /** Requests made by runs of the connection that began, or went on, at `at` or later: the begin of a day, milliseconds since 1970. */
  requestsSince(connection: string, at: number): Promise<number>;
  get(runId: string): Promise<StoredRun | undefined>;
  /** When the last run of each of these connections that succeeded ended, milliseconds since 1970. */
  lastSuccesses(connections: readonly string[]): Promise<ReadonlyMap<string, number>>;
}

const columns = `run_id as "runId", connection, trigger, status, started_at as "startedAt", finished_at as "finishedAt",
  to_char(started_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as "startedAtExactly",
  slices_planned as "slicesPlanned", datasets, requests, skipped, error_code as "errorCode", error_message as "errorMessage"`;

/** A condition on a row of app.run, called `run`: a host has it. */
const heldSql = `exists (
  select from app.connection_claim as claim
  where claim.connection = run.connection and claim.epoch = run.epoch and claim.host_id is not null)`;

// A run begins with its claim, and ends as it lets go of it.
const unheldSql = `
  select run_id as "runId", status from app.run as run
  where status = 'queued' or (status = 'running' and epoch is not null and not ${heldSql})`;

/** One that is begun meanwhile has another epoch once we have waited for that: what we saw of its claim is old then. */
const asSeenSql = `from (select run_id, epoch from app.run where run_id = ?) as seen
  where run.run_id = seen.run_id and run.epoch is not distinct from seen.epoch`;

const refuseSql = `
  update app.run as run set status = 'failed', finished_at = now(), error_code = ?, error_message = ?
  ${asSeenSql} and (status = 'queued' or (status = 'interrupted' and error_code = 'host_ended')
    or (status = 'running' and not ${heldSql}))`;

const interruptSql = `
  update app.run as run set status = 'interrupted', finished_at = now(), error_code = 'host_ended',
    error_message = 'The host ended before the run did'
  ${asSeenSql} and status = 'running' and not ${heldSql}`;

/** Writes how a run ended, in the transaction of whatever else its end changes. One that was gone on with has made more requests. */
export async function finishRun(
  transaction: Knex.Transaction,
  summary: RunSummary,
  clean: (text: string) => string,
): Promise<void> {
  const { error } = summary;
  await prepared(
    transaction,
    `update app.run set status = ?, finished_at = ?::timestamptz, slices_planned = ?, datasets = ?::json,
       requests = requests + ?, skipped = ?, error_code = ?, error_message = ? where run_id = ?`,
    [
      summary.status,
      new Date(summary.finishedAt).toISOString(),
      summary.slicesPlanned,
      JSON.stringify(summary.datasets),
      summary.requests,
      summary.skipped ?? null,
      error?.code ?? null,
      error ? clean(error.message) : null,
      summary.runId,
    ],
  );
}

async function requestsSince(database: Database, connection: string, at: number): Promise<number> {
  const { rows } = await database.raw<{ rows: { made: number }[] }>(
    `select coalesce(sum(requests - requests_before), 0)::int as made from app.run where connection = ? and started_at >= ?::timestamptz`,
    [connection, new Date(at).toISOString()],
  );
  return rows[0]?.made ?? 0;
}

async function lastSuccesses(
  database: Database,
  connections: readonly string[],
): Promise<ReadonlyMap<string, number>> {
  const { rows } = await database.raw<{ rows: { name: string; at: Date }[] }>(
    `select name, last.at from unnest(?::text[]) as name, lateral (select finished_at as at from app.run
       where connection = name and status = 'succeeded' order by started_at desc limit 1) as last`,
    [[...connections]],
  );
  return new Map(rows.map(({ name, at }) => [name, at.getTime()]));
}

/** The store; `clean` takes secrets out of error messages. */
export function createRunStore(database: Database, clean: (text: string) => string): RunStore {
  const select = async (where: string, values: readonly unknown[]): Promise<StoredRun[]> => {
    const sql = `select ${columns} from app.run ${where}`;
    return (await database.raw<{ rows: StoredRun[] }>(sql, [...values] as string[])).rows;
  };
  return {
    ask: ({ runId, connection }, work) =>
      database.transaction(async (transaction) => {
        await transaction.raw(
          `insert into app.run (run_id, connection, trigger, status, started_at) values (?, ?, 'person', 'queued', now())`,
          [runId, connection],
        );
        await work(transaction);
      }),
    async askAgain(runId, transaction) {
      await transaction.raw(
        `update app.run set status = 'queued', finished_at = null where run_id = ? and status = 'interrupted'`,
        [runId],
      );
    },
    unheld: async () => (await database.raw<{ rows: UnheldRun[] }>(unheldSql)).rows,
    async refuse(runId, { code, message }) {
      await database.raw(refuseSql, [code, clean(message), runId]);
    },
    async interrupt(runId) {
      await database.raw(interruptSql, [runId]);
    },
    list({ connection = null, status = null, limit, before }) {
      // A null means: whatever. Postgres sees constants and still uses the index by connection.
      return select(
        `where (?::text is null or connection = ?) and (?::text is null or status = ?)
           and (?::timestamptz is null or (started_at, run_id) < (?::timestamptz, ?::uuid))
         order by started_at desc, run_id desc limit ?`,
        [
          connection,
          connection,
          status,
          status,
          before?.startedAt ?? null,
          before?.startedAt ?? null,
          before?.runId ?? null,
          limit,
        ],
      );
    },
    lastSuccesses: (connections) => lastSuccesses(database, connections),
    requestsSince: (connection, at) => requestsSince(database, connection, at),
    async get(runId) {
      return (await select('where run_id = ?', [runId]))[0];
    },
  };
}
