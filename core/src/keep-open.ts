import type { OpenConnector } from './ports.ts';

/** A connector that is opened again when its process has died. */
export interface KeptOpen {
  /** The connector as it stands now; opens another when the last one is dead. Rejects as opening does. */
  get(): Promise<OpenConnector>;
  close(): Promise<void>;
}

/**
 * Keeps a connector usable for the length of a run: a plugin that takes its process down at one dataset
 * must not take the other datasets with it.
 */
export function keepOpen(first: OpenConnector, open: () => Promise<OpenConnector>): KeptOpen {
  let current = first;
  let reopening: Promise<OpenConnector> | undefined;
  const reopen = async (): Promise<OpenConnector> => {
    try {
      await current.close();
      current = await open();
      return current;
    } finally {
      reopening = undefined;
    }
  };
  return {
    async get() {
      await current.settled();
      if (reopening === undefined && current.isAlive()) return current;
      reopening ??= reopen();
      return reopening;
    },
    async close() {
      // One that is just being opened must not be left behind.
      await reopening?.catch(() => undefined);
      await current.close();
    },
  };
}
