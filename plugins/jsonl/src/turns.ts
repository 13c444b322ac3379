/** Lets one at a time go on, in the order they came. */
export interface Turns {
  /**
   * Calls `work` when all before it are over. Throws the signal's reason when it is aborted before that; from then on
   * the signal is the work's own affair.
   */
  take<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T>;
  /** Resolves when nobody waits or works. */
  idle(): Promise<void>;
}

/** Resolves with `before`, or rejects with the signal's reason. */
async function unlessAborted(before: Promise<void>, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  const aborted = Promise.withResolvers<never>();
  const abort = (): void => aborted.reject(signal.reason);
  signal.addEventListener('abort', abort, { once: true });
  try {
    await Promise.race([before, aborted.promise]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}

/** Makes a line with nobody in it. */
export function createTurns(): Turns {
  let last: Promise<void> = Promise.resolve();
  return {
    async take(signal, work) {
      const before = last;
      const { promise: over, resolve: end } = Promise.withResolvers<void>();
      last = before.then(() => over);
      try {
        await unlessAborted(before, signal);
        return await work();
      } finally {
        end();
      }
    },
    idle: () => last,
  };
}
