/** Places of which only so many are taken at a time; who comes later waits, in order. */
export interface Places {
  /** Resolves with what gives the place back. Rejects when the signal is aborted. */
  take(signal: AbortSignal): Promise<() => void>;
}

/** Waiting for a place is waiting for others, not for a server that does not answer: nothing limits it but the signal. */
export function createPlaces(count: number): Places {
  let free = count;
  const waiting = new Set<() => void>();
  const leave = (): void => {
    const [next] = waiting;
    if (next) next();
    else free += 1;
  };
  return {
    take(signal) {
      const taken = Promise.withResolvers<() => void>();
      if (free > 0) {
        free -= 1;
        return Promise.resolve(leave);
      }
      const onAbort = (): void => {
        waiting.delete(next);
        taken.reject(signal.reason);
      };
      const next = (): void => {
        waiting.delete(next);
        signal.removeEventListener('abort', onAbort);
        taken.resolve(leave);
      };
      waiting.add(next);
      signal.addEventListener('abort', onAbort, { once: true });
      return taken.promise;
    },
  };
}
