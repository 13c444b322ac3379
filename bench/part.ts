import type { Goal } from './goals.ts';

/** How thoroughly, and on what. */
export interface BenchOptions {
  /** Many rows and rounds, instead of few. */
  readonly full: boolean;
  /** Durable, with the product's tables, and used by nobody else. */
  readonly server: { readonly url: string; readonly pid: number };
  /** For what is made on the way; it is deleted at the end. */
  readonly folder: string;
  /** Told what is done, a line each. */
  say(text: string): void;
}

/** A table of a part: its heads, and its cells as text or numbers. */
export interface PartTable {
  readonly heads: readonly string[];
  readonly rows: readonly (readonly (string | number)[])[];
}

/** What a part has measured. */
export interface Part {
  readonly title: string;
  readonly table: PartTable;
  /** A sentence each, on how to read the table. */
  readonly notes: readonly string[];
  readonly goals: readonly Goal[];
}

/** Measures one thing. */
export type BenchPart = (options: BenchOptions) => Promise<Part>;
