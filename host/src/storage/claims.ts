import { setTimeout as delay } from 'node:timers/promises';
import type { Knex } from 'knex';
import { prepared, type Database } from './database.ts';
import { fenced, type Fence } from './fence.ts';
import type { HostRegistry } from './hosts.ts';
import { hasNoSessionSql } from './reap-hosts.ts';
import { beginningOf, beginningSql, type NewRun } from './run-begin.ts';

/** A connection that this host has, and no other. */
export interface Claim extends Fence {
  readonly hostId: string;
  /** Aborted, with a Fenced as its reason or an AbortError, when the connection was lost to another host. */
  readonly lost: AbortSignal;
  /** Lets others have it. Never rejects for a claim that was lost. */
  release(): Promise<void>;
  /** To be called once a transaction has let go of it (`underLastFence`): there is nothing to release any more. */
  wasReleased(): void;
}

/** What begins as the connection is taken: there is never one of the two alone. */
interface Begins {
  /** Asked for at each try, since there may be a wait before one that succeeds. */
  readonly run: () => NewRun;
  /** Done in the same transaction. */
  readonly beside?: ((transaction: Knex.Transaction) => Promise<void>) | undefined;
}

/** How a connection is taken. */
export interface ClaimRequest {
  /** How long to wait for who has it, milliseconds; 0 to only try. */
  readonly waitMs: number;
  /** Ends the wait, with its reason. */
  readonly signal?: AbortSignal;
  /** What the connection is held for, so that whoever takes it over can tell. */
  readonly runId?: string;
  readonly jobId?: string;
  readonly begins?: Begins;
}

/** Who has which connection: one at most, over all hosts of a database. */
export interface ClaimStore {
  /**
   * Takes the connection; undefined when another one has it. One whose process has ended is taken over, within some
   * three seconds of its end.
   *
   * @throws Fenced for a run that has ended already, and so cannot begin.
   */
  take(connection: string, request: ClaimRequest): Promise<Claim | undefined>;
  /** Those of these connections that somebody has; all that somebody has where none are given. */
  held(connections?: readonly string[]): Promise<ReadonlySet<string>>;
}

const lookAgainMs = 200;
// By then a holder that has just ended is known to have.
const reapWithinMs = 4_000;
const releaseAgainMs = 1_000;

// One that is ours, though we do not know of it: it was taken, and the answer was lost on the way.
const takeSql = `
  insert into app.connection_claim as claim (connection, epoch, host_id, run_id, job_id) values (?, 1, ?, ?, ?)
  on conflict (connection) do update set epoch = claim.epoch + 1, host_id = excluded.host_id, run_id = excluded.run_id,
    job_id = excluded.job_id, claimed_at = now()
  where claim.host_id is null or claim.host_id = excluded.host_id
  returning connection, epoch, host_id`;

const takeAloneSql = `with claim as (${takeSql}) select epoch::int as epoch, true as "hasBegun" from claim`;

const takeAndBeginSql = `
  with claim as (${takeSql}), ${beginningSql}
  select epoch::int as epoch, exists (select from begun) as "hasBegun" from claim`;

interface Taken {
  readonly epoch: number;
  /** False where there is a run to begin, and it has ended already. */
  readonly hasBegun: boolean;
}

/** One statement is one round trip, and a commit by itself. */
async function takeAs(
  database: Database,
  [connection, hostId]: readonly [connection: string, hostId: string],
  { runId, jobId, begins }: ClaimRequest,
): Promise<Taken | undefined> {
  const values = [connection, hostId, runId ?? null, jobId ?? null];
  const take = async (on: Knex): Promise<Taken | undefined> => {
    const { rows } = begins
      ? await prepared<Taken>(on, takeAndBeginSql, [...values, ...beginningOf(begins.run())])
      : await prepared<Taken>(on, takeAloneSql, values);
    return rows[0];
  };
  const { beside } = begins ?? {};
  if (!beside) return take(database);
  return database.transaction(async (transaction) => {
    const taken = await take(transaction);
    if (taken?.hasBegun === true) await beside(transaction);
    return taken;
  });
}

