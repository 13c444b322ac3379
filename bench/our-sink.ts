// The one place where the bench uses the sink.
import type { RawEvent, SinkWriter } from '@on-the-way/sdk';
import sinkPostgres from '../plugins/postgres/src/index.ts';

const silent = { debug() {}, info() {}, warn() {} };
const signal = new AbortController().signal;
// As a run writes: core/src/slice-writes.ts.
const writesAtOnce = 3;
const batchRows = 2_048;
const batchBytes = 2 * 1024 * 1024;

/** What became of all events. */
export interface Stored {
  readonly written: number;
  readonly unchanged: number;
  readonly conflicts: number;
}

/** Opens the sink on a database that has its tables. */
export function openOurSink(url: string): Promise<SinkWriter> {
  return sinkPostgres.open({
    config: sinkPostgres.config.parse({ connectionString: url }),
    log: silent,
  });
}

/** Batches as large as the sink is at its best with, and no more than a few megabytes each. */
export async function* batchesOf(
  arriving: AsyncIterable<readonly RawEvent[]> | Iterable<readonly RawEvent[]>,
): AsyncGenerator<RawEvent[]> {
  let batch: RawEvent[] = [];
  let bytes = 0;
  for await (const events of arriving) {
    for (const event of events) {
      batch.push(event);
      bytes += event.payload.length;
      if (batch.length < batchRows && bytes < batchBytes) continue;
      yield batch;
      batch = [];
      bytes = 0;
    }
  }
  if (batch.length > 0) yield batch;
}

/** Writes all batches, three at a time; a batch is not made before one of them is done. */
export async function writeAll(sink: SinkWriter, batches: AsyncGenerator<RawEvent[]>): Promise<Stored> {
  const stored = { written: 0, unchanged: 0, conflicts: 0 };
  const lane = async (): Promise<void> => {
    for (let next = await batches.next(); next.done !== true; next = await batches.next()) {
      const { written, unchanged, conflicts } = await sink.write(next.value, { signal });
      stored.written += written;
      stored.unchanged += unchanged;
      stored.conflicts += conflicts.length;
    }
  };
  await Promise.all(Array.from({ length: writesAtOnce }, lane));
  return stored;
}
