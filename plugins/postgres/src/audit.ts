import type { RequestAudit } from '@on-the-way/sdk';
import type { Step } from './transaction.ts';

// Refused requests may say anything; what was accepted is shorter.
const longestText = 512;

/** Text as Postgres can hold it: a request is refused for such things, and that must not refuse its audit. */
function storable(text: string | null): string | null {
  return text === null ? null : text.slice(0, longestText).toWellFormed().replaceAll('\0', '\ufffd');
}

/**
 * Adds the lines to app.request_audit, all in one statement. A request's id names one request: when its line is there,
 * it came from an attempt whose answer was lost.
 */
export function auditStep(lines: readonly RequestAudit[]): Step {
  if (lines.length === 0) return { sql: 'SELECT', data: [] };
  const rows = lines.map(({ requestId, sourceId, externalId, receivedAt, status, errorCode, message }) => [
    requestId,
    storable(sourceId),
    storable(externalId),
    receivedAt,
    status,
    errorCode,
    storable(message),
  ]);
  const text = `
INSERT INTO app.request_audit
  (request_id, source_id, external_id, received_at, status, error_code, message)
SELECT (line ->> 0)::uuid, line ->> 1, line ->> 2, to_timestamp((line ->> 3)::float8 / 1000), line ->> 4, line ->> 5,
  line ->> 6
FROM json_array_elements($1::json) AS line
ON CONFLICT (request_id) DO NOTHING`;
  return { text, values: [JSON.stringify(rows)] };
}