const releaseSql = `
  update app.connection_claim set host_id = null where connection = ? and epoch = ? and host_id = ?`;

/** True when the holder's process has no session: it has ended, or is about to be back. */
const orphanedSql = `
  select exists (select from app.connection_claim where connection = ? and host_id is not null
    and ${hasNoSessionSql('host_id')}) as orphaned`;

async function isOrphaned(database: Database, connection: string): Promise<boolean> {
  const { rows } = await database.raw<{ rows: { orphaned: boolean }[] }>(orphanedSql, [connection]);
  return rows[0]?.orphaned === true;
}

/** The claims that this process has. */
class OwnClaims {
  readonly #database: Database;
  readonly #hosts: HostRegistry;
  readonly #mine = new Map<string, AbortController>();
  readonly #beingTaken = new Set<string>();

  constructor(database: Database, hosts: HostRegistry) {
    this.#database = database;
    this.#hosts = hosts;
    hosts.onDeclaredDead(() => {
      for (const lost of this.#mine.values())
        lost.abort(new DOMException('Another host has taken over', 'AbortError'));
      this.#mine.clear();
    });
  }

  async take(connection: string, request: ClaimRequest): Promise<Claim | undefined> {
    const hostId = await this.#hosts.join();
    if (this.#mine.has(connection) || this.#beingTaken.has(connection)) return undefined;
    this.#beingTaken.add(connection);
    try {
      return await this.#takeAs(hostId, connection, request);
    } finally {
      this.#beingTaken.delete(connection);
    }
  }

  async #takeAs(hostId: string, connection: string, request: ClaimRequest): Promise<Claim | undefined> {
    const taken = await takeAs(this.#database, [connection, hostId], request);
    if (!taken) return undefined;
    const lost = new AbortController();
    this.#mine.set(connection, lost);
    const fence = { connection, epoch: taken.epoch, hostId };
    const claim = {
      ...fence,
      lost: lost.signal,
      release: () => this.#release(fence, lost),
      wasReleased: () => this.#letGo(connection, lost),
    };
    if (taken.hasBegun) return claim;
    await claim.release();
    throw fenced(fence);
  }

  #letGo(connection: string, lost: AbortController): void {
    if (this.#mine.get(connection) === lost) this.#mine.delete(connection);
  }

  async #release(fence: Fence & { readonly hostId: string }, lost: AbortController): Promise<void> {
    const { connection, epoch, hostId } = fence;
    if (this.#mine.get(connection) !== lost) return;
    try {
      await prepared(this.#database, releaseSql, [connection, epoch, hostId]);
      this.#letGo(connection, lost);
    } catch {
      // With the database away it is ours until the database is back; a host that ends lets go of all it has.
      const again = setTimeout(() => void this.#release(fence, lost), releaseAgainMs);
      again.unref();
      if (lost.signal.aborted) clearTimeout(again);
    }
  }
}

/** Makes the store. */
export function createClaimStore(database: Database, hosts: HostRegistry): ClaimStore {
  const own = new OwnClaims(database, hosts);
  return {
    async take(connection, request) {
      const began = performance.now();
      for (;;) {
        request.signal?.throwIfAborted();
        const claim = await own.take(connection, request);
        if (claim) return claim;
        await hosts.reap();
        const passed = performance.now() - began;
        const mayEnd =
          passed < request.waitMs || (passed < reapWithinMs && (await isOrphaned(database, connection)));
        if (!mayEnd) return own.take(connection, request);
        await delay(lookAgainMs);
      }
    },
    async held(connections) {
      const { rows } = await database.raw<{ rows: { connection: string }[] }>(
        `select connection from app.connection_claim
         where host_id is not null and (?::text[] is null or connection = any(?))`,
        [connections ?? null, connections ?? null] as unknown as string[],
      );
      return new Set(rows.map(({ connection }) => connection));
    },
  };
}
