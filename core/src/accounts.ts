import type { RawEvent } from '@on-the-way/sdk';
import type { Bus } from './events.ts';
import type { EventOutcome, RunSink } from './ports.ts';
import { emptyCounts, type DatasetCounts, type EventCounts } from './run-summary.ts';
import { trackWrites } from './track-writes.ts';

/** What a batch was answered with. */
export type Stored = Awaited<ReturnType<RunSink['write']>>;

/** Accounts for every event that a run is handed: none is forgotten, whatever becomes of its slice. */
export interface Accounts {
  /**
   * Hands the events of one dataset to the sink and counts what became of them. Rejects as the sink does, or when the
   * signal is aborted: then they are given up.
   */
  store(dataset: string, events: readonly RawEvent[], signal: AbortSignal): Promise<Stored>;
  /** Counts events that were read and are not handed to the sink, since an earlier write has failed. */
  giveUp(dataset: string, events: number): void;
  /**
   * Waits for the writes that slices left behind, shorter when the run was told to stop, and gives up those that do
   * not end. Called once, after the last `store`.
   */
  close(stopped: AbortSignal): Promise<void>;
}

const countOf: Record<EventOutcome, keyof EventCounts> = {
  written: 'written',
  unchanged: 'unchanged',
  conflict: 'conflicts',
  set_aside: 'setAside',
  given_up: 'givenUp',
};

function tally(total: number, { rows }: Stored): EventCounts {
  const counts = { read: total, written: 0, unchanged: 0, conflicts: 0, setAside: 0, givenUp: 0 };
  for (const { outcome } of rows) counts[countOf[outcome]] += 1;
  // A sink that does not answer for all of them leaves the rest unknown.
  counts.givenUp += total - rows.length;
  return counts;
}

/** Makes the accounts of a run; what is counted is added to `counts` and told on the bus. */
export function createAccounts(run: {
  readonly connection: string;
  readonly sink: RunSink;
  readonly bus: Bus;
  readonly counts: Record<string, DatasetCounts>;
}): Accounts {
  const { connection, bus } = run;
  const sink = trackWrites(run.sink);
  const open = new Set<{ readonly dataset: string; readonly total: number }>();
  const settle = (batch: { readonly dataset: string; readonly total: number }, stored?: Stored): void => {
    // One that ends after the accounts are closed was given up there.
    if (!open.delete(batch)) return;
    const { dataset, total } = batch;
    const added = tally(total, stored ?? { rows: [] });
    const counts = (run.counts[dataset] ??= emptyCounts());
    for (const key of Object.keys(added) as (keyof EventCounts)[]) counts[key] += added[key];
    bus.emit('events:counted', { connection, dataset, counts: added });
  };
  return {
    async store(dataset, events, signal) {
      const batch = { dataset, total: events.length };
      open.add(batch);
      try {
        signal.throwIfAborted();
        const stored = await sink.write(events, { signal });
        settle(batch, stored);
        return stored;
      } catch (error) {
        settle(batch);
        throw error;
      }
    },
    giveUp(dataset, total) {
      const batch = { dataset, total };
      open.add(batch);
      settle(batch);
    },
    async close(stopped) {
      await sink.settled(stopped);
      for (const batch of open) settle(batch);
    },
  };
}
