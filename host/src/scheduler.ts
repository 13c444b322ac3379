import type { Clock } from '@on-the-way/core';
import type { ConnectionConfig } from './config/host-config.ts';
import type { HostLog } from './log.ts';
import { AlreadyRunning, type RunService } from './run-service.ts';
import type { ConnectionStore } from './storage/connections.ts';
import type { RunStore } from './storage/runs.ts';

/** Starts runs when they are due. One host; a queue over many hosts comes behind the same interface. */
export interface Scheduler {
  start(): void;
  /** Milliseconds since 1970 of the next run; undefined while one is under way. */
  nextRunAt(connection: string): number | undefined;
  isRunning(connection: string): boolean;
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

/** Runs once; resolves with when to run again. */
async function runOnce(
  parts: SchedulerParts,
  connection: ConnectionConfig,
  signal: AbortSignal,
): Promise<Next> {
  const { name } = connection;
  const interval = intervalMs(parts, connection);
  const startedAt = parts.clock.now();
  try {
    const summary = await parts.service.execute(connection, { trigger: 'schedule', signal });
    const code = summary.error?.code;
    // The source may be asked, but nobody is signed in until the pause is over or a person does it.
    if (summary.error?.refusedSignIn === true) return { dueAt: startedAt + interval, needsUser: true };
    if (code === 'rate_limited') {
      const pausedUntil = parts.clock.now() + (summary.error?.retryAfterMs ?? 0);
      return { dueAt: Math.max(startedAt + interval, pausedUntil), needsUser: false };
    }
    // The network was away before the run could log in: do not wait out a long interval for that.
    const waitMs = code === 'transient' ? Math.min(afterTransientMs, interval) : interval;
    return { dueAt: startedAt + waitMs, needsUser: code === 'needs_user' || code === 'auth' };
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    const level = error instanceof AlreadyRunning ? 'info' : 'error';
    parts.log[level]({ connection: name, error: message }, 'run could not begin');
    return { dueAt: parts.clock.now() + lookAgainMs, needsUser: false };
  }
}

/** Makes the scheduler. `firstWanted` gives the first day a connection's configuration asks for. */
export function createScheduler(
  parts: SchedulerParts,
  firstWanted: (connection: ConnectionConfig) => string,
): Scheduler {
  const stopping = new AbortController();
  const { signal } = stopping;
  const nextAt = new Map<string, number>();
  const running = new Set<string>();
  let loops: Promise<void>[] = [];

  async function loop(connection: ConnectionConfig): Promise<void> {
    const { name } = connection;
    let due = await firstDue(parts, connection, firstWanted(connection)).catch((error: unknown) => {
      parts.log.warn({ connection: name, error: String(error) }, 'last run unknown');
      return parts.clock.now();
    });
    let needsUser = false;
    while (!signal.aborted) {
      nextAt.set(name, due);
      if (needsUser) await sleepUntilSignIn(parts, name, due, signal);
      else await sleepUntil(due, parts.clock, signal);
      if (signal.aborted) return;
      nextAt.delete(name);
      running.add(name);
      ({ dueAt: due, needsUser } = await runOnce(parts, connection, signal));
      running.delete(name);
    }
  }

  return {
    start() {
      loops = parts.connections.map(loop);
    },
    nextRunAt: (connection) => nextAt.get(connection),
    isRunning: (connection) => running.has(connection),
    async stop() {
      stopping.abort(new DOMException('The host is stopping', 'AbortError'));
      await Promise.all(loops);
    },
  };
}
