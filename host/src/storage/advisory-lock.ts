import { Client } from 'pg';
import { clientConfig } from './database.ts';

/** A lock that every host, command and process of one database shares. */
export interface AdvisoryLock {
  readonly databaseUrl: string;
  readonly timeZone: string;
  /** What is locked, over all hosts. */
  readonly name: string;
  /** How long to wait for who has it, milliseconds; 0 to only try. */
  readonly waitMs: number;
  /** Aborted when the lock is not wanted any more: waiting ends with the abort's reason. */
  readonly signal?: AbortSignal;
  /** Who has it, so that others can end its session when they declare that host dead. */
  readonly hostId?: string | undefined;
  /** Told when the session that holds the lock is lost, and the lock with it. */
  readonly onLost?: (error: Error) => void;
}

/** What sessions are called that hold locks for a host. */
export function tokenSessionName(hostId: string): string {
  return `otw tokens ${hostId}`;
}

// A holder whose machine vanished must be noticed long before the two hours that are usual.
const keepAlive = '-c tcp_keepalives_idle=20 -c tcp_keepalives_interval=10 -c tcp_keepalives_count=3';

const lockNotAvailable = '55P03';

function isTaken(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === lockNotAvailable;
}

async function isHeld(client: Client, { name, waitMs }: AdvisoryLock): Promise<boolean> {
  if (waitMs === 0) {
    const sql = 'select pg_try_advisory_lock(hashtextextended($1, 0)) as held';
    const { rows } = await client.query<{ held: boolean }>(sql, [name]);
    return rows[0]?.held === true;
  }
  try {
    await client.query('select pg_advisory_lock(hashtextextended($1, 0))', [name]);
    return true;
  } catch (error) {
    if (isTaken(error)) return false;
    throw error;
  }
}

/**
 * Takes the lock on a database session of its own, so that it goes when this process does, however it
 * ends. Resolves with what gives it back, or with undefined when another one had it all the time.
 */
export async function takeAdvisoryLock(lock: AdvisoryLock): Promise<(() => Promise<void>) | undefined> {
  const { databaseUrl, timeZone, waitMs, hostId } = lock;
  const usual = clientConfig(databaseUrl, timeZone);
  const longestMs = waitMs + usual.query_timeout;
  const client = new Client({
    ...usual,
    ...(hostId !== undefined && { application_name: tokenSessionName(hostId) }),
    options: `${usual.options} ${keepAlive}`,
    lock_timeout: waitMs,
    query_timeout: longestMs,
    statement_timeout: longestMs,
  });
  client.on('error', (error) => lock.onLost?.(error));
  const giveUp = (): void => void client.end().catch(() => undefined);
  let held = false;
  lock.signal?.throwIfAborted();
  lock.signal?.addEventListener('abort', giveUp, { once: true });
  try {
    await client.connect();
    held = await isHeld(client, lock);
  } catch (error) {
    lock.signal?.throwIfAborted();
    throw error;
  } finally {
    lock.signal?.removeEventListener('abort', giveUp);
    if (!held) await client.end();
  }
  return held ? () => client.end() : undefined;
}
