import type { Knex } from 'knex';

/**
 * v0.1.0's reads of signals, posted and read. The partial indexes hold signals alone: they cost other rows nothing,
 * give the newest signals without a sort, and a day's signals without the others.
 */
const signalViews = `
  create index raw_event_signal_idx on raw.raw_event (occurred_at, raw_id)
    where source_id in ('ios_manual', 'signal_random_connector');
  create index raw_event_signal_date_idx on raw.raw_event (((occurred_at at time zone 'UTC')::date))
    where source_id in ('ios_manual', 'signal_random_connector');

  create view app.signal_event as
    select
      e.raw_id as signal_event_id,
      e.external_id as event_id,
      case e.source_id when 'ios_manual' then 'manual' else 'connector' end as source_type,
      v.value_num,
      e.occurred_at,
      coalesce(v.value_num between 0 and 100, false) and not exists (
        select from app.annotation a
        where a.target_id = e.raw_id and a.label = 'quality_tag' and a.value = 'suspect_outlier'
      ) as is_valid,
      coalesce((
        select jsonb_agg(jsonb_build_object('label', a.label, 'value', a.value) order by a.created_at, a.annotation_id)
        from app.annotation a where a.target_id = e.raw_id
      ), '[]') as tags_json
    from raw.raw_event e
    -- A posted signal has its value in the payload, one that was read has it in the envelope's data.
    cross join lateral (select coalesce(e.payload_json->'value', e.payload_json->'data'->'value') as json) found
    -- case alone keeps a value that is no number from the cast.
    cross join lateral (
      select case when jsonb_typeof(found.json) = 'number' then found.json::numeric end as value_num
    ) v
    where e.source_id in ('ios_manual', 'signal_random_connector');

  create view app.signal_daily_summary as
    select
      (occurred_at at time zone 'UTC')::date as stat_date,
      count(*) as event_count,
      count(*) filter (where source_type = 'manual') as manual_count,
      count(*) filter (where source_type = 'connector') as connector_count,
      avg(value_num) as avg_value,
      min(value_num) as min_value,
      max(value_num) as max_value
    from app.signal_event
    where is_valid
    group by 1;
`;

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
  await knex.raw(signalViews);
}
