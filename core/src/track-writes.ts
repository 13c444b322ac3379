import type { SinkWriter } from '@on-the-way/sdk';

/** A sink of which one can wait until it is at rest. */
export interface TrackedSink extends Pick<SinkWriter, 'write'> {
  /** Resolves when every write that was begun is over, or after ten seconds. */
  settled(): Promise<void>;
}

// A sink that does not hear its signal must not hold up the run for ever.
const longestWaitMs = 5_000;

/**
 * Keeps count of the writes at work. A slice that is given up leaves its write behind; the run must not
 * end before it, since whoever closes the sink next has promised that no write is under way.
 */
export function trackWrites(sink: Pick<SinkWriter, 'write'>): TrackedSink {
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
    async settled() {
      const waited = Promise.withResolvers<void>();
      const timer = setTimeout(waited.resolve, longestWaitMs);
      await Promise.race([Promise.allSettled(underWay), waited.promise]);
      clearTimeout(timer);
    },
  };
}
