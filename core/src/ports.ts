import type { DatasetInfo, Day, RawEvent, Window } from '@on-the-way/sdk';

/** The clock everything is measured by; tests bring their own. */
export interface Clock {
  /** Milliseconds since 1970. */
  now(): number;
}

/** What became of a (dataset, day). */
export type Outcome = 'ok' | 'no_data' | 'not_supported' | 'failed';

/** An event with the day it is accounted to. */
export interface DatedEvent {
  readonly day: Day;
  readonly event: RawEvent;
  /** What the source left out of it. */
  readonly note?: string;
}

/** What one `fetch` is about. */
export interface SliceRequest {
  readonly dataset: string;
  readonly window: Window;
  /** UUID written to every row of the slice. */
  readonly requestId: string;
}

/**
 * A connector that has logged in, for one run. The host runs it in a child process; `openConnector`
 * of this package is the same within the process.
 */
export interface OpenConnector {
  /** 12 hex digits; see accountRefOf. */
  readonly accountRef: string;
  readonly datasets: readonly DatasetInfo[];
  /** Version of the plugin, for the ledger. */
  readonly version: string;
  /** Batches of events, made only as fast as they are taken. */
  fetch(slice: SliceRequest, signal: AbortSignal): AsyncIterable<readonly DatedEvent[]>;
  /** One cheap read that proves the session is good; resolves at once for connectors without one. */
  check(signal: AbortSignal): Promise<void>;
  /** What the connector's `lastChange` says; undefined for connectors without one. */
  lastChange(signal: AbortSignal): Promise<string | undefined>;
  /** What the connector's `dayMarks` says; empty for connectors without one. */
  dayMarks(window: Window, signal: AbortSignal): Promise<Readonly<Record<Day, string>>>;
  /** False once its process has died; nothing can be asked of it then. */
  isAlive(): boolean;
  /** Resolves when isAlive can be believed: at once, or shortly after a fetch that was given up. */
  settled(): Promise<void>;
  /** Called once. Never rejects. */
  close(): Promise<void>;
}

/** What the planner needs to know of a slice that was asked for before. */
export interface LedgerEntry {
  readonly dataset: string;
  readonly day: Day;
  readonly outcome: Outcome;
  /** How often it was asked for since it last ended well. */
  readonly attempts: number;
  /** Milliseconds since 1970. */
  readonly lastAttemptAt: number;
  /** The day's mark when it was last asked for and answered. */
  readonly mark?: string;
  /** Of a day that was not supported: the words it was refused with. */
  readonly reason?: string;
}

/** What a run learned about a (dataset, day). */
export interface SliceOutcome {
  readonly dataset: string;
  readonly day: Day;
  readonly outcome: Outcome;
  /** Tries this run made, retries included; 0 when it was not asked for. */
  readonly attempts: number;
  /** The day's mark when it was asked for. */
  readonly mark?: string;
  /** What the source left out, e.g. `offloaded`. */
  readonly note?: string;
  readonly errorCode?: string;
  readonly errorMessage?: string;
  /** Says what the day holds; unequal digests of two runs mean the source changed its answer. */
  readonly digest?: string;
  readonly rowsWritten: number;
  readonly rowsUnchanged: number;
  readonly conflicts: number;
}

/** Where outcomes are remembered. The host fills it in with a table. */
export interface Ledger {
  /** Entries of days from `from` on, and older ones that failed. */
  read(connection: string, from: Day): Promise<readonly LedgerEntry[]>;
  /** Resolves when durable. Called only after the rows of these slices are. */
  record(
    run: {
      readonly connection: string;
      readonly runId: string;
      readonly version: string;
      readonly at: number;
    },
    outcomes: readonly SliceOutcome[],
  ): Promise<void>;
}
