import type { Knex } from 'knex';

/** Sessions, encrypted; and what is remembered so that the source is asked for less. */
export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    -- Which key the sessions are encrypted with; never the key.
    create table app.session_key (
      only_row boolean primary key default true check (only_row),
      key_id text not null,
      created_at timestamptz not null default now()
    );

    create table app.connector_session (
      connection text not null,
      field text not null,
      key_id text not null,
      nonce bytea not null,
      ciphertext bytea not null,
      updated_at timestamptz not null default now(),
      primary key (connection, field)
    );

    alter table app.connection_state
      -- How long the last pause was, so that the next one without a stated time is longer.
      add column pause_ms bigint,
      -- A person is not let sign in before this, and how long that pause was.
      add column login_not_before timestamptz,
      add column login_pause_ms bigint,
      -- When a person last signed in: what could not be read before may be readable now.
      add column signed_in_at timestamptz,
      -- What the connector's lastChange said before the last run that went through, and when that began.
      add column last_change text,
      add column last_pass_at timestamptz,
      -- Requests made outside of runs, and on which day: they count into the day's budget.
      add column other_requests integer not null default 0,
      add column other_requests_on date;

    alter table app.run
      add column requests integer not null default 0,
      add column skipped text;

    alter table app.slice_ledger
      add column mark text,
      add column note text;
  `);
}
