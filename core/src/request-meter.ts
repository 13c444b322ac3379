/** The run has made as many requests as it may; what is left is for the next one. */
export class BudgetSpent extends Error {
  override readonly name = 'BudgetSpent';
  readonly code = 'budget_spent';
}

/** Also where it came out of a child, as an error with its code. */
export function isBudgetSpent(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'budget_spent';
}

/** Counts a connector's requests to its source. */
export interface RequestMeter {
  /** Called before a request; throws BudgetSpent instead of letting it out. */
  count(): void;
  /** Requests that were let out. */
  readonly made: number;
}

/** A meter that lets `budget` requests out; `onCount` is told how many so far. */
export function createRequestMeter(
  budget = Number.POSITIVE_INFINITY,
  onCount?: (made: number) => void,
): RequestMeter {
  let made = 0;
  return {
    count() {
      if (made >= budget) {
        throw new BudgetSpent(
          `The budget of requests is spent after ${made}: the next run goes on from here`,
        );
      }
      made += 1;
      onCount?.(made);
    },
    get made() {
      return made;
    },
  };
}
