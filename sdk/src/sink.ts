import type { z } from 'zod';
import type { Log } from './log.ts';

/** What is stored: one thing a source said, with the key that makes storing it twice harmless. */
export interface RawEvent {
  /** Whose data it is by origin: the connector's `source`. */
  readonly sourceId: string;
  /** Unique within `sourceId`; deterministic, so that the same thing read twice has the same one. */
  readonly externalId: string;
  /** When it happened, RFC 3339 with offset. */
  readonly occurredAt: string;
  /** The whole envelope as JSON text. */
  readonly payload: string;
  /** SHA-256 (hex) of the canonical payload; two events with equal hashes say the same. */
  readonly payloadHash: string;
  /**
   * Members of the payload that say how the event was got, not what it is, and are no part of `payloadHash`. Where
   * hashes differ, as those of rows that another program stored, a sink compares the payloads without these members.
   * Default: all members count.
   */
  readonly notCompared?: readonly string[];
  /** UUID of the request or slice that brought it. */
  readonly requestId: string;
}

/** What became of one event of a batch. */
export interface WrittenRow {
  /**
   * `written`: it was new. `unchanged`: the same event was there. `conflict`: the key was there with
   * another payload or another occurredAt; nothing was overwritten.
   */
  readonly outcome: 'written' | 'unchanged' | 'conflict';
  /** The row that stands under this key now. */
  readonly rawId: string;
  /** When that row was stored, RFC 3339. */
  readonly ingestedAt: string;
}

/** What a sink answers to a batch; the counts add up to the batch's length. */
export interface WriteResult {
  /** How many events were new. */
  readonly written: number;
  /** How many were there already, equal. */
  readonly unchanged: number;
  /** The events refused because their key was taken by something else. */
  readonly conflicts: readonly RawEvent[];
  /** One entry an event, in the order of the batch. */
  readonly rows: readonly WrittenRow[];
}

/** One line of the audit: a request to store an event, taken or refused. */
export interface RequestAudit {
  /** UUID of the request. */
  readonly requestId: string;
  /** As it was sent; null where the request did not get so far. */
  readonly sourceId: string | null;
  /** As it was sent; null where the request did not get so far. */
  readonly externalId: string | null;
  /** Milliseconds since 1970. */
  readonly receivedAt: number;
  /** Whether the event is stored now. */
  readonly status: 'ok' | 'error';
  /** Code of the refusal. */
  readonly errorCode: string | null;
  /** Message of the refusal. */
  readonly message: string | null;
}

/** An open sink. */
export interface SinkWriter {
  /**
   * Stores a batch, all of it or nothing. Resolves only when it is durable. May be called by several
   * callers at once. Aborting before the commit leaves nothing; after it, the batch stands, and the answer is waited for
   * a few seconds more: when it does not come, the signal's reason is thrown and the next write of the batch tells.
   * Throws ConnectorError `transient` when trying again may help.
   */
  write(
    batch: readonly RawEvent[],
    options: {
      /** Aborted when the batch need not be stored any more. */
      readonly signal: AbortSignal;
    },
  ): Promise<WriteResult>;
  /**
   * The same for sinks that keep the audit beside the events: `audit` is called with what became of each event
   * and gives the lines that are stored in the same transaction. The batch may be empty.
   */
  writeAudited?(
    batch: readonly RawEvent[],
    options: {
      /** Aborted when the batch need not be stored any more. */
      readonly signal: AbortSignal;
      /** Called with what became of each event; gives the lines to store. */
      readonly audit: (rows: readonly WrittenRow[]) => readonly RequestAudit[];
    },
  ): Promise<WriteResult>;
  /** Called once, after the last write has settled. */
  close(): Promise<void>;
}

/** What `open` of a sink is given. */
export interface SinkOpenContext<Config> {
  /** The sink's configuration, parsed by its schema. */
  readonly config: Config;
  /** Where to tell what happens. */
  readonly log: Log;
}

/** What an author writes; see {@link defineSink}. */
export interface SinkDefinition<Schema extends z.ZodType> {
  /** Short name, lower case. */
  readonly name: string;
  /** Semantic version of the plugin. */
  readonly version: string;
  /** One sentence for `otw plugin list`. */
  readonly description: string;
  /** The configuration's schema. */
  readonly config: Schema;
  /** Called once before the first write. Throw ConnectorError `config` when the target is not usable. */
  open(context: SinkOpenContext<z.output<Schema>>): Promise<SinkWriter>;
}

/** A sink as the host sees it: no type parameters. */
export interface Sink {
  /** Tells a sink from a connector at run time. */
  readonly kind: 'sink';
  /** Short name, lower case. */
  readonly name: string;
  /** Semantic version of the plugin. */
  readonly version: string;
  /** One sentence for `otw plugin list`. */
  readonly description: string;
  /** The configuration's schema. */
  readonly config: z.ZodType;
  /** Opens the sink; `config` must have been parsed by the schema. */
  open(context: SinkOpenContext<unknown>): Promise<SinkWriter>;
}

/** Makes a sink plugin. Export the result as the module's default. */
export function defineSink<Schema extends z.ZodType>(definition: SinkDefinition<Schema>): Sink {
  const { name, version, description, config } = definition;
  return Object.freeze({
    kind: 'sink',
    name,
    version,
    description,
    config,
    open: (context: SinkOpenContext<unknown>) =>
      definition.open(context as SinkOpenContext<z.output<Schema>>),
  });
}
