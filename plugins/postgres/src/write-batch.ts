import { ConnectorError } from '@on-the-way/sdk';
import type { RawEvent, RequestAudit, WriteResult, WrittenRow } from '@on-the-way/sdk';
import type pg from 'pg';
import { insertAudit } from './audit.ts';
import { checkEvent, refuseBadValue } from './bad-value.ts';
import { compare, compareContents, insertNew } from './statements.ts';
import type { Entry } from './statements.ts';
import { inTransaction, together } from './transaction.ts';
import type { TransactionOptions } from './transaction.ts';
import { isBadValue, isSerialisation, translateError } from './translate-error.ts';

// A statement of this size takes the server well under a second and a few times its size in memory.
const maxChunkRows = 5_000;
const maxChunkBytes = 8 * 1024 * 1024;

function keyOf({ sourceId, externalId }: { readonly sourceId: string; readonly externalId: string }): string {
  // Events with a NUL have been refused before, so no two keys read the same.
  return `${sourceId}\0${externalId}`;
}

function* chunksOf(entries: readonly Entry[]): Generator<Entry[]> {
  let chunk: Entry[] = [];
  let bytes = 0;
  for (const entry of entries) {
    const size = Buffer.byteLength(entry.event.payload);
    if (chunk.length > 0 && (chunk.length === maxChunkRows || bytes + size > maxChunkBytes)) {
      yield chunk;
      chunk = [];
      bytes = 0;
    }
    chunk.push(entry);
    bytes += size;
  }
  if (chunk.length > 0) yield chunk;
}

/** The first event of each key in the order of keys, and all later ones. */
function separate(batch: readonly RawEvent[]): { firsts: Entry[]; repeats: Entry[] } {
  const byKey = new Map<string, Entry>();
  const repeats: Entry[] = [];
  for (const [index, event] of batch.entries()) {
    const key = keyOf(event);
    if (byKey.has(key)) repeats.push({ event, index });
    else byKey.set(key, { event, index });
  }
  // One order for all writers: two with the same keys wait for each other instead of deadlocking.
  const sorted = [...byKey].toSorted(([a], [b]) => (a < b ? -1 : 1));
  return { firsts: sorted.map(([, entry]) => entry), repeats };
}

type Statement<Row> = (client: pg.PoolClient, chunk: readonly Entry[]) => Promise<Row[]>;

/** Runs a statement that casts payloads, and names the event of the chunk that it fails for. */
async function castingChunk<Row>(client: pg.PoolClient, chunk: readonly Entry[], statement: Statement<Row>) {
  // In a chunk of one there is nothing to look for.
  const isAlone = chunk.length === 1;
  try {
    const [, rows] = await together(client, () => [
      isAlone ? undefined : client.query('SAVEPOINT chunk'),
      statement(client, chunk),
    ]);
    return rows;
  } catch (error) {
    if (!(error instanceof Error) || !isBadValue(error)) throw error;
    if (!isAlone) await client.query('ROLLBACK TO SAVEPOINT chunk');
    return refuseBadValue(client, chunk, error);
  }
}

/** Compares the chunk with what stands; `rows` is told. */
async function compareChunk(
  client: pg.PoolClient,
  chunk: readonly Entry[],
  rows: (WrittenRow | undefined)[],
): Promise<void> {
  const otherHash: Entry[] = [];
  for (const { position, same, sameInstant, rawId, ingestedAt } of await compare(client, chunk)) {
    const entry = chunk[position];
    if (!entry) continue;
    rows[entry.index] = { outcome: same ? 'unchanged' : 'conflict', rawId, ingestedAt };
    if (!same && sameInstant) otherHash.push(entry);
  }
  if (otherHash.length === 0) return;
  // Another program may have hashed the same thing by other rules.
  for (const position of await castingChunk(client, otherHash, compareContents)) {
    const { index } = otherHash[position] ?? {};
    const row = index === undefined ? undefined : rows[index];
    if (row && index !== undefined) rows[index] = { ...row, outcome: 'unchanged' };
  }
}

/** What became of each event, at its place in the batch. */
async function store(client: pg.PoolClient, batch: readonly RawEvent[]): Promise<(WrittenRow | undefined)[]> {
  const rows = Array.from<WrittenRow | undefined>({ length: batch.length });
  const { firsts, repeats: standing } = separate(batch);
  for (const chunk of chunksOf(firsts)) {
    const inserted = new Map((await castingChunk(client, chunk, insertNew)).map((row) => [keyOf(row), row]));
    for (const entry of chunk) {
      const row = inserted.get(keyOf(entry.event));
      if (row) rows[entry.index] = { outcome: 'written', rawId: row.rawId, ingestedAt: row.ingestedAt };
      else standing.push(entry);
    }
  }
  for (const chunk of chunksOf(standing)) await compareChunk(client, chunk, rows);
  return rows;
}

/** Refuses to commit what is not known to be stored: a trigger or rule may have swallowed a row. */
function account(batch: readonly RawEvent[], rows: readonly (WrittenRow | undefined)[]): WriteResult {
  const known = rows.filter((row) => row !== undefined);
  if (known.length !== batch.length) {
    throw new ConnectorError(
      'source',
      `Expected ${batch.length} events to stand in raw.raw_event, found ${known.length}: nothing was ` +
        'stored; look for triggers, rules or row security on the table',
    );
  }
  return {
    written: known.filter((row) => row.outcome === 'written').length,
    unchanged: known.filter((row) => row.outcome === 'unchanged').length,
    conflicts: batch.filter((_, index) => known[index]?.outcome === 'conflict'),
    rows: known,
  };
}

/** Gives the lines of the audit, once it is known what became of each event. */
export type Audit = (rows: readonly WrittenRow[]) => readonly RequestAudit[];

/** One attempt, all of it or nothing. */
function attempt(
  options: TransactionOptions,
  batch: readonly RawEvent[],
  audit: Audit | undefined,
): Promise<WriteResult> {
  return inTransaction(options, {
    body: async (client) => account(batch, await store(client, batch)),
    ...(audit && { last: (client, { rows }) => insertAudit(client, audit(rows)) }),
  });
}

/**
 * Stores a batch, and its audit where there is one, in one transaction; a second time where that lost against
 * another transaction.
 */
export async function writeBatch(
  options: TransactionOptions,
  batch: readonly RawEvent[],
  audit?: Audit,
): Promise<WriteResult> {
  options.signal.throwIfAborted();
  batch.forEach(checkEvent);
  if (batch.length === 0 && !audit) return { written: 0, unchanged: 0, conflicts: [], rows: [] };
  try {
    return await attempt(options, batch, audit).catch((error: unknown) => {
      if (!isSerialisation(error)) throw error;
      return attempt(options, batch, audit);
    });
  } catch (error) {
    if (options.signal.aborted && error === options.signal.reason) throw error;
    throw translateError(error);
  }
}
