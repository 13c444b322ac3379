// One run of one variant: gets ready, does a little, says so, waits for the word, writes, tells, and waits to be let go.
import { once } from 'node:events';
import { openVariant, type Task } from './variants.ts';
import type { Stored } from './our-sink.ts';

/** What is told once all is written. */
export interface Told {
  readonly ms: number;
  /** Microseconds of CPU of this process alone. */
  readonly cpuUs: number;
  readonly stored: Stored | null;
}

// The bench may have been stopped.
process.once('disconnect', () => process.exit(1));

const [task] = (await once(process, 'message')) as [Task];
const work = await openVariant(task);
await work.write({ warm: true });
const go = once(process, 'message');
process.send?.('ready');
await go;
const before = process.cpuUsage();
const began = performance.now();
const stored = await work.write({ warm: false });
const ms = performance.now() - began;
const { user, system } = process.cpuUsage(before);
const told: Told = { ms, cpuUs: user + system, stored: stored ?? null };
const end = once(process, 'message');
process.send?.(told);
await end;
await work.close();
process.exit(0);
