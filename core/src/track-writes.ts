import type { RunSink } from './ports.ts';

/** A sink of which one can wait until it is at rest. */
export interface TrackedSink extends RunSink {
  /** Resolves when every write that was begun is over, or after five seconds; half a second when the run was told to stop. */
  settled(stopped: AbortSignal): Promise<void>;
}

// A sink that does not hear its signal must not hold up the run for ever.
const longestWaitMs = 5_000;
const longestWaitAtStopMs = 500;

/**
 * Keeps count of the writes at work. A slice that is given up leaves its write behind; the run must not
 * end before it, since whoever closes the sink next has promised that no write is under way.
 */
export function trackWrites(sink: RunSink): TrackedSink {
  const underWay = new Set<Promise<unknown>>();
  return {
    async write(batch, options) {
      const write = sink.write(batch, options);
      underWay.add(write);
      try {
        return await write;
      } finally {
        underWay.delete(write);
      }
    },
    async settled(stopped) {
      const waited = Promise.withResolvers<void>();
      const timer = setTimeout(waited.resolve, stopped.aborted ? longestWaitAtStopMs : longestWaitMs);
      await Promise.race([Promise.allSettled(underWay), waited.promise]);
      clearTimeout(timer);
    },
  };
}
