import { ConnectorError } from '@on-the-way/sdk';
import type { RawEvent } from '@on-the-way/sdk';
import { stage, type Entry } from './stage.ts';
import type { Transaction } from './transaction.ts';
import { isBadValue, sqlStateOf, withoutDetails } from './translate-error.ts';

function badValue(event: RawEvent, problem: string, cause?: Error): ConnectorError {
  const id = JSON.stringify(event.externalId.slice(0, 128));
  return new ConnectorError(
    'bad_data',
    `Expected an event that Postgres can hold, but the one with external_id ${id} ${problem}: ` +
      'nothing of its batch was stored; leave it out or correct it',
    cause && { cause: withoutDetails(cause) },
  );
}

// Postgres would read `now` or `infinity`, and times without an offset as of its own zone.
const timestamp = /^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(?:\.\d+)?(?:[Zz]|[+-]\d\d:\d\d)$/;

function checkText(event: RawEvent, name: string, text: string): void {
  if (!text.isWellFormed()) throw badValue(event, `has a lone surrogate in its ${name}`);
  if (text.includes('\0')) throw badValue(event, `has a NUL character in its ${name}`);
}

/**
 * Refuses what the driver or the database would accept and change: a lone surrogate becomes U+FFFD on
 * the wire, so that two different ids would be one.
 */
export function checkEvent(event: RawEvent): void {
  const { sourceId, externalId, occurredAt, payload, payloadHash, requestId } = event;
  checkText(event, 'payloadHash', payloadHash);
  checkText(event, 'requestId', requestId);
  checkText(event, 'sourceId', sourceId);
  checkText(event, 'externalId', externalId);
  checkText(event, 'payload', payload);
  if (!timestamp.test(occurredAt))
    throw badValue(event, 'has an occurredAt that is not RFC 3339 with offset');
}

// Postgres says in its own language where it was: `COPY otw_stage_…, line 3, column payload: "…"`. What is before that line
// may be of the payload.
const copiedLine = /^[^"]*otw_stage_[0-9a-f]{12}\D+(\d+)/;

/** The entry that COPY could not read; undefined for what went wrong later. */
function copiedEntry(entries: readonly Entry[], error: Error): Entry | undefined {
  // What goes wrong in the merge has a line of the merge.
  if (!('where' in error) || typeof error.where !== 'string' || error.where.includes('otw_merge'))
    return undefined;
  const [, line] = copiedLine.exec(error.where.split('\n').at(-1) ?? '') ?? [];
  return line === undefined ? undefined : entries[Number(line) - 1];
}

/** Tries ever smaller parts, and undoes each, until the event is found that the database refuses. */
async function findOffender(
  transaction: Transaction,
  entries: readonly Entry[],
): Promise<{ readonly event: RawEvent; readonly error: Error } | undefined> {
  const refusal = await transaction.attempt((await stage(entries, transaction.dialect)).step);
  if (!refusal) return undefined;
  if (!isBadValue(refusal)) throw refusal;
  const [first] = entries;
  if (first && entries.length === 1) return { event: first.event, error: refusal };
  const middle = Math.ceil(entries.length / 2);
  return (
    (await findOffender(transaction, entries.slice(0, middle))) ??
    (await findOffender(transaction, entries.slice(middle)))
  );
}

/** Throws ConnectorError `bad_data` naming the event of the chunk that made `error`. Undoes the transaction. */
export async function refuseBadValue(
  transaction: Transaction,
  entries: readonly Entry[],
  error: Error,
): Promise<never> {
  const known = entries.length === 1 ? entries[0] : copiedEntry(entries, error);
  const offender = known ? { event: known.event, error } : await findOffender(transaction, entries);
  if (offender) {
    throw badValue(offender.event, `was refused with SQLSTATE ${sqlStateOf(offender.error)}`, offender.error);
  }
  throw new ConnectorError(
    'bad_data',
    `Expected events that Postgres can hold, got SQLSTATE ${sqlStateOf(error)} for a batch whose events it ` +
      'accepts one by one: write smaller batches',
    { cause: withoutDetails(error) },
  );
}
