import type { Clock, RunSummary } from '@on-the-way/core';
import type { ConnectionConfig } from './config/host-config.ts';
import type { HostLog } from './log.ts';
import { AlreadyRunning, type RunRequest, type RunService } from './run-service.ts';
import type { ConnectionStore } from './storage/connections.ts';
import type { RunStore } from './storage/runs.ts';

/** What a person may ask of a run that goes on in the background. */
export type WantedRun = Pick<RunRequest, 'only' | 'onlyDatasets'>;

/** Starts runs when they are due. One host; a queue over many hosts comes behind the same interface. */
export interface Scheduler {
  start(): void;
  /** Milliseconds since 1970 of the next run; undefined while one is under way. */
  nextRunAt(connection: string): number | undefined;
  isRunning(connection: string): boolean;
  /**
   * Begins a run that a person asked for, also where `start` was not called. Resolves with its id once it has its
   * row, while it goes on; rejects as RunService.begin does. A run of everything moves the next one as if it had
   * been due.
   */
  run(connection: string, wanted: WantedRun): Promise<string>;
  /** Looks at once whether the connection is paused; call it after resuming, so that a due run begins. */
  lookAgain(connection: string): void;
  /** Gives up what is under way and resolves when all of it has ended. */
  stop(): Promise<void>;
}

/** What the scheduler is built from. */
export interface SchedulerParts {
  readonly connections: readonly ConnectionConfig[];
  readonly service: RunService;
  readonly runs: RunStore;
  readonly states: ConnectionStore;
  readonly clock: Clock;
  /** 0 up to, not including, 1. */
  readonly random: () => number;
  readonly log: HostLog;
}

// setTimeout fires at once for delays over 2^31 ms; looking again each hour also follows a changed clock.
const longestSleepMs = 3_600_000;
// After a run that could not even begin (database away, another host at work).
const lookAgainMs = 15_000;
const afterTransientMs = 300_000;
// A person who has just signed in, in another process, waits for the first run to begin.
const lookForSignInMs = 10_000;
const longestJitterMs = 60_000;

/** The interval and up to 2 % more, so that hosts that were started together do not stay in step. */
function intervalMs({ random }: SchedulerParts, { intervalSeconds }: ConnectionConfig): number {
  const interval = intervalSeconds * 1000;
  return interval + Math.floor(random() * Math.min(interval * 0.02, longestJitterMs));
}

/**
 * When the connection's first run after a start is due: at once, unless the last one ended well and the
 * interval has not passed, so that a restart does not ask the source again. Raised backfill is due at once.
 */
async function firstDue(
  parts: SchedulerParts,
  connection: ConnectionConfig,
  wanted: string,
): Promise<number> {
  const [last] = await parts.runs.list({ connection: connection.name, limit: 1 });
  const { backfillFrom } = await parts.states.state(connection.name);
  const now = parts.clock.now();
  if (!last || last.status !== 'succeeded' || backfillFrom === null || wanted < backfillFrom) return now;
  return Math.max(now, last.startedAt.getTime() + connection.intervalSeconds * 1000);
}

/** Resolves at the time, or as soon as the signal is aborted. */
async function sleepUntil(at: number, clock: Clock, signal: AbortSignal): Promise<void> {
  while (!signal.aborted && clock.now() < at) {
    const delayMs = Math.min(at - clock.now(), longestSleepMs);
    await new Promise<void>((resolve) => {
      const finish = (): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', finish);
        resolve();
      };
      const timer = setTimeout(finish, delayMs);
      signal.addEventListener('abort', finish, { once: true });
    });
  }
}

/** Resolves at the time, or soon after a person has signed in anew. */
async function sleepUntilSignIn(
  { states, clock }: SchedulerParts,
  connection: string,
  due: number,
  signal: AbortSignal,
): Promise<void> {
  const signedInAt = async (): Promise<number> => {
    // With the database away nobody has signed in.
    const state = await states.state(connection).catch(() => undefined);
    return state?.signedInAt?.getTime() ?? 0;
  };
  const before = await signedInAt();
  while (!signal.aborted && clock.now() < due && (await signedInAt()) <= before) {
    await sleepUntil(Math.min(due, clock.now() + lookForSignInMs), clock, signal);
  }
}

interface Next {
  readonly dueAt: number;
  /** The run ended for want of a person. */
  readonly needsUser: boolean;
}

/** When to run again after a run that ended so. */
function nextAfter(parts: SchedulerParts, connection: ConnectionConfig, ended: RunSummary): Next {
  const { startedAt, error } = ended;
  const interval = intervalMs(parts, connection);
  const code = error?.code;
  // The source may be asked, but nobody is signed in until the pause is over or a person does it.
  if (error?.refusedSignIn === true) return { dueAt: startedAt + interval, needsUser: true };
  if (code === 'rate_limited') {
    const pausedUntil = parts.clock.now() + (error?.retryAfterMs ?? 0);
    return { dueAt: Math.max(startedAt + interval, pausedUntil), needsUser: false };
  }
  // The network was away before the run could log in: do not wait out a long interval for that.
  const waitMs = code === 'transient' ? Math.min(afterTransientMs, interval) : interval;
  return { dueAt: startedAt + waitMs, needsUser: code === 'needs_user' || code === 'auth' };
}

