import type { WrittenRow } from '@on-the-way/sdk';
import type pg from 'pg';
import { exchange, pipeline, type Statement } from './exchange.ts';
import type { Dialect, Entry } from './stage.ts';
import { isBadValue } from './translate-error.ts';

// Between the keys that are asked for: no id has it, or none of the batch is asked for this way.
const between = '\u001F';

// All in one row: reading thousands of small ones costs more than their being found.
const question = `
SELECT string_agg(asked.place || ' ' || standing.raw_id || ' ' || (to_json(standing.ingested_at) #>> '{}'), ',')
FROM unnest(string_to_array($1, E'\\x1F'), string_to_array($2, E'\\x1F'), string_to_array($3, E'\\x1F'),
  string_to_array($4, E'\\x1F')) WITH ORDINALITY AS asked (source_id, external_id, occurred_at, hash, place)
CROSS JOIN LATERAL (
  SELECT e.raw_id, e.ingested_at, e.occurred_at, e.payload_hash FROM raw.raw_event AS e
  WHERE e.source_id = asked.source_id AND e.external_id = asked.external_id LIMIT 1
) AS standing
WHERE standing.payload_hash = asked.hash AND standing.occurred_at = asked.occurred_at::timestamptz`;

/** For this transaction alone. */
function settings({ timeZone }: Dialect): readonly Statement[] {
  const zone = timeZone === undefined ? [] : [{ text: `SET LOCAL timezone = '${timeZone}'` }];
  return [{ text: 'SET LOCAL jit = off' }, { text: 'SET LOCAL enable_seqscan = off' }, ...zone];
}

/** The one field of the answer; undefined for values that the database does not take. */
async function ask(
  client: pg.PoolClient,
  statements: readonly Statement[],
): Promise<string | null | undefined> {
  try {
    const { rows } = await pipeline(client, statements);
    return rows[0]?.[0] ?? null;
  } catch (error) {
    if (!(error instanceof Error) || !isBadValue(error)) throw error;
    await exchange(client, 'ROLLBACK');
    return undefined;
  }
}

/**
 * Which of the entries stand already, to the hash and the instant, by their keys alone: what is read again need not be
 * sent. What is not found here may be new, or in conflict, or the same by other rules. Undefined when the database does not
 * take one of them.
 */
export async function probe(
  client: pg.PoolClient,
  dialect: Dialect,
  entries: readonly Entry[],
): Promise<ReadonlyMap<Entry, WrittenRow> | undefined> {
  const standing = new Map<Entry, WrittenRow>();
  const columns = [
    entries.map(({ event }) => event.sourceId),
    entries.map(({ event }) => event.externalId),
    entries.map(({ event }) => event.occurredAt),
    entries.map(({ event }) => event.payloadHash),
  ].map((column) => column.join(between));
  // More between them than belongs there.
  if (columns.some((column) => column.split(between).length !== entries.length)) return standing;
  const found = await ask(client, [
    { text: 'BEGIN READ ONLY' },
    ...settings(dialect),
    { text: question, values: columns },
    { text: 'COMMIT' },
  ]);
  if (found === undefined) return undefined;
  if (found === null) return standing;
  for (const line of found.split(',')) {
    const [place, rawId = '', ingestedAt = ''] = line.split(' ');
    const entry = entries[Number(place) - 1];
    if (entry) standing.set(entry, { outcome: 'unchanged', rawId, ingestedAt });
  }
  return standing;
}
