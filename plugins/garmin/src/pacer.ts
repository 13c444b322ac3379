import { setTimeout as delay } from 'node:timers/promises';

/** Resolves when the next request may go out; rejects when the signal is aborted first. */
export type Pacer = (signal?: AbortSignal) => Promise<void>;

/** Where time and chance come from; the real ones by default. */
export interface PacerSources {
  readonly now?: () => number;
  readonly random?: () => number;
  readonly wait?: (ms: number, signal?: AbortSignal) => Promise<void>;
}

// Up to a fifth longer, so that many hosts do not fall into step.
const jitter = 0.2;

async function waitFor(ms: number, signal?: AbortSignal): Promise<void> {
  try {
    await delay(ms, undefined, signal ? { signal } : {});
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  }
}

/** Spaces the requests of one session by `intervalMs` and up to 20 % more; 0 never waits. */
export function createPacer(
  intervalMs: number,
  { now = Date.now, random = Math.random, wait = waitFor }: PacerSources = {},
): Pacer {
  let nextAt = 0;
  return async (signal) => {
    if (intervalMs === 0) return;
    const at = Math.max(now(), nextAt);
    nextAt = at + intervalMs * (1 + jitter * random());
    if (at > now()) await wait(at - now(), signal);
  };
}
