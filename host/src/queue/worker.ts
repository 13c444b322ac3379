import { failureOf } from '@on-the-way/core';
import type { ConnectionConfig } from '../config/host-config.ts';
import type { BackfillStore } from '../storage/backfills.ts';
import type { ConnectionStore } from '../storage/connections.ts';
import type { HostRegistry } from '../storage/hosts.ts';
import type { QueueName } from './install.ts';
import type { AskedRun, Job, NewJob } from './job.ts';
import { beginAsked, workJob, type StopSignals, type WorkParts } from './work-job.ts';

/** What a host takes jobs with. */
export interface WorkerParts extends WorkParts {
  readonly connections: readonly ConnectionConfig[];
  /** How many jobs are worked on at a time. */
  readonly runsAtOnce: number;
  readonly hosts: HostRegistry;
  readonly states: ConnectionStore;
  readonly backfills: Pick<BackfillStore, 'openConnections' | 'putOff'>;
}

// As many as a host may begin within a second; more only makes others wait for the statement.
const mostDueAtOnce = 500;
const touchEveryMs = 3_000;
const backfillEveryMs = 2_000;
const reapEveryMs = 900;
// A connection whose own run is about to be due is left to that.
const soonMs = 5_000;

/** Something that is to happen now and then, by a clock that nobody sets. */
export function createEvery(everyMs: number): () => boolean {
  let last = -Infinity;
  return () => {
    if (performance.now() - last < everyMs) return false;
    last = performance.now();
    return true;
  };
}

/** Takes what there is to do, as far as there is room. */
export class Worker {
  readonly #parts: WorkerParts;
  readonly #stop: StopSignals;
  readonly #onRoom: () => void;
  readonly #connections: ReadonlyMap<string, ConnectionConfig>;
  readonly #isMine = (name: string): boolean => this.#connections.has(name);
  readonly #working = new Map<Job, Promise<void>>();
  // Begun without waiting for room, so they take none.
  readonly #besides = new Set<Job>();
  readonly #isTimeToTouch = createEvery(touchEveryMs);
  readonly #isTimeForBackfills = createEvery(backfillEveryMs);
  readonly #isTimeToReap = createEvery(reapEveryMs);

  /** `onRoom` is told when a job is over. */
  constructor(parts: WorkerParts, stop: StopSignals, onRoom: () => void) {
    this.#parts = parts;
    this.#stop = stop;
    this.#onRoom = onRoom;
    this.#connections = new Map(parts.connections.map((connection) => [connection.name, connection]));
  }

  /** Looks once for what there is to do; rejects when the database is away. */
  async look(): Promise<void> {
    const { hosts, queue } = this.#parts;
    await hosts.join();
    if (this.#isTimeToReap()) await hosts.reap();
    if (this.#working.size > 0 && this.#isTimeToTouch()) await queue.touch([...this.#working.keys()]);
    if (this.#room() <= 0) return;
    await this.#takeRuns();
    // Room for one due run is kept: chunks of backfills last.
    const room = this.#room() - (this.#parts.runsAtOnce > 1 ? 1 : 0);
    if (room <= 0) return;
    if (this.#isTimeForBackfills()) await this.#addBackfills();
    await this.#take('backfill', room);
  }

  /**
   * Begins what a person asks for at once, whatever else is worked on. Resolves with when it is over; rejects as
   * RunService.begin does.
   */
  async beginAsked(connection: ConnectionConfig, asked: AskedRun): Promise<{ readonly over: Promise<void> }> {
    const { job, over } = await beginAsked(this.#parts, connection, { asked, stop: this.#stop });
    this.#besides.add(job);
    return { over: this.#hold(job, over) };
  }

  /** Resolves when all that was begun is over. */
  async idle(): Promise<void> {
    await Promise.all(this.#working.values());
  }

  #room(): number {
    return this.#parts.runsAtOnce - this.#working.size + this.#besides.size;
  }

  /** Those that were asked for and those that are due; the latter join the queue when it is empty. */
  async #takeRuns(): Promise<void> {
    const room = this.#room();
    const taken = await this.#take('run', room);
    if (taken >= room) return;
    if ((await this.#addDue()) > 0) await this.#take('run', room - taken);
  }

  async #addDue(): Promise<number> {
    const { dueRuns, queue, reach } = this.#parts;
    const due = await dueRuns.take(this.#connections, mostDueAtOnce);
    if (due.length === 0) return 0;
    reach?.('before-enqueue');
    const added = await queue.add('run', due);
    reach?.('after-enqueue');
    return added;
  }

  /** A job for each connection that has a backfill, may be asked, and has nothing better to do. */
  async #addBackfills(): Promise<void> {
    const { backfills, states, queue } = this.#parts;
    const open = (await backfills.openConnections()).filter((name) => this.#connections.has(name));
    if (open.length === 0) return;
    const known = await states.states(open);
    const jobs = open.filter((name) => {
      const state = known.get(name);
      if (!state || state.pausedAt !== null || state.hostId !== null) return false;
      return !isDueBy(state.nextRunAt, soonMs) && isOver(state.notBefore);
    });
    await queue.add(
      'backfill',
      jobs.map((connection): NewJob => ({ connection, reason: 'backfill' })),
    );
  }

  /** Resolves with how many were begun. */
  async #take(queueName: QueueName, limit: number): Promise<number> {
    if (this.#stop.drain.aborted) return 0;
    const { queue } = this.#parts;
    const jobs = await queue.take(queueName, { limit, isMine: this.#isMine });
    for (const job of jobs) {
      const connection = this.#connections.get(job.connection);
      if (connection) this.#begin(job, connection);
    }
    return jobs.length;
  }

  #begin(job: Job, connection: ConnectionConfig): void {
    void this.#hold(job, workJob(this.#parts, job, connection, this.#stop));
  }

  #hold(job: Job, work: Promise<void>): Promise<void> {
    const { log } = this.#parts;
    const held = work
      .catch((error: unknown) => log.error({ error: failureOf(error).message }, 'job was given up'))
      .finally(() => {
        this.#working.delete(job);
        this.#besides.delete(job);
        this.#onRoom();
      });
    this.#working.set(job, held);
    return held;
  }
}

// By this host's clock: too early or too late makes for a chunk that asks nothing.
const isOver = (at: Date | null): boolean => at === null || at.getTime() <= Date.now();
const isDueBy = (at: Date | null, withinMs: number): boolean =>
  at !== null && at.getTime() <= Date.now() + withinMs;
