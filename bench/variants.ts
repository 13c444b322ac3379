// The ways to get the same records into raw.raw_event. Each is run in a process of its own (variant-process.ts), which
// loads no more than it needs.
import type { Stored } from './our-sink.ts';

/** What a variant is asked to do. */
export interface Task {
  readonly kind: VariantKind;
  readonly url: string;
  /** Where the workloads lie. */
  readonly folder: string;
  readonly workload: string;
  /** How many rows the workload has, or how many of them are to be written. */
  readonly rows: number;
  readonly warmRows: number;
  /** Of P3: rows a transaction. */
  readonly transactionRows: number;
}

/** A variant that is ready. Both write the rows of one file; the first, a few, comes before the clock. */
export interface Work {
  write(part: { readonly warm: boolean }): Promise<Stored | undefined>;
  close(): Promise<void>;
}

type Open = (task: Task) => Promise<Work>;

const found = {
  heap: async (): Promise<Open> => (await import('./copy-variants.ts')).openHeap,
  table: async (): Promise<Open> => (await import('./copy-variants.ts')).openTable,
  merge: async (): Promise<Open> => (await import('./copy-variants.ts')).openMerge,
  mergeTwice: async (): Promise<Open> => (await import('./copy-variants.ts')).openMergeTwice,
  knexRow: async (): Promise<Open> => (await import('./knex-variants.ts')).openKnexRow,
  knexMany: async (): Promise<Open> => (await import('./knex-variants.ts')).openKnexMany,
  sink: async (): Promise<Open> => (await import('./sink-variants.ts')).openSinkAlone,
  fromWire: async (): Promise<Open> => (await import('./sink-variants.ts')).openFromWire,
  wholeWay: async (): Promise<Open> => (await import('./our-run.ts')).openWholeWay,
} as const;

/** The variants by name. */
export type VariantKind = keyof typeof found;

/** Gets a variant ready: connected, with all that it writes prepared as far as it is not its own work. */
export async function openVariant(task: Task): Promise<Work> {
  const open = await found[task.kind]();
  return open(task);
}
