/** Requests in 15 minutes, and in a day. */
export type Limit = readonly [quarter: number, day: number];

/** Strava's limits of an application, counted as it documents them. */
export interface Limits {
  /** Counts a request; true when it is over a limit. */
  take(): boolean;
  headers(): Record<string, string>;
  /** Makes it look as if so many requests had been made in this quarter and this day. */
  use(used: Limit): void;
}

/** Windows end at the quarters of the hour and at midnight, both in UTC. A refused request counts too. */
export function createLimits(limit: Limit, readLimit: Limit, now: () => number): Limits {
  const lengths = [15 * 60_000, 24 * 60 * 60_000] as const;
  const used = [0, 0];
  const windows = [-1, -1];
  const turn = (): void => {
    for (const [index, length] of lengths.entries()) {
      const window = Math.floor(now() / length);
      if (window !== windows[index]) used[index] = 0;
      windows[index] = window;
    }
  };
  return {
    take() {
      turn();
      for (const index of used.keys()) used[index] = (used[index] ?? 0) + 1;
      return used.some((count, index) => count > Math.min(limit[index] ?? 0, readLimit[index] ?? 0));
    },
    headers: () => ({
      'x-ratelimit-limit': limit.join(),
      'x-ratelimit-usage': used.join(),
      'x-readratelimit-limit': readLimit.join(),
      'x-readratelimit-usage': used.join(),
    }),
    use(count) {
      turn();
      for (const index of used.keys()) used[index] = count[index] ?? 0;
    },
  };
}
