import { readFileSync } from 'node:fs';
import type { RawEvent } from '@on-the-way/sdk';
import { eventOf } from './our-events.ts';
import type { Task } from './variants.ts';
import { workloadFile } from './workload-files.ts';

/** The events of a task, made before the clock starts. */
export function eventsOf({ folder, workload }: Task, { warm }: { readonly warm: boolean }): RawEvent[] {
  const lines = readFileSync(workloadFile(folder, { workload, kind: 'ndjson', warm }), 'utf8').split('\n');
  return lines.slice(0, -1).map(eventOf);
}
