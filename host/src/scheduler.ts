import { randomUUID } from 'node:crypto';
import { failureOf, type Clock } from '@on-the-way/core';
import { addDays, dayAt } from '@on-the-way/sdk';
import type { Knex } from 'knex';
import { atMost } from './at-most.ts';
import type { ConnectionConfig } from './config/host-config.ts';
import { endUnheldRuns } from './queue/end-unheld-runs.ts';
import type { AskedRun } from './queue/job.ts';
import { createEvery, Worker, type WorkerParts } from './queue/worker.ts';
import { alreadyRunning, type RunRequest } from './run-service.ts';
import type { RunPruner } from './storage/prune-runs.ts';
import type { RunStore } from './storage/runs.ts';

/** What a person may ask of a run that goes on in the background. */
export type WantedRun = Pick<RunRequest, 'only' | 'onlyDatasets'>;

/** Starts runs when they are due, on whichever host of the database has room. */
export interface Scheduler {
  /** Joins the hosts, and takes part in the work where this one reads sources. Called once. */
  start(): void;
  /**
   * Begins a run that a person asked for, also where `start` was not called, and without waiting for room. Where this
   * host reads no source it is queued for one that does. Resolves with its id once it has its row, while it goes on;
   * rejects as RunService.begin does.
   */
  run(connection: string, wanted: WantedRun): Promise<string>;
  /** Has all hosts look at once for what is due; called after resuming and the like. */
  lookAgain(): Promise<void>;
  /**
   * Begins nothing any more, finishes the slices that are under way, gives up what is not finished within 7 s, and
   * resolves when all of it has ended. Others take on the rest.
   */
  stop(): Promise<void>;
}

/** What the scheduler is built from. */
export interface SchedulerParts extends WorkerParts {
  /** False on a host that leaves the sources to others. */
  readonly readsSources: boolean;
  readonly runs: RunStore;
  readonly clock: Clock;
  readonly pruner: RunPruner;
  /** A digest of what a connection signs in with. */
  readonly refusedBasis: (connection: ConnectionConfig) => Promise<string | undefined>;
}

const lookEveryMs = 1_000;
const lookMs = 2_000;
const drainMs = 7_000;
const endMs = 1_000;
const checkClockMs = 60_000;
const endUnheldMs = 5_000;
const pruneMs = 10_000;
const mostSkewMs = 60_000;

/** Sleeps that a wake ends; what wakes while nobody sleeps ends the next one. */
class Alarm {
  #rung = Promise.withResolvers<void>();
  readonly ring = (): void => this.#rung.resolve();

  async sleep(ms: number): Promise<void> {
    await atMost(ms, this.#rung.promise);
    this.#rung = Promise.withResolvers();
  }
}

/** Makes the scheduler. */
export function createScheduler(parts: SchedulerParts): Scheduler {
  return new HostScheduler(parts);
}

class HostScheduler implements Scheduler {
  readonly #parts: SchedulerParts;
  readonly #alarm = new Alarm();
  readonly #draining = new AbortController();
  readonly #givingUp = new AbortController();
  readonly #worker: Worker;
  readonly #asked = new Set<Promise<unknown>>();
  #loop: Promise<void> = Promise.resolve();
  readonly #isTimeToEndUnheld = createEvery(endUnheldMs);
  readonly #isTimeToPrune = createEvery(pruneMs);
  #clockCheckedAt = -Infinity;

  constructor(parts: SchedulerParts) {
    this.#parts = parts;
    this.#worker = new Worker(parts, this.#stopSignals(), this.#alarm.ring);
  }

