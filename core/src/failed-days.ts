import type { LedgerEntry } from './ports.ts';

const minuteMs = 60_000;

/** When a day that failed is asked for again, and when no more. */
export const failedDays = {
  /** After so many attempts in vain, each run asks again. */
  eachRun: 3,
  /** The delay after the next one, milliseconds; it doubles with each one after. */
  firstDelayMs: 30 * minuteMs,
  /** The longest delay: a day, with slack so that a daily schedule does not miss it by minutes. */
  longestDelayMs: 20 * 60 * minuteMs,
  /** Another version of the plugin lets so long pass before it asks for a day that was set aside, milliseconds. */
  otherVersionMs: 60 * minuteMs,
  /** A day is set aside after so many runs in which its answer was bad; tries within a run are one. */
  setAsideAfter: 10,
} as const;

/** What of a plan decides whether a day that failed is asked for. */
interface Asking {
  /** Milliseconds since 1970. */
  readonly now: number;
  /** A person is waiting. */
  readonly rereadLive?: boolean;
  /** Version of the plugin. */
  readonly version?: string;
}

/** How long a day rests after so many attempts in vain, milliseconds. */
function restMs(attempts: number): number {
  const { eachRun, firstDelayMs, longestDelayMs } = failedDays;
  return attempts <= eachRun ? 0 : Math.min(longestDelayMs, firstDelayMs * 2 ** (attempts - eachRun - 1));
}

/**
 * Whether a day that failed is to be asked for again. A person who waits is never told to wait; a day that was set
 * aside is left out until a person asks for it or the plugin is another version. That version asks once an hour has passed
 * since anyone did, so that two versions side by side do not ask by turns in each run, and again like any other until it has
 * had an answer, good or bad: a network that is away is none.
 */
export function isDue(
  { now, rereadLive, version }: Asking,
  { attempts, lastAttemptAt, setAsideBy, askedBy }: LedgerEntry,
): boolean {
  if (setAsideBy !== undefined) {
    if (version === undefined || version === setAsideBy) return false;
    if (version !== askedBy && now - lastAttemptAt >= failedDays.otherVersionMs) return true;
  }
  return rereadLive === true || now - lastAttemptAt >= restMs(attempts);
}

// These say that this day cannot be read as things are; all others (no network, no session, no quota, a sink that is
// away, a process that another dataset took down) may be over by the next run.
export const badAnswerCodes: readonly string[] = [
  'bad_data',
  'source',
  'plugin_bug',
  'process_died',
  'memory_limit',
  'stalled',
];

/**
 * After how many runs a day that was asked for out of this reason, and failed so, is set aside; undefined where this one
 * does not count. Days of the trailing window never are: they are read each run as long as they are in it.
 */
export function setAsideAfterOf(reason: string, code: string): number | undefined {
  const isScheduled = reason !== 'live' && reason !== 'asked' && reason !== 'absent';
  return isScheduled && badAnswerCodes.includes(code) ? failedDays.setAsideAfter : undefined;
}
