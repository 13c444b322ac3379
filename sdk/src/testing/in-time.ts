import { setTimeout as delay } from 'node:timers/promises';

/** What the promise settles with, or `late` when it has not within so many milliseconds; it is not ended by that. */
export async function inTime<Value>(promise: Promise<Value>, milliseconds: number): Promise<Value | 'late'> {
  const timer = new AbortController();
  const late = delay(milliseconds, 'late' as const, { signal: timer.signal }).catch(() => 'late' as const);
  try {
    return await Promise.race([promise, late]);
  } finally {
    timer.abort();
  }
}