/** Runs once; resolves with when to run again. */
async function runOnce(
  parts: SchedulerParts,
  connection: ConnectionConfig,
  signal: AbortSignal,
): Promise<Next> {
  try {
    return nextAfter(
      parts,
      connection,
      await parts.service.execute(connection, { trigger: 'schedule', signal }),
    );
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    const level = error instanceof AlreadyRunning ? 'info' : 'error';
    parts.log[level]({ connection: connection.name, error: message }, 'run could not begin');
    return { dueAt: parts.clock.now() + lookAgainMs, needsUser: false };
  }
}

/** With the database away nobody has paused anything; the run then cannot begin for that. */
async function isPaused({ states }: SchedulerParts, connection: string): Promise<boolean> {
  const state = await states.state(connection).catch(() => undefined);
  return state?.pausedAt instanceof Date;
}

/** One connection's runs: those that are due, and those a person asks for. */
interface Timetable {
  /** Runs what is due until the scheduler stops. */
  loop(): Promise<void>;
  nextRunAt(): number | undefined;
  isRunning(): boolean;
  run(wanted: WantedRun): Promise<string>;
  lookAgain(): void;
  /** Resolves when the run a person asked for, if there is one, has ended. */
  asked(): Promise<void>;
}

/** When the first run is due; at once when nothing can be known of earlier ones. */
async function firstNext(parts: SchedulerParts, connection: ConnectionConfig, wanted: string): Promise<Next> {
  try {
    return { dueAt: await firstDue(parts, connection, wanted), needsUser: false };
  } catch (error) {
    parts.log.warn({ connection: connection.name, error: String(error) }, 'last run unknown');
    return { dueAt: parts.clock.now(), needsUser: false };
  }
}

function createTimetable(
  parts: SchedulerParts,
  connection: ConnectionConfig,
  { signal, firstWanted }: { readonly signal: AbortSignal; readonly firstWanted: () => string },
): Timetable {
  const { name } = connection;
  const { clock, log, service } = parts;
  let next: Next | undefined;
  let due = false;
  let asked: Promise<void> | undefined;
  let waker = new AbortController();

  /** Resolves true when a run is due now, false when the wait was broken off. */
  async function wait(): Promise<boolean> {
    await asked;
    waker = new AbortController();
    const woken = AbortSignal.any([signal, waker.signal]);
    const { dueAt = 0, needsUser = false } = next ?? {};
    if (needsUser) await sleepUntilSignIn(parts, name, dueAt, woken);
    else await sleepUntil(dueAt, clock, woken);
    if (woken.aborted) return false;
    // What was slept for has come; a pause now must not have it slept for again.
    next = { dueAt: clock.now(), needsUser: false };
    if (!(await isPaused(parts, name))) return !woken.aborted;
    await sleepUntil(clock.now() + lookAgainMs, clock, woken);
    return false;
  }

  async function follow(finished: Promise<RunSummary>, wanted: WantedRun): Promise<void> {
    try {
      const ended = await finished;
      const all = wanted.only === undefined && wanted.onlyDatasets === undefined;
      if (all || ended.error?.code === 'rate_limited') next = nextAfter(parts, connection, ended);
    } catch (error) {
      log.error({ connection: name, error: String(error) }, 'run was given up');
    }
    asked = undefined;
  }

  return {
    async loop() {
      next = await firstNext(parts, connection, firstWanted());
      while (!signal.aborted) {
        if (!(await wait())) continue;
        due = true;
        next = await runOnce(parts, connection, signal);
        due = false;
      }
    },
    nextRunAt: () => (due || asked ? undefined : next?.dueAt),
    isRunning: () => due || asked !== undefined,
    async run(wanted) {
      signal.throwIfAborted();
      const request: RunRequest = { trigger: 'person', signal, ...wanted };
      const { runId, finished } = await service.begin(connection, request);
      asked = follow(finished, wanted);
      waker.abort();
      return runId;
    },
    lookAgain: () => waker.abort(),
    asked: async () => asked,
  };
}

/** Makes the scheduler. `firstWanted` gives the first day a connection's configuration asks for. */
export function createScheduler(
  parts: SchedulerParts,
  firstWanted: (connection: ConnectionConfig) => string,
): Scheduler {
  const stopping = new AbortController();
  const { signal } = stopping;
  const timetables = new Map(
    parts.connections.map((connection) => {
      const made = createTimetable(parts, connection, { signal, firstWanted: () => firstWanted(connection) });
      return [connection.name, made] as const;
    }),
  );
  const beginning = new Set<Promise<string>>();
  let loops: Promise<void>[] = [];

  return {
    start() {
      loops = [...timetables.values()].map((timetable) => timetable.loop());
    },
    nextRunAt: (connection) => timetables.get(connection)?.nextRunAt(),
    isRunning: (connection) => timetables.get(connection)?.isRunning() ?? false,
    async run(connection, wanted) {
      const begins = timetables.get(connection)?.run(wanted);
      if (!begins) throw new Error(`Expected a connection that is scheduled, found ${connection}`);
      beginning.add(begins);
      return begins.finally(() => beginning.delete(begins));
    },
    lookAgain: (connection) => timetables.get(connection)?.lookAgain(),
    async stop() {
      stopping.abort(new DOMException('The host is stopping', 'AbortError'));
      await Promise.allSettled(beginning);
      await Promise.all([...loops, ...[...timetables.values()].map((timetable) => timetable.asked())]);
    },
  };
}
