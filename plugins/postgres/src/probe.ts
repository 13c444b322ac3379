import type { WrittenRow } from '@on-the-way/sdk';
import type pg from 'pg';
import { exchange } from './exchange.ts';
import { quoted, type Dialect, type Entry } from './stage.ts';

// Between the keys that are asked for: no id has it, or none of the batch is asked for this way.
const between = '\u001F';

// All in one row: reading thousands of small ones costs more than their being found.
function question({ timeZone }: Dialect, columns: readonly string[]): string {
  const zone = timeZone === undefined ? '' : `SET LOCAL timezone = '${timeZone}';`;
  return `BEGIN READ ONLY; SET LOCAL jit = off; SET LOCAL enable_seqscan = off; ${zone}
SELECT string_agg(asked.place || ' ' || standing.raw_id || ' ' || (to_json(standing.ingested_at) #>> '{}'), ',')
FROM unnest(${columns.map((column) => `string_to_array(${quoted(column)}, E'\\x1F')`).join()}) WITH ORDINALITY
  AS asked (source_id, external_id, occurred_at, hash, place)
CROSS JOIN LATERAL (
  SELECT e.raw_id, e.ingested_at, e.occurred_at, e.payload_hash FROM raw.raw_event AS e
  WHERE e.source_id = asked.source_id AND e.external_id = asked.external_id LIMIT 1
) AS standing
WHERE standing.payload_hash = asked.hash AND standing.occurred_at = asked.occurred_at::timestamptz;
COMMIT;`;
}

/**
 * Which of the entries stand already, to the hash and the instant, by their keys alone: what is read again need not be
 * sent. What is not found here may be new, or in conflict, or the same by other rules.
 */
export async function probe(
  client: pg.PoolClient,
  dialect: Dialect,
  entries: readonly Entry[],
): Promise<ReadonlyMap<Entry, WrittenRow>> {
  const standing = new Map<Entry, WrittenRow>();
  const columns = [
    entries.map(({ event }) => event.sourceId),
    entries.map(({ event }) => event.externalId),
    entries.map(({ event }) => event.occurredAt),
    entries.map(({ event }) => event.payloadHash),
  ].map((column) => column.join(between));
  // More between them than belongs there.
  if (columns.some((column) => column.split(between).length !== entries.length)) return standing;
  const { rows } = await exchange(client, question(dialect, columns));
  const found = rows[0]?.[0];
  if (found === null || found === undefined) return standing;
  for (const line of found.split(',')) {
    const [place, rawId = '', ingestedAt = ''] = line.split(' ');
    const entry = entries[Number(place) - 1];
    if (entry) standing.set(entry, { outcome: 'unchanged', rawId, ingestedAt });
  }
  return standing;
}
