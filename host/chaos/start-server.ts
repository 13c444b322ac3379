import { startOwnPostgres, type OwnPostgres } from '../test/own-postgres.ts';

/** A Postgres for the suite. What is killed is Postgres, not the machine: the system keeps what was written without a flush. */
export function startServer(): Promise<OwnPostgres> {
  return startOwnPostgres(['fsync = off', 'max_connections = 300']);
}
