import type pg from 'pg';
import { sqlStateOf } from './translate-error.ts';

/** Where and under which conditions a transaction runs. */
export interface TransactionOptions {
  readonly pool: pg.Pool;
  readonly timeZone: string | undefined;
  readonly signal: AbortSignal;
}

/** What a transaction does. */
export interface TransactionSteps<T> {
  body(client: pg.PoolClient): Promise<T>;
  /** Sent together with the commit, so it costs no wait of its own; when it fails, the commit undoes everything. */
  last?(client: pg.PoolClient, result: T): Promise<unknown>;
}

function begin(timeZone: string | undefined): string {
  // The isolation on which the reading of rows that others have just committed depends.
  const start = 'BEGIN ISOLATION LEVEL READ COMMITTED';
  // Checked by the schema to be a zone's name, so it holds no quote.
  return timeZone === undefined ? start : `${start}; SET LOCAL TIME ZONE '${timeZone}'`;
}

// A commit that the network has swallowed would be waited for until the query's own limit.
const commitGraceMs = 2_000;

interface Loan {
  readonly client: pg.PoolClient;
  /** From here on aborting ends the connection only when no answer comes within a grace. */
  commitToFinish(): void;
  /** Gives the connection back, or ends it, and with it its transaction. Only the first call counts. */
  release(options: { readonly reuse: boolean }): void;
}

/** Takes a connection from the pool; aborting ends it at once, also in the middle of a query. */
async function borrow(pool: pg.Pool, signal: AbortSignal): Promise<Loan> {
  const client = await pool.connect();
  // The query under way is rejected too; without a listener the event would end the process.
  const ignore = () => {};
  const abort = () => release({ reuse: false });
  let grace: NodeJS.Timeout | undefined;
  const abortLater = () => (grace = setTimeout(abort, commitGraceMs));
  let released = false;
  function release({ reuse }: { readonly reuse: boolean }): void {
    if (released) return;
    released = true;
    signal.removeEventListener('abort', abort);
    signal.removeEventListener('abort', abortLater);
    clearTimeout(grace);
    client.release(!reuse);
    // The pool would wait for the answers to all that has been sent.
    if (!reuse) client.connection.stream.destroy();
    client.off('error', ignore);
  }
  client.on('error', ignore);
  signal.addEventListener('abort', abort, { once: true });
  return {
    client,
    release,
    commitToFinish() {
      signal.removeEventListener('abort', abort);
      signal.addEventListener('abort', abortLater, { once: true });
    },
  };
}

/** Sends statements without waiting for the answers of those before them, in as few packets as they fit in. */
export async function together<T extends readonly unknown[]>(
  { connection: { stream } }: pg.PoolClient,
  send: () => [...T],
): Promise<{ -readonly [Index in keyof T]: Awaited<T[Index]> }> {
  stream.cork();
  const sent = send();
  stream.uncork();
  return Promise.all(sent);
}

/** True when the connection is in order again: only where the server itself said no can we know that. */
async function rollBack(client: pg.PoolClient, error: unknown): Promise<boolean> {
  if (sqlStateOf(error) === undefined) return false;
  return client.query('ROLLBACK').then(
    () => true,
    () => false,
  );
}

/**
 * Runs the steps in one transaction and commits it. Aborting before the commit leaves nothing; after the
 * commit has been sent, the transaction stands whatever the signal says: its answer is waited for, for 2 s after that.
 */
export async function inTransaction<T>(
  { pool, timeZone, signal }: TransactionOptions,
  { body, last }: TransactionSteps<T>,
): Promise<T> {
  signal.throwIfAborted();
  const { client, commitToFinish, release } = await borrow(pool, signal);
  try {
    signal.throwIfAborted();
    await client.query(begin(timeZone));
    const result = await body(client);
    signal.throwIfAborted();
    commitToFinish();
    await together(client, () => [last?.(client, result), client.query('COMMIT')]);
    release({ reuse: true });
    return result;
  } catch (error) {
    release({ reuse: await rollBack(client, error) });
    if (signal.aborted) throw signal.reason;
    throw error;
  }
}