  start(): void {
    const { hosts, queue, log } = this.#parts;
    hosts.onWake(this.#alarm.ring);
    hosts.onReaped((reaped) => {
      log.warn(
        { connections: reaped.map(({ connection }) => connection) },
        'taken over from a host that ended',
      );
      const jobs = reaped.flatMap(({ jobId }) => (jobId === null ? [] : [jobId]));
      queue
        .handOver(jobs)
        .catch((error: unknown) => log.warn({ error: failureOf(error).message }, 'jobs are found later'))
        .finally(this.#alarm.ring);
    });
    this.#loop = this.#go();
  }

  async run(name: string, wanted: WantedRun): Promise<string> {
    this.#draining.signal.throwIfAborted();
    const { connections, readsSources } = this.#parts;
    const connection = connections.find((each) => each.name === name);
    if (!connection) throw new Error(`Expected a connection that is scheduled, found ${name}`);
    const begins = readsSources ? this.#begin(connection, wanted) : this.#queue(connection, wanted);
    return this.#track(begins);
  }

  async lookAgain(): Promise<void> {
    this.#alarm.ring();
    await this.#parts.hosts.wake();
  }

  async stop(): Promise<void> {
    const { queue, hosts } = this.#parts;
    const reason = new DOMException('The host is stopping', 'AbortError');
    this.#draining.abort(reason);
    this.#alarm.ring();
    // A look that the database does not answer begins nothing any more, and is no reason to stay.
    const looked = atMost(lookMs, this.#loop);
    const over = Promise.all([looked.then(() => this.#worker.idle()), this.#askedOver()]);
    await atMost(drainMs, over);
    this.#givingUp.abort(reason);
    await over;
    // Whoever has room goes on with what was given up; with the database away they find out by themselves.
    const end = queue.close().then(() => hosts.wake());
    await atMost(
      endMs,
      end.catch(() => undefined),
    );
  }

  #stopSignals() {
    return { signal: this.#givingUp.signal, drain: this.#draining.signal };
  }

  async #go(): Promise<void> {
    const { readsSources, hosts, log, runs, queue, pruner } = this.#parts;
    const { signal } = this.#draining;
    let isPlanned = !readsSources;
    while (!signal.aborted) {
      try {
        if (!isPlanned) await this.#plan();
        isPlanned = true;
        await this.#checkClock();
        await (readsSources ? this.#worker.look() : hosts.join());
        if (this.#isTimeToEndUnheld()) await endUnheldRuns(runs, queue);
        if (this.#isTimeToPrune()) await pruner.prune();
      } catch (error) {
        log.warn({ error: failureOf(error).message }, 'could not look for what is due');
        await this.#alarm.sleep(lookEveryMs);
      }
      if (!signal.aborted) await this.#alarm.sleep(lookEveryMs * (0.9 + 0.2 * Math.random()));
    }
  }

  async #plan(): Promise<void> {
    const { connections, dueRuns, clock, states, refusedBasis } = this.#parts;
    const names = connections.map(({ name }) => name);
    await states.ensure(names);
    const refused = await dueRuns.refused(names);
    const planned = connections.map(async (connection) => ({
      connection: connection.name,
      intervalSeconds: connection.intervalSeconds,
      backfillFrom: addDays(dayAt(clock.now(), connection.timeZone), 1 - connection.backfillDays),
      refusedBasis: refused.has(connection.name) ? await refusedBasis(connection) : undefined,
    }));
    await dueRuns.plan(await Promise.all(planned));
  }

  /** Due times are the database's; days and what is shown are by the clock here. */
  async #checkClock(): Promise<void> {
    if (performance.now() - this.#clockCheckedAt < checkClockMs) return;
    this.#clockCheckedAt = performance.now();
    const { dueRuns, clock, log } = this.#parts;
    const skewMs = await dueRuns.clockSkewMs(clock);
    if (Math.abs(skewMs) < mostSkewMs) return;
    const seconds = Math.round(skewMs / 1000);
    log.warn(
      { seconds },
      'the clock of this host is not that of the database: days may be read too early or too late',
    );
  }

  async #begin(connection: ConnectionConfig, wanted: WantedRun): Promise<string> {
    const runId = randomUUID();
    const { over } = await this.#worker.beginAsked(connection, { runId, ...wanted });
    void this.#track(over);
    return runId;
  }

  /** Adds the run to the queue, with its row, for a host that reads sources. */
  async #queue(connection: ConnectionConfig, wanted: WantedRun): Promise<string> {
    const { service, runs, queue, hosts } = this.#parts;
    const { name } = connection;
    await service.expectToBegin(connection);
    await queue.ready();
    const runId = randomUUID();
    await runs.ask({ runId, connection: name }, (transaction) =>
      this.#add(name, { runId, ...wanted }, transaction),
    );
    await hosts.wake();
    return runId;
  }

  async #add(connection: string, asked: AskedRun, transaction: Knex.Transaction): Promise<void> {
    const added = await this.#parts.queue.add('run', [{ connection, reason: 'asked', asked }], transaction);
    if (added === 0) throw alreadyRunning(connection);
  }

  async #track<T>(work: Promise<T>): Promise<T> {
    this.#asked.add(work);
    return work.finally(() => this.#asked.delete(work));
  }

  async #askedOver(): Promise<void> {
    while (this.#asked.size > 0) await Promise.allSettled(this.#asked);
  }
}
