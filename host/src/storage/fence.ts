import type { Knex } from 'knex';
import { prepared, type Database } from './database.ts';

/** Proof of having a connection: what is written under it is refused once another host has taken the connection. */
export interface Fence {
  readonly connection: string;
  /** Goes up each time the connection changes hands. */
  readonly epoch: number;
  /** The host that has it, where it is known. */
  readonly hostId?: string;
}

/** The connection has another owner by now: nothing was written. Ends the run; the other host's goes on. */
export class Fenced extends Error {
  override readonly name = 'Fenced';
  readonly code = 'fenced';

  constructor({ connection, epoch }: Fence) {
    super(
      `Expected to have ${connection} (epoch ${epoch}), but another host has taken it over: nothing was written, the ` +
        `other host's run goes on`,
    );
  }
}

let refused = 0;

/** Writes of this process that were refused since it started, since another host had the connection by then. */
export function fencedWrites(): number {
  return refused;
}

/** The error of a write that was refused, which is counted. */
export function fenced(fence: Fence): Fenced {
  refused += 1;
  return new Fenced(fence);
}

/**
 * Works in a transaction in which the connection cannot change hands. Without it the work is not begun.
 *
 * @throws Fenced when it already has.
 */
export async function underFence<T>(
  database: Database,
  fence: Fence,
  work: (transaction: Knex.Transaction) => Promise<T>,
): Promise<T> {
  // Shared with our own writes, and in the way of whoever takes the connection over until they are committed.
  return holding('select from app.connection_claim where connection = ? and epoch = ? for share', {
    database,
    fence,
    work,
  });
}

/**
 * The same for the last work under a fence: once it is committed, and not before, the connection is free.
 *
 * @throws Fenced when another host has the connection already, or the last work was done.
 */
export async function underLastFence<T>(
  database: Database,
  fence: Fence,
  work: (transaction: Knex.Transaction) => Promise<T>,
): Promise<T> {
  // Locks the row as well: whoever wants the connection, or wants to take it over, waits for the end of this.
  return holding(
    `update app.connection_claim set host_id = null where connection = ? and epoch = ? and host_id is not null
     returning epoch`,
    { database, fence, work },
  );
}

async function holding<T>(
  sql: string,
  {
    database,
    fence,
    work,
  }: {
    readonly database: Database;
    readonly fence: Fence;
    readonly work: (transaction: Knex.Transaction) => Promise<T>;
  },
): Promise<T> {
  return database.transaction(async (transaction) => {
    const { rows } = await prepared(transaction, sql, [fence.connection, fence.epoch]);
    if (rows.length === 0) throw fenced(fence);
    return work(transaction);
  });
}
