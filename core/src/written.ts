import type { Day } from '@on-the-way/sdk';
import type { EventOutcome } from './ports.ts';

/** One try of a slice, in which what the source says is read from the start. */
interface Try {
  /**
   * Whether an event counts as written in this try: it is new now, or an earlier try stored it and it is read again for
   * the first time. Writes may end in any order, so that one event yielded twice may be unchanged first and written then.
   */
  counts(event: { readonly day: Day; readonly externalId: string }, outcome: EventOutcome): boolean;
}

/** What the tries of a slice have stored, so that each row is counted once, and as written, by the try that succeeds. */
export interface Written {
  /** A try begins. A write that an earlier one left behind still counts for that one. */
  beginTry(): Try;
  /** How many events of the day were stored, over all tries. */
  on(day: Day): number;
}

/** Nothing stored yet. */
export function createWritten(): Written {
  /** The last try that each of them counted in. */
  const countedIn = new Map<string, number>();
  const days = new Map<Day, number>();
  let tries = 0;
  return {
    beginTry() {
      tries += 1;
      const current = tries;
      return {
        counts({ day, externalId }, outcome) {
          if (outcome === 'written') {
            countedIn.set(externalId, current);
            days.set(day, (days.get(day) ?? 0) + 1);
            return true;
          }
          const last = countedIn.get(externalId);
          if (last === undefined || last >= current) return false;
          countedIn.set(externalId, current);
          return true;
        },
      };
    },
    on: (day) => days.get(day) ?? 0,
  };
}
