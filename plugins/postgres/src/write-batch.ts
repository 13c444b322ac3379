import { ConnectorError } from '@on-the-way/sdk';
import type { RawEvent, RequestAudit, WriteResult, WrittenRow } from '@on-the-way/sdk';
import { auditStep } from './audit.ts';
import { checkEvent, refuseBadValue } from './bad-value.ts';
import { probe } from './probe.ts';
import { clearSql, notStored, rowsOf, stage, type Entry } from './stage.ts';
import { inTransaction, type Transaction, type TransactionOptions } from './transaction.ts';
import { isBadValue, isSerialisation, sqlStateOf, translateError } from './translate-error.ts';

// More at once makes no row cheaper, and takes more memory on both sides.
const maxChunkRows = 5_000;
const maxChunkCharacters = 4 * 1024 * 1024;
// Of fewer one cannot say that they are read again.
const fewest = 50;

function* chunksOf(entries: readonly Entry[]): Generator<readonly Entry[]> {
  let from = 0;
  let characters = 0;
  for (const [at, { event }] of entries.entries()) {
    const { length } = event.payload;
    if (at > from && (at - from === maxChunkRows || characters + length > maxChunkCharacters)) {
      yield entries.slice(from, at);
      from = at;
      characters = 0;
    }
    characters += length;
  }
  if (from < entries.length) yield from === 0 ? entries : entries.slice(from);
}

function compareKeys({ event: a }: Entry, { event: b }: Entry): number {
  if (a.sourceId !== b.sourceId) return a.sourceId < b.sourceId ? -1 : 1;
  if (a.externalId === b.externalId) return 0;
  return a.externalId < b.externalId ? -1 : 1;
}

/**
 * The events in the order of their keys, those with one key in that of the batch. One order for all writers: two with
 * the same keys wait for each other instead of deadlocking.
 */
function ordered(batch: readonly RawEvent[]): readonly Entry[] {
  const entries = batch.map((event, index) => ({ event, index }));
  const isOrdered = entries.every((entry, at) => at === 0 || compareKeys(entries[at - 1]!, entry) <= 0);
  return isOrdered ? entries : entries.toSorted(compareKeys);
}

/** Whether what comes seems to be stored already; then it is asked for by its keys before it is sent. */
export interface ReplayMode {
  isOn: boolean;
}

/** What became of each event, at its place in the batch. */
type Rows = (WrittenRow | undefined)[];

/** Those that are not found by their keys; what is found is told in `rows`. */
async function notStanding(
  { client, dialect }: Transaction,
  entries: readonly Entry[],
  rows: Rows,
): Promise<readonly Entry[]> {
  const standing = await probe(client, dialect, entries);
  // It has something that the database does not take; which, is found when it is sent.
  if (!standing) return entries;
  for (const [{ index }, row] of standing) rows[index] = row;
  return entries.filter((entry) => !standing.has(entry));
}

/** Stages and merges a chunk, and names the event of it that the database refuses. */
async function storeChunk(
  transaction: Transaction,
  chunk: readonly Entry[],
  rows: Rows,
  place: { readonly isFirst: boolean; readonly isLast: boolean },
): Promise<void> {
  const { dialect } = transaction;
  const staged = await stage(chunk, dialect);
  try {
    if (!place.isFirst) await transaction.run({ sql: clearSql(dialect), data: [] });
    const found = rowsOf(staged, await transaction.run(staged.step, { isLast: place.isLast }));
    for (const [at, { index }] of chunk.entries()) rows[index] = found[at];
  } catch (error) {
    if (!(error instanceof Error) || !isBadValue(error)) throw error;
    return refuseBadValue(transaction, chunk, error);
  }
}

function resultOf(batch: readonly RawEvent[], found: Rows): WriteResult {
  const rows = found.filter((row) => row !== undefined);
  let written = 0;
  let unchanged = 0;
  for (const { outcome } of rows) {
    if (outcome === 'written') written += 1;
    else if (outcome === 'unchanged') unchanged += 1;
  }
  const conflicts =
    written + unchanged === batch.length
      ? []
      : batch.filter((_, index) => rows[index]?.outcome === 'conflict');
  return { written, unchanged, conflicts, rows };
}

/** Gives the lines of the audit, once it is known what became of each event. */
export type Audit = (rows: readonly WrittenRow[]) => readonly RequestAudit[];

/** One attempt, all of it or nothing. */
function attempt(
  options: TransactionOptions,
  batch: readonly RawEvent[],
  { audit, replay }: { readonly audit: Audit | undefined; readonly replay: ReplayMode },
): Promise<WriteResult> {
  const entries = ordered(batch);
  return inTransaction(options, async (transaction) => {
    const rows = Array.from<WrittenRow | undefined>({ length: batch.length });
    const unknown =
      replay.isOn && entries.length >= fewest ? await notStanding(transaction, entries, rows) : entries;
    const chunks = [...chunksOf(unknown)];
    for (const [at, chunk] of chunks.entries()) {
      const isLast = at === chunks.length - 1 && !audit;
      await storeChunk(transaction, chunk, rows, { isFirst: at === 0, isLast });
    }
    const result = resultOf(batch, rows);
    if (audit) await transaction.run(auditStep(audit(result.rows)), { isLast: true });
    if (entries.length >= fewest) replay.isOn = result.unchanged * 2 > entries.length;
    return result;
  });
}

/** A trigger, a rule or row security has kept the database from storing what it said it did. */
function swallowed(error: Error): ConnectorError {
  return new ConnectorError(
    'source',
    `${error.message}: nothing was stored; look for triggers, rules or row security on the table`,
  );
}

/**
 * Stores a batch, and its audit where there is one, in one transaction; a second time where that lost against
 * another transaction.
 */
export async function writeBatch(
  options: TransactionOptions,
  batch: readonly RawEvent[],
  how: { readonly replay: ReplayMode; readonly audit?: Audit },
): Promise<WriteResult> {
  const { signal } = options;
  signal.throwIfAborted();
  batch.forEach(checkEvent);
  const { audit, replay } = how;
  if (batch.length === 0 && !audit) return { written: 0, unchanged: 0, conflicts: [], rows: [] };
  try {
    return await attempt(options, batch, { audit, replay }).catch((error: unknown) => {
      if (!isSerialisation(error)) throw error;
      return attempt(options, batch, { audit, replay });
    });
  } catch (error) {
    if (signal.aborted && error === signal.reason) throw error;
    throw error instanceof Error && sqlStateOf(error) === notStored
      ? swallowed(error)
      : translateError(error);
  }
}
