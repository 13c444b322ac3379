import { randomUUID } from 'node:crypto';
import { failureOf, type Failure, type Reach, type RunSummary } from '@on-the-way/core';
import { ConnectorError } from '@on-the-way/sdk';
import type { ConnectionConfig } from '../config/host-config.ts';
import { HostError } from '../host-error.ts';
import type { HostLog } from '../log.ts';
import {
  alreadyRunning,
  AlreadyRunning,
  ConnectionPaused,
  NotDue,
  type RunRequest,
  type RunService,
} from '../run-service.ts';
import type { BackfillStore } from '../storage/backfills.ts';
import { isUnreachable } from '../storage/database.ts';
import type { DueRuns } from '../storage/due-runs.ts';
import { Fenced } from '../storage/fence.ts';
import type { RunStore } from '../storage/runs.ts';
import type { JobQueue } from './job-queue.ts';
import type { AskedRun, Job } from './job.ts';

/** What jobs are worked off with. */
export interface WorkParts {
  readonly service: RunService;
  readonly runs: Pick<RunStore, 'refuse' | 'askAgain' | 'get'>;
  readonly dueRuns: DueRuns;
  readonly backfills: Pick<BackfillStore, 'putOff'>;
  readonly queue: JobQueue;
  readonly log: HostLog;
  /** Told of crash points. */
  readonly reach?: Reach | undefined;
}

/** What ends a run before its time. */
export interface StopSignals {
  /** Given up at once. */
  readonly signal: AbortSignal;
  /** No new slice; what is under way is finished. */
  readonly drain: AbortSignal;
}

// A chunk of a backfill: live work of its connection waits no longer than this, and the slice that is under way.
const backfillChunkMs = 30_000;
const lookAgainMs = 15_000;
const whileBusyMs = 3_000;
// Whatever ends one host after another at the same place must not go on to the next.
const mostHostsEnded = 3;

/** How a job is worked off; resolves with whether it ended with its run, rejects with why it could not be worked off. */
type Work = (parts: WorkParts, job: Job, connection: ConnectionConfig, stop: StopSignals) => Promise<boolean>;

/** Ends a job in the transaction that records its run's end, so that there is never one of them alone. */
function endingWith(end: NonNullable<RunRequest['endsWith']>) {
  let hasEnded = false;
  const endsWith: typeof end = async (summary, transaction) => {
    await end(summary, transaction);
    hasEnded = true;
  };
  // Of a run that ended without a row nothing was recorded.
  return { endsWith, hasEnded: (): boolean => hasEnded };
}

/** The source wants a pause; the run may have ended before it began, and nothing been written of it. */
async function keepOff({ dueRuns }: WorkParts, { connection, error }: RunSummary): Promise<void> {
  if (error?.code !== 'rate_limited' || error.refusedSignIn === true) return;
  await dueRuns.putOff(connection, error.retryAfterMs ?? 0);
}

/** Whether hosts end one after another while they have it, without getting any further. */
async function endsHosts(
  { dueRuns, log }: WorkParts,
  { hostsEnded, asked }: Job,
  name: string,
): Promise<boolean> {
  if (hostsEnded < mostHostsEnded || (await dueRuns.gotOn(name, mostHostsEnded))) return false;
  const what = { connection: name, hosts: hostsEnded, ...(asked && { runId: asked.runId }) };
  log.error(what, `hosts ended while they ran it; ${asked ? 'not begun again' : 'left alone for now'}`);
  return true;
}

const workDue: Work = async (parts, job, connection, stop) => {
  const { service, dueRuns, queue } = parts;
  const { name, intervalSeconds } = connection;
  if (await endsHosts(parts, job, name)) {
    await dueRuns.putOff(name, intervalSeconds * 1000);
    return false;
  }
  const { endsWith, hasEnded } = endingWith((_, transaction) => queue.done(job, transaction));
  try {
    const request = { trigger: 'schedule', onlyIfDue: true, jobId: job.id, endsWith, ...stop } as const;
    await keepOff(parts, await service.execute(connection, request));
    return hasEnded();
  } catch (error) {
    if (error instanceof NotDue) return false;
    const isBusy = error instanceof AlreadyRunning;
    // It is due when it is resumed: while it is paused nobody looks at when.
    const afterMs = error instanceof ConnectionPaused ? 0 : isBusy ? whileBusyMs : lookAgainMs;
    if (!(error instanceof Fenced)) await dueRuns.bringForward(name, afterMs);
    throw error;
  }
};

const workBackfill: Work = async (parts, job, connection, { signal, drain }) => {
  const { name, intervalSeconds } = connection;
  if (await endsHosts(parts, job, name)) {
    await parts.backfills.putOff(name, intervalSeconds * 1000);
    return false;
  }
  const { endsWith, hasEnded } = endingWith((_, transaction) => parts.queue.done(job, transaction));
  const chunk = AbortSignal.any([drain, AbortSignal.timeout(backfillChunkMs)]);
  const request = { trigger: 'backfill', jobId: job.id, endsWith, signal, drain: chunk } as const;
  await keepOff(parts, await parts.service.execute(connection, request));
  return hasEnded();
};

/** In words that a caller of the API may read: what a database says of itself stays in the log. */
function refusalOf(error: unknown): Failure {
  if (ConnectorError.is(error) || error instanceof HostError) return failureOf(error);
  return {
    code: 'internal',
    message: 'Expected the run to begin, but it could not: the log of the host says why',
  };
}

