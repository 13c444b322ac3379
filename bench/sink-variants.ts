// The sink as variants.
import type { RawEvent } from '@on-the-way/sdk';
import { eventOf } from './our-events.ts';
import { batchesOf, openOurSink, writeAll } from './our-sink.ts';
import { eventsOf } from './prepared-events.ts';
import type { Task, Work } from './variants.ts';
import { linesOf, workloadFile } from './workload-files.ts';

/** The sink with events that are there already. */
export async function openSinkAlone(task: Task): Promise<Work> {
  const first = eventsOf(task, { warm: true });
  const all = eventsOf(task, { warm: false });
  const sink = await openOurSink(task.url);
  return {
    write: ({ warm }) => writeAll(sink, batchesOf([warm ? first : all])),
    close: () => sink.close(),
  };
}

/** Events of the lines as they arrive. */
async function* arriving(file: string): AsyncGenerator<RawEvent[]> {
  for await (const lines of linesOf(file)) yield lines.map(eventOf);
}

/** The sink with events that are made of lines as these arrive. */
export async function openFromWire({ url, folder, workload }: Task): Promise<Work> {
  const sink = await openOurSink(url);
  return {
    write: ({ warm }) =>
      writeAll(sink, batchesOf(arriving(workloadFile(folder, { workload, kind: 'ndjson', warm })))),
    close: () => sink.close(),
  };
}
