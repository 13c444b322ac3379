import type { DatasetInfo, Day, JsonValue, RawEvent, Window } from '@on-the-way/sdk';

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

/** Events that a connector handed over together. */
export interface FetchedBatch {
  readonly events: readonly DatedEvent[];
  /** Of a cursor dataset: where reading can go on once these events, and all before them, are durable. */
  readonly checkpoint?: JsonValue;
}

/** What one `fetch` is about. */
export interface SliceRequest {
  readonly dataset: string;
  readonly window: Window;
  /** UUID written to every row of the slice. */
  readonly requestId: string;
  /** Of a cursor dataset: where to go on; missing at the very first fetch. */
  readonly cursor?: JsonValue;
}

/** Where the cursors of a run's connection are remembered. The host fills it in with a table. */
export interface Cursors {
  /** The last checkpoint of the dataset; undefined when there was none. */
  load(dataset: string): Promise<JsonValue | undefined>;
  /**
   * Resolves when durable. Called only after every event before the checkpoint is; `events` counts those since the one
   * before. Rejects when the run no longer has the connection.
   */
  save(dataset: string, checkpoint: { readonly cursor: JsonValue; readonly events: number }): Promise<void>;
}

/** What became of an event that a run handed to its sink. `given_up`: nothing is stored of it, it is read again. */
export type EventOutcome = 'written' | 'unchanged' | 'conflict' | 'set_aside' | 'given_up';

/** Where a run's events go: a sink, and what keeps the events that it refuses. */
export interface RunSink {
  /**
   * Stores a batch; resolves when it is durable with one entry an event, in order. `failure` is there when events were
   * set aside or given up, and says why. Rejects when nothing of the batch is stored.
   */
  write(
    batch: readonly RawEvent[],
    options: { readonly signal: AbortSignal },
  ): Promise<{ readonly rows: readonly { readonly outcome: EventOutcome }[]; readonly failure?: unknown }>;
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
  fetch(slice: SliceRequest, signal: AbortSignal): AsyncIterable<FetchedBatch>;
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
  /** Of a day that failed: why, the last time. */
  readonly errorCode?: string;
  /** Of a day that was set aside: the version of the plugin that got a bad answer last. */
  readonly setAsideBy?: string;
  /** Of a day that was set aside: the version of the plugin that asked for it last, whatever it met. */
  readonly askedBy?: string;
}

/** What a run learned about a (dataset, day). */
export interface SliceOutcome {
  readonly dataset: string;
  readonly day: Day;
  readonly outcome: Outcome;
  /**
   * Tries this run made, retries included; 0 when it was not asked for. A failure of 0 tries is told of and counted as not
   * asked for, but says nothing of the day: the ledger is not told of it.
   */
  readonly attempts: number;
  /** The day's mark when it was asked for. */
  readonly mark?: string;
  /** What the source left out, e.g. `offloaded`. */
  readonly note?: string;
  readonly errorCode?: string;
  readonly errorMessage?: string;
  /** Of an answer that asking again does not mend: after so many runs with such an answer the day is set aside. */
  readonly setAsideAfter?: number;
  /** Of a snapshot, or a cursor dataset that was read to its end: earlier days that failed are answered with it. */
  readonly coversEarlier?: true;
  /** Says what the day holds; unequal digests of two runs mean the source changed its answer. */
  readonly digest?: string;
  readonly rowsWritten: number;
  readonly rowsUnchanged: number;
  readonly conflicts: number;
}

/** Days of a dataset, in a row of those asked for, that ended alike. */
export interface QuietRun {
  /** `refused` as not supported, `silent` without data or refused, `end` with data or a failure. */
  readonly kind: 'refused' | 'silent' | 'end';
  /** How many days. */
  readonly count: number;
  /** The newest of them. */
  readonly newest: Day;
  /** The oldest of them. */
  readonly since: Day;
  /** When one of them was last asked for, milliseconds since 1970. */
  readonly lastAskedAt: number;
  /** The newest words of a refusal. */
  readonly reason?: string;
}

/**
 * Days of a dataset that need not be read to plan a run: each has a final answer, or failed (failures are read
 * whatever their day). A cache of the ledger: it may be forgotten at any time.
 */
export interface Frontier {
  readonly dataset: string;
  readonly from: Day;
  /** The first day after it. */
  readonly to: Day;
  /** What the finality of its days was judged by; of no use once that has changed. */
  readonly basis: string;
  /** The oldest of its days that is answered only while the dataset is absent. */
  readonly absentFrom?: Day;
  /** Its newest days that were asked for, down to the first one with data or a failure. */
  readonly row: readonly QuietRun[];
}

/** Which entries a plan is made from. */
export interface LedgerQuestion {
  /** First day; failures are read whatever their day. */
  readonly from: Day;
  readonly datasets: readonly string[];
  /** Days that are left out, unless they failed. */
  readonly frontiers?: readonly Frontier[];
  /** Version of the plugin: days within `frontiers` that it has set aside itself are left out too. */
  readonly version?: string;
}

/** Where frontiers are remembered. */
export interface Frontiers {
  load(connection: string): Promise<readonly Frontier[]>;
  /** Replaces those of the same datasets. Rejects when the run no longer has the connection. */
  save(frontiers: readonly Frontier[]): Promise<void>;
}

/** Where outcomes are remembered. The host fills it in with a table. */
export interface Ledger {
  read(connection: string, question: LedgerQuestion): Promise<readonly LedgerEntry[]>;
  /** Missing: plans read everything. */
  readonly frontiers?: Frontiers;
  /**
   * Resolves when durable. Called only after the rows of these slices are. Forgets frontiers that are no longer
   * true, sets aside what has had too many bad answers, and takes failed days for answered that a cursor dataset covers.
   */
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
