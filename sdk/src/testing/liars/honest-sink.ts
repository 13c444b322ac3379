import { DatabaseSync } from 'node:sqlite';
import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import { ConnectorError } from '../../errors.ts';
import { secret } from '../../secret.ts';
import { defineSink, type RawEvent, type Sink, type WriteResult, type WrittenRow } from '../../sink.ts';
import type { StoredEvent } from '../subject.ts';
import { instantOf } from '../target.ts';

const config = z.strictObject({ file: z.string(), password: secret().optional() });
type Config = z.output<typeof config>;

/** The functions the suite's own sink is made of; a liar puts another in the place of one. */
export interface SinkParts {
  readonly name: string;
  readonly config: z.ZodType;
  /** Said once, when the sink is opened. */
  greet(config: Config): void;
  /** Looks at the signal before a write begins. */
  begin(signal: AbortSignal): void;
  /** Lets go of what is held. */
  close(database: DatabaseSync): void;
  /** SQL that makes the table. */
  readonly table: string;
  /** Stores one event. */
  store(database: DatabaseSync, event: RawEvent): WrittenRow;
  /** Stores a batch, whole or not at all. */
  storeAll(
    database: DatabaseSync,
    batch: readonly RawEvent[],
    parts: WriteParts,
  ): Promise<WrittenRow[]> | WrittenRow[];
}

/** The same functions, and the signal of the write they are called for. */
interface WriteParts extends SinkParts {
  readonly signal: AbortSignal;
}

interface Row {
  readonly raw_id: string;
  readonly hash: string;
  readonly occurred_at: string;
  readonly ingested_at: string;
}

function found(row: Row, { payloadHash, occurredAt }: RawEvent): WrittenRow {
  const isSame = row.hash === payloadHash && instantOf(row.occurred_at) === instantOf(occurredAt);
  return { outcome: isSame ? 'unchanged' : 'conflict', rawId: row.raw_id, ingestedAt: row.ingested_at };
}

/** Puts an event in, whatever is there. */
export function insert(database: DatabaseSync, event: RawEvent, verb = 'insert'): WrittenRow {
  const { sourceId, externalId, occurredAt, payload, payloadHash } = event;
  const [rawId, ingestedAt] = [randomUUID(), new Date().toISOString()];
  database
    .prepare(`${verb} into event values (?, ?, ?, ?, ?, ?, ?)`)
    .run(rawId, sourceId, externalId, occurredAt, payload, payloadHash, ingestedAt);
  return { outcome: 'written', rawId, ingestedAt };
}

function store(database: DatabaseSync, event: RawEvent): WrittenRow {
  if (!event.payload.isWellFormed())
    throw new ConnectorError('bad_data', `Expected well-formed text in ${event.externalId}`);
  const row = database
    .prepare(
      'select raw_id, hash, occurred_at, ingested_at from event where source_id = ? and external_id = ?',
    )
    .get(event.sourceId, event.externalId) as Row | undefined;
  return row ? found(row, event) : insert(database, event);
}

function storeAll(database: DatabaseSync, batch: readonly RawEvent[], parts: SinkParts): WrittenRow[] {
  database.exec('begin immediate');
  try {
    const rows = batch.map((event) => parts.store(database, event));
    database.exec('commit');
    return rows;
  } catch (error) {
    database.exec('rollback');
    throw error;
  }
}

/** The functions of a sink that keeps every promise. */
export const honestSinkParts: SinkParts = {
  name: 'honest',
  config,
  greet: () => undefined,
  begin: (signal) => signal.throwIfAborted(),
  close: (database) => database.close(),
  table:
    'create table if not exists event (raw_id, source_id, external_id, occurred_at, payload, hash, ingested_at, unique (source_id, external_id))',
  store,
  storeAll,
};

function resultOf(batch: readonly RawEvent[], rows: readonly WrittenRow[]): WriteResult {
  const count = (outcome: WrittenRow['outcome']): number =>
    rows.filter((row) => row.outcome === outcome).length;
  const conflicts = batch.filter((_, index) => rows[index]?.outcome === 'conflict');
  return { written: count('written'), unchanged: count('unchanged'), conflicts, rows };
}

/** Opens the file; several processes may. */
function open(file: string): DatabaseSync {
  const database = new DatabaseSync(file);
  database.exec('pragma busy_timeout = 10000; pragma journal_mode = wal; pragma synchronous = full');
  return database;
}

/** Makes a sink of its functions: one file of SQLite. */
export function sinkOf(parts: SinkParts): Sink {
  return defineSink({
    name: parts.name,
    version: '1.0.0',
    description: 'A sink of the conformance suite.',
    config: parts.config,
    async open({ config: given }) {
      parts.greet(given as Config);
      const database = open((given as Config).file);
      database.exec(parts.table);
      return {
        async write(batch, { signal }) {
          parts.begin(signal);
          return resultOf(batch, await parts.storeAll(database, batch, { ...parts, signal }));
        },
        close: async () => parts.close(database),
      };
    },
  });
}

/** Everything in the file. */
export function storedIn(file: string): StoredEvent[] {
  const database = open(file);
  database.exec(honestSinkParts.table);
  const rows = database.prepare('select source_id, external_id, occurred_at, payload from event').all();
  database.close();
  return rows.map((row) => {
    const text = (name: string): string => row[name] as string;
    return {
      sourceId: text('source_id'),
      externalId: text('external_id'),
      occurredAt: text('occurred_at'),
      payload: text('payload'),
    };
  });
}
