import { setImmediate as turn } from 'node:timers/promises';
import type { Tokens } from '../connector.ts';
import type { JsonValue } from '../json.ts';

/** Tokens in memory. */
export interface MemoryTokens extends Tokens {
  /** What is durable now, by field. */
  readonly saved: ReadonlyMap<string, JsonValue>;
  /** Resolves when everything that was given to save so far is durable, also what nobody waits for. */
  settled(): Promise<void>;
}

/**
 * A place for tokens as a host gives it: what is saved comes back as JSON, and is durable a few turns of the loop later.
 * Fields are replaced one call after the other.
 */
export function memoryTokens(fields: Readonly<Record<string, JsonValue>> = {}): MemoryTokens {
  const saved = new Map(Object.entries(structuredClone(fields)));
  let last: Promise<unknown> = Promise.resolve();
  const copy = (value: JsonValue | undefined): JsonValue | undefined =>
    value === undefined ? undefined : (JSON.parse(JSON.stringify(value)) as JsonValue);
  const stores = new Set<Promise<void>>();
  const storeSoon = async (field: string, value: JsonValue): Promise<void> => {
    const kept = copy(value);
    for (let turns = 0; turns < 5; turns += 1) await turn();
    if (kept === null || kept === undefined) saved.delete(field);
    else saved.set(field, kept);
  };
  const store = (field: string, value: JsonValue): Promise<void> => {
    const storing = storeSoon(field, value);
    stores.add(storing);
    return storing;
  };
  return {
    saved,
    load: async (field) => copy(saved.get(field)),
    save: store,
    async settled() {
      await Promise.allSettled(stores);
    },
    update(field, change) {
      const updated = last.then(async () => {
        const next = await change(copy(saved.get(field)));
        if (next !== undefined) await store(field, next);
        return copy(saved.get(field));
      });
      last = updated.catch(() => undefined);
      return updated;
    },
  };
}
