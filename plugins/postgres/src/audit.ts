import type { RequestAudit } from '@on-the-way/sdk';
import type pg from 'pg';

// A request's id names one request: when its line is there, it came from an attempt whose answer was lost.
const insertion = `
  INSERT INTO app.request_audit
    (request_id, source_id, external_id, received_at, status, error_code, message)
  SELECT request_id, source_id, external_id, to_timestamp(received_at / 1000), status, error_code, message
  FROM unnest($1::uuid[], $2::text[], $3::text[], $4::float8[], $5::text[], $6::text[], $7::text[])
    AS line (request_id, source_id, external_id, received_at, status, error_code, message)
  ON CONFLICT (request_id) DO NOTHING`;

// Refused requests may say anything; what was accepted is shorter.
const longestText = 512;

/** Text as Postgres can hold it: a request is refused for such things, and that must not refuse its audit. */
function storable(text: string | null): string | null {
  return text === null ? null : text.slice(0, longestText).toWellFormed().replaceAll('\0', '\ufffd');
}

/** Adds the lines to app.request_audit, all in one statement. */
export async function insertAudit(client: pg.PoolClient, lines: readonly RequestAudit[]): Promise<void> {
  if (lines.length === 0) return;
  await client.query(insertion, [
    lines.map((line) => line.requestId),
    lines.map((line) => storable(line.sourceId)),
    lines.map((line) => storable(line.externalId)),
    lines.map((line) => line.receivedAt),
    lines.map((line) => line.status),
    lines.map((line) => line.errorCode),
    lines.map((line) => storable(line.message)),
  ]);
}
