import { envelopeNotCompared } from '@on-the-way/core';
import { z } from 'zod';
import type { ServedContract } from './ports.ts';

/** Its name in the path; no plugin may declare one that is called so. */
export const eventsName = 'events';

// A key of so many characters fits into the index when its bytes do, which every contract looks at.
const longestId = 512;

/**
 * The host's own contract: what a connector of another host read, from any source, in the envelope that hosts write. What
 * that host would have compared is compared. A source that has contracts is left to them.
 */
export function eventsContract(contracts: readonly ServedContract[]): ServedContract {
  const bySource = Map.groupBy(contracts, ({ source }) => source);
  return {
    name: eventsName,
    description: 'What a connector of another host read, in the envelope that hosts write.',
    source: undefined,
    externalIdLength: longestId,
    payload: z.looseObject({}),
    notCompared: envelopeNotCompared,
    contractsOf: (source) => bySource.get(source) ?? [],
    // A source may say what is to come; a host that writes to its own database stores that as well.
    mayBeAhead: true,
  };
}
