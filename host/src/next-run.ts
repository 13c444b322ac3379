import type { RunSummary } from '@on-the-way/core';

/** When the next run is due, by the database's clock. */
export interface NextRun {
  /** From now on. */
  readonly afterMs: number;
  /** `retry`: the run ended before it could ask, so that the next one is sooner than usual, and behind the others. */
  readonly reason: 'live' | 'retry';
}

/** What is known of the run that has just ended. */
export interface EndedRun {
  readonly summary: RunSummary;
  /** Seconds from one run's begin to the next one's. */
  readonly intervalSeconds: number;
  /** How long it took, by a clock that nobody sets. */
  readonly elapsedMs: number;
  /** How long the source wants to be left alone, where it does. */
  readonly pauseMs?: number | undefined;
  /** Runs in a row, this one among them, in which the plugin itself broke; at most 7. */
  readonly brokenRuns: number;
  /** 0 up to, not including, 1. */
  readonly random: () => number;
}

/** Ends of a run that say that the plugin is broken: trying again soon brings the same, and costs a process each time. */
export const brokenCodes: readonly string[] = [
  'process_died',
  'plugin_bug',
  'bug',
  'memory_limit',
  'stalled',
];

const longestJitterMs = 60_000;
const afterTransientMs = 300_000;
const shortestAfterRefusalMs = 3_600_000;
const firstAfterBrokenMs = 60_000;
const longestAfterBrokenMs = 3_600_000;

/** The interval and up to 2 % more, so that connections that began together do not stay in step. */
function intervalMs({ intervalSeconds, random }: EndedRun): number {
  const interval = intervalSeconds * 1000;
  return interval + Math.floor(random() * Math.min(interval * 0.02, longestJitterMs));
}

/** When to run again after a run of everything that ended so. */
export function nextRunAfter(ended: EndedRun): NextRun {
  const { summary, elapsedMs, pauseMs = 0, brokenRuns } = ended;
  const { status, error } = summary;
  // Whatever was not asked for is due, on whichever host has room.
  if (status === 'interrupted') return { afterMs: 0, reason: 'live' };
  const usual = Math.max(0, intervalMs(ended) - elapsedMs);
  const code = error?.code ?? '';
  // The source may be asked where only a sign-in was refused: a saved session may be there by then.
  if (code === 'rate_limited' && error?.refusedSignIn !== true)
    return { afterMs: Math.max(usual, pauseMs), reason: 'live' };
  // A person who signs in brings the run forward; until then each try may be one more sign-in that is refused.
  if (code === 'auth' || code === 'needs_user')
    return { afterMs: Math.max(usual, shortestAfterRefusalMs), reason: 'live' };
  // The network was away before the run could log in: do not wait out a long interval for that.
  if (code === 'transient') return { afterMs: Math.min(afterTransientMs, usual), reason: 'retry' };
  if (brokenRuns > 0 && brokenCodes.includes(code)) {
    const wait = Math.min(longestAfterBrokenMs, firstAfterBrokenMs * 2 ** (brokenRuns - 1));
    return { afterMs: Math.max(usual, wait), reason: 'retry' };
  }
  return { afterMs: usual, reason: 'live' };
}
