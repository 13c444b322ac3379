import { setTimeout as delay } from 'node:timers/promises';

/**
 * Sends a request when its turn comes and resolves with what `send` does. First come, first served;
 * rejects when the signal is aborted before the turn, and then sends nothing.
 */
export type Pacer = <T>(signal: AbortSignal | undefined, send: () => Promise<T>) => Promise<T>;

/** How many at a time, and where time and chance come from; the real ones by default. */
export interface PacerOptions {
  /** Default 1. Requests that may be on their way together. */
  readonly requestsInFlight?: number;
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

interface Lane {
  /** Resolves when a place is free. */
  enter(signal: AbortSignal | undefined): Promise<void>;
  /** Gives the place to whoever waits longest. */
  leave(): void;
}

function createLane(places: number): Lane {
  let taken = 0;
  const waiting = new Set<() => void>();

  function queue(signal: AbortSignal | undefined): Promise<void> {
    return new Promise<void>((resolve, reject) => {
      const onAbort = () => {
        waiting.delete(onTurn);
        reject(signal?.reason);
      };
      const onTurn = () => {
        signal?.removeEventListener('abort', onAbort);
        resolve();
      };
      waiting.add(onTurn);
      signal?.addEventListener('abort', onAbort, { once: true });
    });
  }

  return {
    async enter(signal) {
      signal?.throwIfAborted();
      if (taken === places) return queue(signal);
      taken += 1;
    },
    leave() {
      const [next] = waiting;
      if (!next) {
        taken -= 1;
        return;
      }
      waiting.delete(next);
      next();
    },
  };
}

/**
 * Keeps the requests of one account apart: at most `requestsInFlight` together, and from the beginning
 * of one to that of the next `intervalMs` and up to 20 % more; 0 sets no timer.
 */
export function createPacer(
  intervalMs: number,
  { requestsInFlight = 1, now = Date.now, random = Math.random, wait = waitFor }: PacerOptions = {},
): Pacer {
  const lane = createLane(requestsInFlight);
  let nextAt = 0;

  async function pause(signal: AbortSignal | undefined): Promise<void> {
    if (intervalMs === 0) return;
    const since = now();
    const at = Math.max(since, nextAt);
    nextAt = at + intervalMs * (1 + jitter * random());
    if (at > since) await wait(at - since, signal);
  }

  return async (signal, send) => {
    await lane.enter(signal);
    try {
      await pause(signal);
      signal?.throwIfAborted();
      return await send();
    } finally {
      lane.leave();
    }
  };
}
