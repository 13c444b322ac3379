import type { RawEvent } from '@on-the-way/sdk';
import type pg from 'pg';

/** An event and its place in the batch. */
export interface Entry {
  readonly event: RawEvent;
  readonly index: number;
}

// Given as text and cast in the database: what jsonb gets is what was sent, digit for digit.
const insertion = `
  INSERT INTO raw.raw_event (source_id, external_id, occurred_at, payload_json, payload_hash, request_id)
  SELECT source_id, external_id, occurred_at::timestamptz, payload::jsonb, payload_hash, request_id::uuid
  FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[])
    AS event (source_id, external_id, occurred_at, payload, payload_hash, request_id)
  ON CONFLICT (source_id, external_id) DO NOTHING
  RETURNING source_id AS "sourceId", external_id AS "externalId", raw_id AS "rawId",
    to_json(ingested_at) #>> '{}' AS "ingestedAt"`;

const comparison = `
  SELECT event.position::int - 1 AS position, standing.raw_id AS "rawId",
    to_json(standing.ingested_at) #>> '{}' AS "ingestedAt",
    standing.payload_hash = event.payload_hash
      AND standing.occurred_at = event.occurred_at::timestamptz AS same,
    standing.occurred_at = event.occurred_at::timestamptz AS "sameInstant"
  FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]) WITH ORDINALITY
    AS event (source_id, external_id, occurred_at, payload_hash, position)
  JOIN raw.raw_event AS standing USING (source_id, external_id)`;

// jsonb compares what is said: 1.0 is 1, in any order. Only objects have members to leave out.
const contents = `
  SELECT event.position::int - 1 AS position
  FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]) WITH ORDINALITY
    AS event (source_id, external_id, payload, not_compared, position)
  JOIN raw.raw_event AS standing USING (source_id, external_id)
  CROSS JOIN LATERAL (SELECT event.payload::jsonb AS sent,
    ARRAY(SELECT jsonb_array_elements_text(event.not_compared::jsonb)) AS names) AS read
  WHERE CASE WHEN jsonb_typeof(sent) = 'object' AND jsonb_typeof(standing.payload_json) = 'object'
    THEN sent - names = standing.payload_json - names
    ELSE sent = standing.payload_json END`;

/** A row that was stored by {@link insertNew}. */
export interface InsertedRow {
  readonly sourceId: string;
  readonly externalId: string;
  readonly rawId: string;
  readonly ingestedAt: string;
}

/** The row that stands under the key of the entry at `position`, and whether it says the same by its hash. */
export interface StandingRow {
  readonly position: number;
  readonly rawId: string;
  readonly ingestedAt: string;
  readonly same: boolean;
  /** Whether it is of the same point in time. */
  readonly sameInstant: boolean;
}

/** Stores the events whose keys are free, and answers with those. */
export async function insertNew(client: pg.PoolClient, entries: readonly Entry[]): Promise<InsertedRow[]> {
  const events = entries.map((entry) => entry.event);
  const { rows } = await client.query<InsertedRow>(insertion, [
    events.map((event) => event.sourceId),
    events.map((event) => event.externalId),
    events.map((event) => event.occurredAt),
    events.map((event) => event.payload),
    events.map((event) => event.payloadHash),
    events.map((event) => event.requestId),
  ]);
  return rows;
}

/** Compares the events with the rows that have their keys; instants are compared, not their spelling. */
export async function compare(client: pg.PoolClient, entries: readonly Entry[]): Promise<StandingRow[]> {
  const events = entries.map((entry) => entry.event);
  const { rows } = await client.query<StandingRow>(comparison, [
    events.map((event) => event.sourceId),
    events.map((event) => event.externalId),
    events.map((event) => event.occurredAt),
    events.map((event) => event.payloadHash),
  ]);
  return rows;
}

/** The positions of the entries whose payloads say what stands under their keys, whatever the hashes are. */
export async function compareContents(client: pg.PoolClient, entries: readonly Entry[]): Promise<number[]> {
  const events = entries.map((entry) => entry.event);
  const { rows } = await client.query<{ position: number }>(contents, [
    events.map((event) => event.sourceId),
    events.map((event) => event.externalId),
    events.map((event) => event.payload),
    events.map((event) => JSON.stringify(event.notCompared ?? [])),
  ]);
  return rows.map(({ position }) => position);
}
