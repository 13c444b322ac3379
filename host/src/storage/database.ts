import { failureOf } from '@on-the-way/core';
import knex, { type Knex } from 'knex';
import { exitCodes, HostError } from '../host-error.ts';

/** The pool every query of the host goes through. */
export type Database = Knex;

// A connection that the network swallowed answers nothing, for ever; only query_timeout notices.
const queryTimeoutMs = 15_000;
const connectTimeoutMs = 5_000;
const lockTimeoutMs = 5_000;
// By then others take over what a host had that was stopped within a transaction, and its locks must be gone.
const idleInTransactionMs = 10_000;

/** How a client of pg is configured here, for knex and for single connections alike. */
export function clientConfig(url: string, timeZone: string) {
  return {
    connectionString: url,
    application_name: 'otw',
    connectionTimeoutMillis: connectTimeoutMs,
    query_timeout: queryTimeoutMs,
    statement_timeout: 2 * queryTimeoutMs,
    lock_timeout: lockTimeoutMs,
    idle_in_transaction_session_timeout: idleInTransactionMs,
    keepAlive: true,
    options: `-c TimeZone=${timeZone}`,
  };
}

const silent = (): void => undefined;

/** Opens the pool. Nothing is connected before the first query. */
export function openDatabase(url: string, timeZone: string): Database {
  const database = knex({
    client: 'pg',
    connection: clientConfig(url, timeZone),
    pool: { min: 0, max: 10 },
    acquireConnectionTimeout: 10_000,
    // What it would print is thrown as well, and whoever catches that says it in our words.
    log: { warn: silent, error: silent, deprecate: silent, debug: silent },
    compileSqlOnError: false,
  });
  return database.on('query-error', (error: Error, { sql }: { readonly sql: string }) => {
    // A log is for who runs the host: it says what went wrong, not in which of our statements.
    const statement = `${sql} - `;
    if (error.message.startsWith(statement)) error.message = error.message.slice(statement.length);
  });
}

// A session keeps each statement that was prepared in it: whoever makes up statements as it goes makes too many.
const mostPrepared = 200;
const preparedNames = new Map<string, string>();

/**
 * A statement that is parsed and planned once a session, not at each use: for those of every run, which take longer to plan
 * than to execute. Not for what is planned by its values, such as conditions that a null turns off.
 */
export async function prepared<T>(
  on: Knex,
  sql: string,
  values: readonly unknown[],
): Promise<{ readonly rows: T[]; readonly rowCount: number }> {
  if (!preparedNames.has(sql) && preparedNames.size < mostPrepared)
    preparedNames.set(sql, `otw_${preparedNames.size}`);
  const name = preparedNames.get(sql);
  const statement = on.raw<{ rows: T[]; rowCount: number }>(sql, [...values] as string[]);
  return name === undefined ? statement : statement.options({ name });
}

/** How many sessions of the pool are at work and idle, and how many callers wait for one. */
export function poolOf(database: Database): Readonly<Record<'used' | 'idle' | 'waiting', number>> {
  // knex says nothing of the type of its pool, which is tarn's.
  const pool = (database.client as { readonly pool?: Readonly<Record<string, () => number>> }).pool;
  return {
    used: pool?.['numUsed']?.() ?? 0,
    idle: pool?.['numFree']?.() ?? 0,
    waiting: pool?.['numPendingAcquires']?.() ?? 0,
  };
}

/*
 * Connection lost, a lost race for a lock, resources and disk, shutdown, I/O, read-only after a failover, credentials.
 * The sink of Postgres calls the same ones transient; only credentials are a matter of configuration there, and a
 * statement that took too long (57014) is one here that may take too long again.
 */
const away =
  /^(?:08|28|40|53|57P|58|25006|55P03|55006|ECONN|ETIMEDOUT|EPIPE|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH)/;

/** True for the error of a caller that waited in vain for one of the pool's sessions, all of which were at work. */
export function isPoolFull(error: unknown): boolean {
  return (
    error instanceof Error && error.name === 'KnexTimeoutError' && /Timeout acquiring/.test(error.message)
  );
}

/** True for errors that say the database is not to be had now, as opposed to what it answered. */
export function isUnreachable(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const code = 'code' in error ? String(error.code) : '';
  return (
    away.test(code) ||
    /timeout ex(?:ceeded|pired)|Timeout acquiring|Connection terminated|not queryable|Query read timeout/i.test(
      error.message,
    ) ||
    (error instanceof AggregateError && error.errors.some(isUnreachable))
  );
}

/** The address without its password, for messages. */
function shownAddress(url: string): string {
  const parsed = URL.parse(url);
  return parsed ? `${parsed.hostname}:${parsed.port || '5432'}${parsed.pathname}` : 'the database';
}

/** What a command ends with when the database is not there (exit 69). */
export function unreachable(url: string, cause: unknown): HostError {
  const why = failureOf(cause).message;
  return new HostError(
    exitCodes.unreachable,
    `Expected a Postgres database at ${shownAddress(url)}, but: ${why}. Check that it runs and that DATABASE_URL is right`,
    { cause },
  );
}
