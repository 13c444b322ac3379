import { randomUUID } from 'node:crypto';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { ConnectorError, defineSink, parseInstant, type RawEvent, type WrittenRow } from '@on-the-way/sdk';
import { z } from 'zod';

// Extra: a batch that was acknowledged is there after the machine has lost its power.
const table = `pragma synchronous = extra;
  create table if not exists event (source_id text, external_id text, occurred_at text, payload text,
    payload_hash text, request_id text, raw_id text, ingested_at text, primary key (source_id, external_id)) strict`;
// Gives the row that stands under the key, the new one or the one before.
const insert = `insert into event values (?, ?, ?, ?, ?, ?, ?, ?)
  on conflict (source_id, external_id) do update set raw_id = raw_id returning raw_id, payload_hash, occurred_at, ingested_at`;

/** The same for two ways to write one instant, to the microsecond. */
function instantOf(text: unknown): string {
  const instant = parseInstant(text);
  return instant ? `${instant.ms} ${instant.text.slice(19, -6)}` : String(text);
}

/** Stores an event unless its key is taken, and says what stands under the key now. */
function store(inserting: StatementSync, event: RawEvent): WrittenRow {
  const { sourceId, externalId, occurredAt, payload, payloadHash, requestId } = event;
  // SQLite would alter it: half of a surrogate pair cannot be written as UTF-8.
  if (!`${sourceId} ${externalId} ${payload}`.isWellFormed()) {
    const message = `Expected text without lone surrogates, found one in ${externalId.toWellFormed()}`;
    throw new ConnectorError('bad_data', message);
  }
  const [rawId, now] = [randomUUID(), new Date().toISOString()];
  const values = [sourceId, externalId, occurredAt, payload, payloadHash, requestId, rawId, now];
  const row = inserting.get(...values) ?? {};
  const isSame =
    row['payload_hash'] === payloadHash && instantOf(row['occurred_at']) === instantOf(occurredAt);
  const outcome = row['raw_id'] === rawId ? 'written' : isSame ? 'unchanged' : 'conflict';
  return { outcome, rawId: String(row['raw_id']), ingestedAt: String(row['ingested_at']) };
}

/** Does the work in one transaction: all or nothing. No `await` in it: other writes of this writer would share its end. */
function inTransaction<Result>(database: DatabaseSync, work: () => Result): Result {
  try {
    database.exec('begin immediate');
    const result = work();
    database.exec('commit');
    return result;
  } catch (cause) {
    if (database.isTransaction) database.exec('rollback');
    // An error of SQLite: the file is locked, the disk is full.
    if (!(cause instanceof Error && 'errcode' in cause)) throw cause;
    throw new ConnectorError('transient', `Expected SQLite to take a batch: ${cause.message}`, { cause });
  }
}

export default defineSink({
  name: '__NAME__',
  version: '0.1.0',
  description: '__DESCRIPTION__',
  config: z.strictObject({ path: z.string().min(1) }),
  async open({ config: { path } }) {
    // Another process that writes is waited for so long; the host does nothing else meanwhile.
    const database = new DatabaseSync(path, { timeout: 2_000, open: false });
    try {
      database.open();
      database.exec(table);
    } catch (cause) {
      throw new ConnectorError('config', `Expected ${path} to be a SQLite file to write to`, { cause });
    }
    const inserting = database.prepare(insert);
    return {
      async write(batch, { signal }) {
        signal.throwIfAborted();
        const rows = inTransaction(database, () => batch.map((event) => store(inserting, event)));
        const count = (outcome: WrittenRow['outcome']) =>
          rows.filter((row) => row.outcome === outcome).length;
        const conflicts = batch.filter((_, at) => rows[at]?.outcome === 'conflict');
        return { written: count('written'), unchanged: count('unchanged'), conflicts, rows };
      },
      close: async () => database.close(),
    };
  },
});
