import { ConnectorError } from '@on-the-way/sdk';
import type { RawEvent } from '@on-the-way/sdk';
import type pg from 'pg';
import { insertNew } from './statements.ts';
import type { Entry } from './statements.ts';
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

/**
 * Refuses what the driver or the database would accept and change: a lone surrogate becomes U+FFFD on
 * the wire, so that two different ids would be one.
 */
export function checkEvent(event: RawEvent): void {
  const { sourceId, externalId, occurredAt, payload } = event;
  for (const [name, text] of Object.entries({ sourceId, externalId, payload })) {
    if (!text.isWellFormed()) throw badValue(event, `has a lone surrogate in its ${name}`);
    if (text.includes('\0')) throw badValue(event, `has a NUL character in its ${name}`);
  }
  if (!timestamp.test(occurredAt))
    throw badValue(event, 'has an occurredAt that is not RFC 3339 with offset');
}

/** Tries ever smaller parts within savepoints until the event is found that the database refuses. */
async function findOffender(
  client: pg.PoolClient,
  entries: readonly Entry[],
): Promise<{ event: RawEvent; error: Error } | undefined> {
  await client.query('SAVEPOINT part');
  try {
    await insertNew(client, entries);
    await client.query('RELEASE SAVEPOINT part');
    return undefined;
  } catch (error) {
    if (!(error instanceof Error) || !isBadValue(error)) throw error;
    await client.query('ROLLBACK TO SAVEPOINT part');
    const [first] = entries;
    if (first && entries.length === 1) return { event: first.event, error };
  }
  const middle = Math.ceil(entries.length / 2);
  return (
    (await findOffender(client, entries.slice(0, middle))) ??
    (await findOffender(client, entries.slice(middle)))
  );
}

/**
 * Throws ConnectorError `bad_data` naming the event of the chunk that made `error`. The transaction it
 * runs in must be rolled back by the caller; what the chunk did in it must have been undone, unless it is a chunk of one.
 */
export async function refuseBadValue(
  client: pg.PoolClient,
  entries: readonly Entry[],
  error: Error,
): Promise<never> {
  const [first] = entries;
  const offender =
    first && entries.length === 1 ? { event: first.event, error } : await findOffender(client, entries);
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
