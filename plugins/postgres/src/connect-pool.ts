import { ConnectorError } from '@on-the-way/sdk';
import type { Log } from '@on-the-way/sdk';
import pg from 'pg';

/** The same address with the scheme that Postgres' own tools know. */
function normalise(connectionString: string): string {
  const normal = connectionString.trim().replace(/^postgres(?:ql)?(?:\+\w+)?:\/\//, 'postgresql://');
  if (!normal.startsWith('postgresql://') || !URL.canParse(normal)) {
    throw new ConnectorError(
      'config',
      'Expected connectionString like postgresql://user:password@host:5432/database, got something else ' +
        '(not shown, it may hold a password): special characters in the password must be percent-encoded',
    );
  }
  return normal;
}

/** How many a sink has at most. */
export const connections = 4;

/** A pool that neither hangs on a silent network nor ends the process when the server goes away. */
export function connectPool(connectionString: string, log: Log): pg.Pool {
  const pool = new pg.Pool({
    connectionString: normalise(connectionString),
    fallback_application_name: 'on-the-way sink',
    max: connections,
    // A session with a temporary table keeps the server from forgetting old transactions for as long as it lasts.
    maxLifetimeSeconds: 3_600,
    idleTimeoutMillis: 60_000,
    connectionTimeoutMillis: 5_000,
    // The server's own timeout does not help when the network swallows its answer; this one does.
    query_timeout: 15_000,
    statement_timeout: 30_000,
    keepAlive: true,
  });
  pool.on('error', (error) => {
    log.debug('an idle database connection was lost', { code: (error as { code?: unknown }).code });
  });
  return pool;
}
