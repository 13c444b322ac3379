import pg from 'pg';

/** Makes the tables the sink writes to, as the host's migrations do. For tests. */
export async function createRawEventTable(url: string): Promise<void> {
  const client = new pg.Client(url);
  await client.connect();
  try {
    await client.query(`
      CREATE SCHEMA raw;
      CREATE TABLE raw.raw_event (
        raw_id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
        source_id text NOT NULL,
        external_id text NOT NULL,
        occurred_at timestamptz NOT NULL,
        payload_json jsonb NOT NULL,
        payload_hash text NOT NULL,
        request_id uuid NOT NULL,
        ingested_at timestamptz NOT NULL DEFAULT now(),
        UNIQUE (source_id, external_id)
      );
      CREATE INDEX ON raw.raw_event (occurred_at);
      CREATE SCHEMA app;
      CREATE TABLE app.request_audit (
        request_id uuid PRIMARY KEY,
        source_id text,
        external_id text,
        received_at timestamptz NOT NULL,
        status text NOT NULL CHECK (status IN ('ok', 'error')),
        error_code text,
        message text,
        created_at timestamptz NOT NULL DEFAULT now()
      )`);
  } finally {
    await client.end();
  }
}
