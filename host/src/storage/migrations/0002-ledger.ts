import type { Knex } from 'knex';

/** What the host remembers of its own work. */
export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    create table app.run (
      run_id uuid primary key,
      connection text not null,
      trigger text not null check (trigger in ('schedule', 'person')),
      status text not null check (status in ('running', 'succeeded', 'partial', 'failed', 'interrupted')),
      started_at timestamptz not null,
      finished_at timestamptz,
      slices_planned integer not null default 0,
      datasets json not null default '{}',
      error_code text,
      error_message text
    );
    create index run_connection_started_at_idx on app.run (connection, started_at desc);

    create table app.slice_ledger (
      connection text not null,
      dataset text not null,
      day date not null,
      outcome text not null check (outcome in ('ok', 'no_data', 'not_supported', 'failed')),
      attempts integer not null default 0,
      error_code text,
      error_message text,
      digest text,
      revisions integer not null default 0,
      rows_written bigint not null default 0,
      rows_unchanged bigint not null default 0,
      conflicts bigint not null default 0,
      run_id uuid not null,
      plugin_version text not null,
      first_attempt_at timestamptz not null,
      last_attempt_at timestamptz not null,
      changed_at timestamptz,
      primary key (connection, day, dataset)
    );
    create index slice_ledger_failed_idx on app.slice_ledger (connection) where outcome = 'failed';

    create table app.connection_state (
      connection text primary key,
      backfill_from date,
      not_before timestamptz,
      datasets jsonb,
      updated_at timestamptz not null default now()
    );
  `);
}