const endedHosts: Failure = {
  code: 'host_ended',
  message: 'Hosts ended one after another while they had the run: it is not begun again',
};

/** False for one that has ended: its job was not ended with it. */
async function isToBegin({ runs }: WorkParts, runId: string): Promise<boolean> {
  const run = await runs.get(runId);
  if (run?.status === 'queued' || run?.status === 'running') return true;
  return run?.status === 'interrupted' && run.errorCode === 'host_ended';
}

/** What a person asked for, and the job that it goes on with wherever it is broken off. */
interface AskedWork {
  readonly job: Job;
  readonly asked: AskedRun;
  readonly stop: StopSignals;
}

function requestOf({ runs, queue }: WorkParts, { job, asked, stop }: AskedWork) {
  const { endsWith, hasEnded } = endingWith(async ({ status }, transaction) => {
    if (status !== 'interrupted' || !stop.drain.aborted) return queue.done(job, transaction);
    await runs.askAgain(asked.runId, transaction);
    await queue.giveBack(job, 0, transaction);
  });
  const request = { trigger: 'person', jobId: job.id, ...asked, ...stop, endsWith } as const;
  return { request: request satisfies RunRequest, hasEnded };
}

/** Whether the job is still what the run goes on with. */
const isToGoOn = (error: unknown): boolean =>
  error instanceof AlreadyRunning || error instanceof Fenced || isUnreachable(error);

/** A run that a person asked for has its row, and a person looks at it. */
async function workAsked(parts: WorkParts, connection: ConnectionConfig, work: AskedWork): Promise<boolean> {
  const { service, runs } = parts;
  const { runId } = work.asked;
  if (!(await isToBegin(parts, runId))) return false;
  if (await endsHosts(parts, work.job, connection.name)) {
    await runs.refuse(runId, endedHosts);
    return false;
  }
  const { request, hasEnded } = requestOf(parts, work);
  try {
    const { error } = await service.execute(connection, request);
    if (error) await runs.refuse(runId, error);
    return hasEnded();
  } catch (error) {
    if (!isToGoOn(error)) await runs.refuse(runId, refusalOf(error));
    throw error;
  }
}

/** A run that has begun, and its job. */
interface BegunJob {
  readonly job: Job;
  /** Resolves when both are over. Never rejects. */
  readonly over: Promise<void>;
}

/**
 * Begins what a person asks for at once, with a job that this host has from the beginning: whatever becomes of the host,
 * others go on with it. Rejects as RunService.begin does; nothing has begun then.
 */
export async function beginAsked(
  parts: WorkParts,
  connection: ConnectionConfig,
  { asked, stop }: Omit<AskedWork, 'job'>,
): Promise<BegunJob> {
  const { service, queue, runs } = parts;
  const { name } = connection;
  const wish = { id: randomUUID(), connection: name, reason: 'asked', asked } as const;
  const job: Job = { ...wish, queue: 'run', hostsEnded: 0, retryCount: 0 };
  await queue.ready();
  const { request, hasEnded } = requestOf(parts, { job, asked, stop });
  const { finished } = await service.begin(connection, {
    ...request,
    async beginsWith(transaction) {
      if (!(await queue.addTaken(wish, transaction))) throw alreadyRunning(name);
    },
  });
  const work = async (): Promise<boolean> => {
    try {
      await finished;
      return hasEnded();
    } catch (error) {
      if (!isToGoOn(error)) await runs.refuse(asked.runId, refusalOf(error));
      throw error;
    }
  };
  return { job, over: endJob(parts, job, work()) };
}

function logWhy({ log }: WorkParts, connection: string, error: unknown): void {
  const expected = error instanceof AlreadyRunning || error instanceof ConnectionPaused;
  const level = expected || error instanceof Fenced ? 'info' : 'error';
  log[level]({ connection, error: failureOf(error).message }, 'run could not go on');
}

async function settle({ queue, log }: WorkParts, job: Job, why: unknown): Promise<void> {
  try {
    // Whoever freed the connection may not have handed the job over yet, and what it is for is not done.
    if (why instanceof Fenced) await queue.giveBack(job, 0);
    // What a job of the schedule is for stands in the database; of a person's wish the job is all there is.
    else if (job.asked && isToGoOn(why)) await queue.giveBack(job, whileBusyMs / 1000);
    else await queue.done(job);
  } catch (error) {
    // Nobody touches it any more, and so it is found.
    log.warn({ connection: job.connection, error: failureOf(error).message }, 'job could not be ended');
  }
}

/** Ends the job once what was done with it is over. Never rejects. */
async function endJob(parts: WorkParts, job: Job, work: Promise<boolean>): Promise<void> {
  let hasEnded = false;
  let why: unknown;
  try {
    hasEnded = await work;
  } catch (error) {
    why = error;
    logWhy(parts, job.connection, error);
  }
  if (!hasEnded) await settle(parts, job, why);
  parts.reach?.('job-done');
}

/** Works one job off and ends it. Never rejects. */
export async function workJob(
  parts: WorkParts,
  job: Job,
  connection: ConnectionConfig,
  stop: StopSignals,
): Promise<void> {
  parts.reach?.('job-fetched');
  const { asked } = job;
  const work = asked
    ? workAsked(parts, connection, { job, asked, stop })
    : (job.queue === 'backfill' ? workBackfill : workDue)(parts, job, connection, stop);
  await endJob(parts, job, work);
}
