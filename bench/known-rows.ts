// A table that has the records already.
import pg from 'pg';
import { eventOf } from './our-events.ts';
import { copyIntoTable, copyLine, copyMessages, openWire } from './wire-copy.ts';
import { smallLine } from './workload.ts';

const rowsAtOnce = 5_000;

/** Stores the first so many records of the workload, by COPY. */
export async function fillKnown(url: string, count: number): Promise<void> {
  const wire = await openWire(url);
  for (let first = 0; first < count; first += rowsAtOnce) {
    const lines = Array.from({ length: Math.min(rowsAtOnce, count - first) }, (_, index) =>
      copyLine(eventOf(smallLine(first + index))),
    );
    await wire.copy(copyIntoTable, copyMessages(Buffer.from(lines.join(''))));
  }
  await wire.close();
  const client = new pg.Client(url);
  await client.connect();
  await client.query('vacuum analyze raw.raw_event');
  await client.end();
}
