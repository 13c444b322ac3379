// Writes as many rows as it is told to, each time after those it has written: for bench/growth.ts.
import type { RawEvent } from '@on-the-way/sdk';
import { eventOf } from './our-events.ts';
import { batchesOf, openOurSink, writeAll } from './our-sink.ts';
import { peakRssMb } from './measure.ts';
import { smallLine } from './workload.ts';

/** So many rows more. */
export interface GrowthTask {
  readonly url: string;
  readonly rows: number;
}

/** What that took. */
export interface Grown {
  readonly ms: number;
  /** Microseconds of CPU of this process. */
  readonly cpuUs: number;
  readonly rssMb: number | undefined;
}

// As many as a block of 64 KB from a socket would have.
const rowsAtOnce = 110;

async function* records(first: number, count: number): AsyncGenerator<RawEvent[]> {
  for (let at = first; at < first + count; at += rowsAtOnce) {
    await new Promise((resolve) => setImmediate(resolve));
    const size = Math.min(rowsAtOnce, first + count - at);
    yield Array.from({ length: size }, (_, index) => eventOf(smallLine(at + index)));
  }
}

process.once('disconnect', () => process.exit(1));
let sink: ReturnType<typeof openOurSink> | undefined;
let written = 0;

async function grow({ url, rows }: GrowthTask): Promise<Grown> {
  sink ??= openOurSink(url);
  const writer = await sink;
  const before = process.cpuUsage();
  const began = performance.now();
  const stored = await writeAll(writer, batchesOf(records(written, rows)));
  const ms = performance.now() - began;
  const { user, system } = process.cpuUsage(before);
  if (stored.written !== rows) throw new Error(`Expected ${rows} new rows, got ${stored.written}`);
  written += rows;
  return { ms, cpuUs: user + system, rssMb: peakRssMb(process.pid) };
}

process.on('message', (task: GrowthTask) => {
  // One after the other: the next is asked for once this one is answered.
  void grow(task).then((grown) => process.send?.(grown));
});
