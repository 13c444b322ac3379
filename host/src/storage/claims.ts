import { setTimeout as delay } from 'node:timers/promises';
import type { Database } from './database.ts';
import type { Fence } from './fence.ts';
import type { HostRegistry } from './hosts.ts';

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

const takeSql = `
  insert into app.connection_claim as claim (connection, epoch, host_id, run_id, job_id) values (?, 1, ?, ?, ?)
  on conflict (connection) do update set epoch = claim.epoch + 1, host_id = excluded.host_id, run_id = excluded.run_id,
    job_id = excluded.job_id, claimed_at = now()
  where claim.host_id is null
  returning epoch::int as epoch`;

/** True when the holder's process has no session: it has ended, or is about to be back. */
const orphanedSql = `
  select exists (select from app.connection_claim c where c.connection = ? and c.host_id is not null and not exists (
    select from pg_locks where locktype = 'advisory' and granted and objsubid = 1
      and database = (select oid from pg_database where datname = current_database())
      and ((classid::bigint << 32) | objid::bigint) = hashtextextended('on-the-way host ' || c.host_id, 0))) as orphaned`;

/** Makes the store. */
export function createClaimStore(database: Database, hosts: HostRegistry): ClaimStore {
  const mine = new Map<string, AbortController>();
  hosts.onDeclaredDead(() => {
    for (const lost of mine.values())
      lost.abort(new DOMException('Another host has taken over', 'AbortError'));
    mine.clear();
  });

  async function tryTake(connection: string, { runId, jobId }: ClaimRequest): Promise<Claim | undefined> {
    const hostId = await hosts.join();
    const { rows } = await database.raw<{ rows: { epoch: number }[] }>(takeSql, [
      connection,
      hostId,
      runId ?? null,
      jobId ?? null,
    ] as string[]);
    const epoch = rows[0]?.epoch;
    if (epoch === undefined) return undefined;
    const lost = new AbortController();
    mine.set(connection, lost);
    return {
      connection,
      epoch,
      hostId,
      lost: lost.signal,
      async release() {
        if (mine.get(connection) === lost) mine.delete(connection);
        await database.raw(
          `update app.connection_claim set host_id = null where connection = ? and epoch = ? and host_id = ?`,
          [connection, epoch, hostId],
        );
      },
    };
  }

  async function isOrphaned(connection: string): Promise<boolean> {
    const { rows } = await database.raw<{ rows: { orphaned: boolean }[] }>(orphanedSql, [connection]);
    return rows[0]?.orphaned === true;
  }

  return {
    async take(connection, request) {
      const began = performance.now();
      for (;;) {
        request.signal?.throwIfAborted();
        const claim = await tryTake(connection, request);
        if (claim) return claim;
        await hosts.reap();
        const passed = performance.now() - began;
        const worthWaiting =
          passed < request.waitMs || (passed < reapWithinMs && (await isOrphaned(connection)));
        if (!worthWaiting) return tryTake(connection, request);
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
