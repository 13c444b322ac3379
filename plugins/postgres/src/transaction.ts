import { connect } from 'node:net';
import { ConnectorError } from '@on-the-way/sdk';
import type pg from 'pg';
import { exchange, pipeline, type Answer } from './exchange.ts';
import { setupSql, type Dialect, type Staged } from './stage.ts';
import type { Places } from './places.ts';
import { sqlStateOf } from './translate-error.ts';

/** Where and under which conditions a transaction runs. */
export interface TransactionOptions {
  readonly pool: pg.Pool;
  /** As many as the pool has connections. */
  readonly places: Places;
  readonly dialect: Dialect;
  readonly signal: AbortSignal;
}

// An answer that the network has swallowed would be waited for until the query's own limit.
const graceMs = 2_000;

/** What the driver knows of a session, beside its types. */
interface Session {
  readonly host: string;
  readonly port: number;
  readonly processID: number | null;
  readonly secretKey: number | null;
}

/** Asks the server to stop what the session is doing. Nothing tells whether it did but the answer to that. */
function cancel(client: pg.PoolClient): void {
  const { host, port, processID, secretKey } = client as unknown as Session;
  if (processID === null || secretKey === null) return;
  const request = Buffer.alloc(16);
  request.writeInt32BE(16, 0);
  request.writeInt32BE(80_877_102, 4);
  request.writeInt32BE(processID, 8);
  request.writeInt32BE(secretKey, 12);
  const socket = host.startsWith('/') ? connect(`${host}/.s.PGSQL.${port}`) : connect(port, host);
  socket.setTimeout(graceMs, () => socket.destroy());
  socket.on('error', () => socket.destroy());
  socket.end(request);
}

/** A connection that is in use. */
interface Loan {
  readonly client: pg.PoolClient;
  /** Gives the connection back, or ends it, and with it its transaction. Only the first call counts. */
  release(options: { readonly reuse: boolean }): void;
}

/**
 * Takes a connection from the pool. Aborting asks the server to stop, and ends the connection when it does not answer
 * within a grace; until then what was sent may have been stored, and the answer says so.
 */
async function borrow(pool: pg.Pool, signal: AbortSignal): Promise<Loan> {
  const client = await pool.connect();
  // The query under way is rejected too; without a listener the event would end the process.
  const ignore = () => {};
  let grace: NodeJS.Timeout | undefined;
  let released = false;
  const abort = () => {
    cancel(client);
    grace = setTimeout(() => release({ reuse: false }), graceMs);
  };
  function release({ reuse }: { readonly reuse: boolean }): void {
    if (released) return;
    released = true;
    signal.removeEventListener('abort', abort);
    clearTimeout(grace);
    // What was asked to be stopped might be what the next one does.
    const isSound = reuse && grace === undefined;
    client.release(!isSound);
    // The pool would wait for the answers to all that has been sent.
    if (!isSound) client.connection.stream.destroy();
    client.off('error', ignore);
  }
  client.on('error', ignore);
  signal.addEventListener('abort', abort, { once: true });
  return { client, release };
}

// Sessions that have the stage and the merge.
const prepared = new WeakSet<pg.PoolClient>();
// Either is not there: a pooler has lent us another session. Or raw.raw_event is not, which the second time tells.
const unprepared = /^(?:42P01|42883|3F000)$/;

/** What is sent in one round trip: statements with the data of a COPY among them, or one with its values. */
export type Step = Staged['step'];

/** A transaction under way. Nothing is sent before its first step, which begins it. */
export interface Transaction {
  readonly client: pg.PoolClient;
  readonly dialect: Dialect;
  /** Sends a step, and a commit with the last one. When one fails, all of the transaction is undone. */
  run(step: Step, options?: { readonly isLast?: boolean }): Promise<Answer>;
  /** Once a step has failed: what the server says to this alone, in a transaction that is undone; undefined when it takes it. */
  attempt(step: Step): Promise<Error | undefined>;
}

/** READ COMMITTED is what the reading of rows that others have just committed depends on. */
const begin = 'BEGIN ISOLATION LEVEL READ COMMITTED';

function send(client: pg.PoolClient, step: Step, around: { before: string; after: string }): Promise<Answer> {
  const { before, after } = around;
  if ('sql' in step)
    return exchange(client, `${before && `${before};`}${step.sql}${after && `;${after}`}`, step.data);
  const plain = (text: string) => (text === '' ? [] : [{ text }]);
  return pipeline(client, [...plain(before), step, ...plain(after)]);
}

function transactionOn(client: pg.PoolClient, { dialect, signal }: TransactionOptions): Transaction {
  let before = begin;
  return {
    client,
    dialect,
    async attempt(step) {
      signal.throwIfAborted();
      await exchange(client, `ROLLBACK;${begin};`);
      try {
        await send(client, step, { before: '', after: '' });
        return undefined;
      } catch (error) {
        if (error instanceof Error && sqlStateOf(error) !== undefined) return error;
        throw error;
      }
    },
    async run(step, { isLast = false } = {}) {
      signal.throwIfAborted();
      const around = { before, after: isLast ? 'COMMIT' : '' };
      before = '';
      return send(client, step, around);
    },
  };
}

/** True when the connection is in order again: only where the server itself said no can we know that. */
async function rollBack(client: pg.PoolClient, error: unknown): Promise<boolean> {
  const isSaid = sqlStateOf(error) !== undefined || (ConnectorError.is(error) && error.code === 'bad_data');
  if (!isSaid) return false;
  return exchange(client, 'ROLLBACK').then(
    () => true,
    () => false,
  );
}

/** On one connection, with the stage made where it is not there. */
async function onClient<T>(
  client: pg.PoolClient,
  options: TransactionOptions,
  steps: (transaction: Transaction) => Promise<T>,
): Promise<T> {
  const setup = setupSql(options.dialect);
  const isNew = !prepared.has(client);
  if (isNew) await exchange(client, setup);
  prepared.add(client);
  try {
    return await steps(transactionOn(client, options));
  } catch (error) {
    if (isNew || !unprepared.test(sqlStateOf(error) ?? '')) throw error;
    await exchange(client, `ROLLBACK;${setup}`);
    return steps(transactionOn(client, options));
  }
}

/**
 * Runs the steps in one transaction, the last of which commits it. Aborting asks the server to stop: when it had
 * committed already, the transaction stands and its result is given; when it does not say within 2 s, the signal's
 * reason is thrown.
 */
export async function inTransaction<T>(
  options: TransactionOptions,
  steps: (transaction: Transaction) => Promise<T>,
): Promise<T> {
  const { pool, places, signal } = options;
  signal.throwIfAborted();
  const leave = await places.take(signal);
  const { client, release } = await borrow(pool, signal).catch((error: unknown) => {
    leave();
    throw error;
  });
  try {
    const result = await onClient(client, options, steps);
    release({ reuse: true });
    return result;
  } catch (error) {
    release({ reuse: await rollBack(client, error) });
    if (signal.aborted) throw signal.reason;
    throw error;
  } finally {
    leave();
  }
}
