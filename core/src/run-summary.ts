import type { Failure } from './failure.ts';
import type { Outcome } from './ports.ts';

/** What became of events, counted over all tries of a run: `read` is always the sum of the others. */
export interface EventCounts {
  /** Events that the connector handed over. */
  readonly read: number;
  /** Those that were new, and are stored. */
  readonly written: number;
  /** Those that were there already, equal. */
  readonly unchanged: number;
  /** Those refused since their key holds something else; dead letters have them. */
  readonly conflicts: number;
  /** Those that could not be stored; dead letters have them. */
  readonly setAside: number;
  /** Those whose write failed or never began, since their slice was given up: they are read again. */
  readonly givenUp: number;
}

/**
 * How many days of a dataset ended how, and what became of its events. `notAsked` are days that were planned and not
 * asked for, since others of the dataset had failed: what was known of them stands.
 */
export type DatasetCounts = { -readonly [Key in Outcome | 'notAsked' | keyof EventCounts]: number };

/**
 * How a run ended. `succeeded`: every slice has an answer. `partial`: it went through, but slices failed, were not asked for,
 * or events were conflicts or set aside, or it has spent its budget of requests. `failed`: it ended early by an error.
 * `interrupted`: it was told to stop.
 */
export type RunStatus = 'succeeded' | 'partial' | 'failed' | 'interrupted';

/** A finished run. */
export interface RunSummary {
  readonly runId: string;
  readonly connection: string;
  readonly status: RunStatus;
  /** Milliseconds since 1970. */
  readonly startedAt: number;
  readonly finishedAt: number;
  readonly slicesPlanned: number;
  readonly datasets: Readonly<Record<string, DatasetCounts>>;
  /** Requests made to the source, as far as the connector counts them. */
  readonly requests: number;
  /**
   * There are days that were not asked for since others of their dataset had failed, or that failed for the network:
   * to ask on at once would be in vain.
   */
  readonly heldUp?: true;
  /** Why nothing was asked for: there can be nothing new. */
  readonly skipped?: string;
  /** What the connector's `lastChange` said before the plan, where it was asked and known. */
  readonly lastChange?: string;
  /** Why it ended early. */
  readonly error?: Failure;
}

/** Nothing counted yet. */
export function emptyCounts(): DatasetCounts {
  return {
    ok: 0,
    no_data: 0,
    not_supported: 0,
    failed: 0,
    notAsked: 0,
    read: 0,
    written: 0,
    unchanged: 0,
    conflicts: 0,
    setAside: 0,
    givenUp: 0,
  };
}
