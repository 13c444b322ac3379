import type { Knex } from 'knex';

/** What the HTTP API keeps: keys, what was set aside, notes on signals; and v0.1.0's reads as views. */
export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    create index if not exists request_audit_received_at_idx on app.request_audit (received_at);

    -- Keys are random, so their SHA-256 is enough; the text is shown once and kept nowhere.
    create table app.api_key (
      key_id uuid primary key default gen_random_uuid(),
      name text not null,
      -- The first characters, by which a key is found and told apart in lists.
      prefix text not null unique,
      hash bytea not null,
      scopes text[] not null check (scopes <@ array['ingest', 'read', 'admin'] and cardinality(scopes) > 0),
      created_at timestamptz not null default now(),
      expires_at timestamptz,
      revoked_at timestamptz,
      last_used_at timestamptz
    );

    create table app.dead_letter (
      dead_letter_id uuid primary key default gen_random_uuid(),
      connection text not null,
      dataset text,
      run_id uuid,
      plugin_version text,
      source_id text not null,
      external_id text not null,
      occurred_at text not null,
      -- The event's payload byte for byte: it may be what Postgres cannot hold as text.
      payload bytea not null,
      payload_hash text not null,
      error_code text not null,
      error_message text not null,
      attempts integer not null default 1,
      created_at timestamptz not null default now(),
      last_attempt_at timestamptz not null default now(),
      replayed_at timestamptz,
      unique (connection, source_id, external_id, payload_hash)
    );
    create index dead_letter_created_at_idx on app.dead_letter (created_at desc, dead_letter_id desc);

    alter table app.connection_state
      add column paused_at timestamptz,
      -- Whose data the connection read last; 12 hex digits, never the account itself.
      add column account_ref text;

    create table app.annotation (
      annotation_id uuid primary key default gen_random_uuid(),
      target_type text not null check (target_type = 'signal_event'),
      target_id uuid not null,
      label text not null,
      value text not null,
      created_at timestamptz not null default now()
    );
    create index annotation_target_id_idx on app.annotation (target_id);
  `);
}
