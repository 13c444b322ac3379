// Writes the workloads, once, before any clock starts.
import { closeSync, openSync, writeFileSync, writeSync } from 'node:fs';
import { createEventMaker } from './events.ts';
import { eventOf } from './our-events.ts';
import { copyFields, copyLine } from './wire-copy.ts';
import { largeLine, smallLine } from './workload.ts';
import { workloadFile } from './workload-files.ts';

/** How much is written. */
export interface Sizes {
  /** Rows of half a kilobyte a run. */
  readonly small: number;
  /** Rows of 28 KB a run. */
  readonly large: number;
  /** Rows that each run writes before its clock starts, so that no run pays for what is loaded once. */
  readonly warm: number;
  readonly largeWarm: number;
}

/** Every so many records of the workload `changed` are said by another. */
export const changedEvery = 20;

/** The workloads: `small` (A), `changed` (D), `large` (B). Replay (C) is `small` again, into a table that has it. */
export type Workload = 'small' | 'changed' | 'large';

interface Part {
  readonly workload: Workload;
  readonly warm: boolean;
  readonly first: number;
  readonly count: number;
  readonly line: (index: number) => string;
}

function writePart(folder: string, { line, first, count, ...file }: Part): void {
  const wire = openSync(workloadFile(folder, { ...file, kind: 'ndjson' }), 'w');
  const copy = openSync(workloadFile(folder, { ...file, kind: 'copy' }), 'w');
  for (let at = first; at < first + count; at += 200) {
    const lines = Array.from({ length: Math.min(200, first + count - at) }, (_, index) => line(at + index));
    writeSync(wire, lines.join(''));
    writeSync(copy, lines.map((text) => copyLine(eventOf(text))).join(''));
  }
  closeSync(wire);
  closeSync(copy);
}

/** Makes all workloads in a folder. */
export function writeWorkloads(folder: string, { small, large, warm, largeWarm }: Sizes): void {
  const same = (index: number) => smallLine(index);
  const changed = (index: number) => smallLine(index, changedEvery);
  writePart(folder, { workload: 'small', warm: false, first: 0, count: small, line: same });
  writePart(folder, { workload: 'small', warm: true, first: small, count: warm, line: same });
  writePart(folder, { workload: 'changed', warm: false, first: 0, count: small, line: changed });
  writePart(folder, { workload: 'changed', warm: true, first: small, count: warm, line: same });
  writePart(folder, { workload: 'large', warm: false, first: 0, count: large, line: largeLine });
  writePart(folder, { workload: 'large', warm: true, first: large, count: largeWarm, line: largeLine });
}

/** Events as they are posted over HTTP, for P3 beside them: the workload `posted`. */
export function writePosted(
  folder: string,
  { rows, warm }: { readonly rows: number; readonly warm: number },
): void {
  const next = createEventMaker();
  const made = (count: number) => Array.from({ length: count }, () => copyFields(next().row)).join('');
  writeFileSync(workloadFile(folder, { workload: 'posted', kind: 'copy', warm: false }), made(rows));
  writeFileSync(workloadFile(folder, { workload: 'posted', kind: 'copy', warm: true }), made(warm));
}
