import { setTimeout as delay } from 'node:timers/promises';
import type { Database } from './database.ts';
import type { Fence } from './fence.ts';
import type { HostRegistry } from './hosts.ts';
import { hasNoSessionSql } from './reap-hosts.ts';

/** A connection that this host has, and no other. */
export interface Claim extends Fence {
  readonly hostId: string;
  /** Aborted, with a Fenced as its reason or an AbortError, when the connection was lost to another host. */
  readonly lost: AbortSignal;
  /** Lets others have it. Never rejects for a claim that was lost. */
  release(): Promise<void>;
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
}

/** Who has which connection: one at most, over all hosts of a database. */
export interface ClaimStore {
  /**
   * Takes the connection; undefined when another one has it. One whose process has ended is taken over, within some
   * three seconds of its end.
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
  returning epoch::int as epoch`;

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

  async #takeAs(
    hostId: string,
    connection: string,
    { runId, jobId }: ClaimRequest,
  ): Promise<Claim | undefined> {
    const { rows } = await this.#database.raw<{ rows: { epoch: number }[] }>(takeSql, [
      connection,
      hostId,
      runId ?? null,
      jobId ?? null,
    ] as string[]);
    const epoch = rows[0]?.epoch;
    if (epoch === undefined) return undefined;
    const lost = new AbortController();
    this.#mine.set(connection, lost);
    const fence = { connection, epoch, hostId };
    return { ...fence, lost: lost.signal, release: () => this.#release(fence, lost) };
  }

  async #release(fence: Fence & { readonly hostId: string }, lost: AbortController): Promise<void> {
    const { connection, epoch, hostId } = fence;
    const letGo = (): void => {
      if (this.#mine.get(connection) === lost) this.#mine.delete(connection);
    };
    try {
      await this.#database.raw(releaseSql, [connection, epoch, hostId]);
      letGo();
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
