import type { JsonValue } from './json.ts';

/** Where a cursor dataset can go on. Made by {@link checkpoint}. */
export interface Checkpoint {
  /** What the next `fetch` is given. */
  readonly cursor: JsonValue;
}

// Registered by name, so that values made by another installed copy of this package are known too.
const brand = Symbol.for('@on-the-way/sdk checkpoint');

/**
 * Says that everything before it has been yielded and that reading can go on at `cursor`, any JSON value. Yield it
 * between the records of a cursor dataset. The next fetch is given it once those records are stored.
 */
export function checkpoint(cursor: JsonValue): Checkpoint {
  return Object.freeze(Object.defineProperty({ cursor }, brand, { value: true }));
}

/** True only for values made by {@link checkpoint}. */
export function isCheckpoint(value: unknown): value is Checkpoint {
  return typeof value === 'object' && value !== null && brand in value;
}
