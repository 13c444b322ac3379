import { failureOf, type Failure } from '@on-the-way/core';
import type { ConnectionConfig } from '../config/host-config.ts';
import type { BackfillStore } from '../storage/backfills.ts';
import type { ConnectionStore } from '../storage/connections.ts';
import type { HostRegistry } from '../storage/hosts.ts';
import type { QueueName } from './install.ts';
import type { Job, NewJob } from './job.ts';
import { workJob, type StopSignals, type WorkParts } from './work-job.ts';

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
const refuseLostEveryMs = 30_000;
const notBegun: Failure = {
  code: 'not_begun',
  message: 'Expected a host to begin the run, but its place in the queue is gone: ask for it again',
};
// A connection whose own run is about to be due is left to that.
const soonMs = 5_000;

/** Something that is to happen now and then, by a clock that nobody sets. */
function createEvery(everyMs: number): () => boolean {
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
  readonly #names: readonly string[];
  readonly #working = new Map<Job, Promise<void>>();
  readonly #isTimeToTouch = createEvery(touchEveryMs);
  readonly #isTimeForBackfills = createEvery(backfillEveryMs);
  readonly #isTimeToReap = createEvery(reapEveryMs);
  readonly #isTimeToRefuseLost = createEvery(refuseLostEveryMs);

  /** `onRoom` is told when a job is over. */
  constructor(parts: WorkerParts, stop: StopSignals, onRoom: () => void) {
    this.#parts = parts;
    this.#stop = stop;
    this.#onRoom = onRoom;
    this.#connections = new Map(parts.connections.map((connection) => [connection.name, connection]));
    this.#names = [...this.#connections.keys()];
  }

  /** Looks once for what there is to do; rejects when the database is away. */
  async look(): Promise<void> {
    const { hosts, queue } = this.#parts;
    await hosts.join();
    if (this.#isTimeToReap()) await hosts.reap();
    if (this.#working.size > 0 && this.#isTimeToTouch()) await queue.touch([...this.#working.keys()]);
    if (this.#isTimeToRefuseLost()) await this.#refuseLost();
    if (this.#room() <= 0) return;
    await this.#takeRuns();
    // Room for one due run is kept: chunks of backfills last.
    const room = this.#room() - (this.#parts.runsAtOnce > 1 ? 1 : 0);
    if (room <= 0) return;
    if (this.#isTimeForBackfills()) await this.#addBackfills();
    await this.#take('backfill', room);
  }

  /** Resolves when all that was begun is over. */
  async idle(): Promise<void> {
    await Promise.all(this.#working.values());
  }

  #room(): number {
    return this.#parts.runsAtOnce - this.#working.size;
  }

  /** A run that a person asked for and whose job is gone would wait for ever. */
  async #refuseLost(): Promise<void> {
    const { runs, queue } = this.#parts;
    for (const runId of await queue.withoutJob(await runs.queued())) await runs.refuse(runId, notBegun);
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
    const due = await dueRuns.take(this.#names, mostDueAtOnce);
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
    const isMine = (name: string): boolean => this.#connections.has(name);
    const jobs = await queue.take(queueName, { limit, isMine });
    for (const job of jobs) {
      const connection = this.#connections.get(job.connection);
      if (connection) this.#begin(job, connection);
    }
    return jobs.length;
  }

  #begin(job: Job, connection: ConnectionConfig): void {
    const { log } = this.#parts;
    const work = workJob(this.#parts, job, connection, this.#stop)
      .catch((error: unknown) => log.error({ error: failureOf(error).message }, 'job was given up'))
      .finally(() => {
        this.#working.delete(job);
        this.#onRoom();
      });
    this.#working.set(job, work);
  }
}

// By this host's clock: too early or too late makes for a chunk that asks nothing.
const isOver = (at: Date | null): boolean => at === null || at.getTime() <= Date.now();
const isDueBy = (at: Date | null, withinMs: number): boolean =>
  at !== null && at.getTime() <= Date.now() + withinMs;
