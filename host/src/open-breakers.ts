import type { Bus } from '@on-the-way/core';

/** Which datasets are left alone just now after failures in a row. */
export interface OpenBreakers {
  /** Names of datasets, in the order in which they were given up. */
  of(connection: string): readonly string[];
}

/** Follows the bus. Breakers last for a run: the next one asks for everything again. */
export function createOpenBreakers(bus: Bus): OpenBreakers {
  const open = new Map<string, Set<string>>();
  bus.on('breaker:opened', ({ connection, dataset }) => {
    open.set(connection, (open.get(connection) ?? new Set()).add(dataset));
  });
  bus.on('breaker:closed', ({ connection, dataset }) => void open.get(connection)?.delete(dataset));
  bus.on('run:finished', ({ connection }) => void open.delete(connection));
  return { of: (connection) => [...(open.get(connection) ?? [])] };
}
