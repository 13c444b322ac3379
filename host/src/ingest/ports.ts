import type { IngestContract, RawEvent, RequestAudit, WrittenRow } from '@on-the-way/sdk';

/** A contract as it is served. */
export interface ServedContract extends Omit<IngestContract, 'source'> {
  /** The name in the path. */
  readonly name: string;
  /** The only `source_id` that is taken; undefined: any one. */
  readonly source: string | undefined;
  /** The contracts of a source, of which one must take an event of it, whatever this one says. */
  contractsOf?(source: string): readonly ServedContract[];
  /** Whether a thing may be dated ahead of now. */
  readonly mayBeAhead?: boolean;
}

/** The contracts that are served, in the order of the configuration. */
export interface ContractSet {
  /** Loads the plugins when first called. */
  all(): Promise<readonly ServedContract[]>;
  /** Undefined for a name that is not served. */
  get(name: string): Promise<ServedContract | undefined>;
}

/** What became of one of many events: its row, or why it has none. */
export type Written = WrittenRow | { readonly error: unknown };

/** Stores what is posted, together with what else arrives at the same moment. */
export interface IngestWriter {
  /**
   * Resolves when the event and its line in the audit are durable. A key that is taken by something else resolves
   * with `conflict`, and is audited as refused.
   *
   * @throws ConnectorError `transient` when the database is away (nothing is known to be stored), `bad_data` when
   *   Postgres cannot hold the event, others as the sink throws them; ApiError 503 when too much is waiting, or
   *   the disk is nearly full.
   */
  write(event: RawEvent, receivedAt: number): Promise<WrittenRow>;
  /**
   * The same for many: resolves when each is stored, or could not be, in their order. Room for all of them is taken
   * before the first is handed over.
   *
   * @throws ApiError 503 when there is none, or the disk is nearly full: nothing of them is stored.
   */
  writeAll(events: readonly RawEvent[], receivedAt: number): Promise<readonly Written[]>;
  /**
   * For whoever takes in more than one event: undefined while there is room for more, else a promise that resolves when
   * there is.
   */
  room(): Promise<void> | undefined;
  /**
   * Adds a refused request to the audit. Never rejects, and resolves after 2 s at most: a refusal stands, audited or not.
   * What could not be audited is logged.
   */
  refuse(audit: RequestAudit): Promise<void>;
  /** Resolves when all that was handed over is settled; what has not been after 2 s is given up. */
  close(): Promise<void>;
}
