import { ApiError } from './api-error.ts';

/** How much of one kind of work there may be. */
interface FewOptions {
  readonly atOnce: number;
  /** That wait for their turn; more are refused. */
  readonly waiting: number;
}

/** Calls `work` when its turn has come; in the order of the calls. @throws ApiError 503 when too many wait. */
type Few = <T>(work: () => Promise<T>) => Promise<T>;

/** For what takes much memory or time of the database: little of it at once is done as soon, and leaves room. */
export function fewAtOnce({ atOnce, waiting: most }: FewOptions): Few {
  const waiting: (() => void)[] = [];
  let free = atOnce;

  async function begin(): Promise<void> {
    if (free > 0) {
      free -= 1;
      return;
    }
    if (waiting.length >= most)
      throw new ApiError(503, 'OVERLOADED', 'Too much is asked of this host at once; try again shortly', 1);
    await new Promise<void>((resolve) => waiting.push(resolve));
  }

  function end(): void {
    const next = waiting.shift();
    // Whoever comes next has the place that is left.
    if (next) next();
    else free += 1;
  }

  return async (work) => {
    await begin();
    try {
      return await work();
    } finally {
      end();
    }
  };
}
