import type { Knex } from 'knex';

/** Hosts, what they hold, and when connections are due. */
const hosts = `
  -- A process that may hold connections: a daemon, or a command while it works.
  create table app.host (
    host_id uuid primary key,
    name text not null,
    pid integer not null,
    role text not null,
    version text not null,
    started_at timestamptz not null default now(),
    seen_at timestamptz not null default now()
  );

  -- Who has a connection. The epoch goes up each time it changes hands, and whoever has an older one can no longer write.
  create table app.connection_claim (
    connection text primary key,
    epoch bigint not null,
    -- Null: nobody.
    host_id uuid,
    run_id uuid,
    job_id uuid,
    claimed_at timestamptz not null default now()
  );
  create index connection_claim_host_id_idx on app.connection_claim (host_id) where host_id is not null;

  alter table app.connection_state
    -- When the next run is due, for whichever host; null while nothing is planned.
    add column next_run_at timestamptz,
    -- live: its interval has passed. retry: the last run ended before it could ask.
    add column due_reason text not null default 'live' check (due_reason in ('live', 'retry')),
    -- Of the last run that was refused, or wanted a person: a digest of what it signed in with.
    add column refused_basis text,
    -- What was last told to whoever is notified, and since when it is so.
    add column notified_state text not null default 'unknown',
    add column notified_at timestamptz;
  create index connection_state_next_run_at_idx on app.connection_state (next_run_at, connection)
    where next_run_at is not null and paused_at is null;

  alter table app.run drop constraint run_trigger_check, drop constraint run_status_check;
  alter table app.run
    -- queued: a person asked for it, and no host has begun it yet.
    add constraint run_status_check
      check (status in ('queued', 'running', 'succeeded', 'partial', 'failed', 'interrupted')),
    add constraint run_trigger_check check (trigger in ('schedule', 'person', 'backfill')),
    add column host_id uuid,
    add column epoch bigint,
    -- Of its requests, those made on days before the one on which it last began: one that was broken off goes on.
    add column requests_before integer not null default 0;
  create index run_open_idx on app.run (connection) where status in ('queued', 'running');
`;

/** What plans are made from, and what need not be read for them. */
const plans = `
  -- A person's wish for days of the past; what is left of it is told from the ledger.
  create table app.backfill (
    backfill_id uuid primary key default gen_random_uuid(),
    connection text not null,
    from_day date not null,
    -- The first day after it.
    to_day date not null,
    -- Null: all.
    datasets text[],
    -- Days that have an answer are asked for again as well.
    refresh boolean not null default false,
    -- Requests it may make over all of its runs, where a person set a limit; and those it made.
    request_budget integer,
    requests_made integer not null default 0,
    -- Its last run brought no day: no host goes on with it before this.
    next_run_at timestamptz,
    -- Runs in a row that brought none.
    stalled integer not null default 0,
    created_at timestamptz not null default now(),
    finished_at timestamptz,
    cancelled_at timestamptz
  );
  create index backfill_open_idx on app.backfill (connection) where finished_at is null and cancelled_at is null;

  -- Days of a dataset that need not be read to plan a run: from from_day up to, not including, to_day each has a final
  -- answer, or a failure. A cache of the ledger: rows may be deleted at any time.
  create table app.dataset_frontier (
    connection text not null,
    dataset text not null,
    from_day date not null,
    to_day date not null,
    -- What this was worked out under; of no use once that has changed.
    basis text not null,
    -- The oldest of its days that is answered only while the dataset is absent; null: none.
    absent_from date,
    -- Its newest days that were asked for, down to the first one with data or a failure, and that one's day.
    newest jsonb not null default '[]',
    newest_end date,
    primary key (connection, dataset)
  );

  -- Where a cursor dataset goes on; every record before it is stored.
  create table app.dataset_cursor (
    connection text not null,
    dataset text not null,
    cursor jsonb not null,
    records bigint not null default 0,
    run_id uuid not null,
    updated_at timestamptz not null default now(),
    primary key (connection, dataset)
  );

  alter table app.slice_ledger
    -- Given up by the schedule: a dead letter has it, or a person dropped it.
    add column set_aside_at timestamptz,
    -- Runs that got a bad answer since it last ended well, and the version of the plugin that got the last one.
    add column bad_answers smallint not null default 0,
    add column bad_answer_version text;
`;

/** What is set aside, told and looked back at. */
const letters = `
  alter table app.dead_letter
    add column kind text not null default 'event' check (kind in ('event', 'slice')),
    -- Of a slice: its first day, and the first day after it.
    add column from_day date,
    add column to_day date,
    alter column source_id drop not null,
    alter column external_id drop not null,
    alter column occurred_at drop not null,
    alter column payload drop not null,
    alter column payload_hash drop not null,
    add constraint dead_letter_kind_columns_check check (
      case kind
        when 'event' then source_id is not null and external_id is not null and occurred_at is not null
          and payload is not null and payload_hash is not null
        else dataset is not null and from_day is not null and to_day is not null
      end);
  create unique index dead_letter_slice_idx on app.dead_letter (connection, dataset, from_day, to_day)
    where kind = 'slice';

  -- What is still to be told; deleted once it was taken.
  create table app.notification (
    notification_id uuid primary key default gen_random_uuid(),
    connection text not null,
    body jsonb not null,
    attempts integer not null default 0,
    next_attempt_at timestamptz not null default now(),
    created_at timestamptz not null default now()
  );
  create index notification_next_attempt_at_idx on app.notification (next_attempt_at);

  -- Days whose answer the source changed after it was first read: how often, and how many days late the last time.
  create view app.revision as
    select connection, dataset, day, revisions, first_attempt_at, changed_at,
      greatest(0, changed_at::date - day) as days_late
    from app.slice_ledger where revisions > 0;
  create index slice_ledger_revised_idx on app.slice_ledger (connection, day) where revisions > 0;
`;

/** Hosts and what they hold, when connections are due, cursors, backfills, what need not be planned, notifications. */
export async function up(knex: Knex): Promise<void> {
  await knex.raw(hosts);
  await knex.raw(plans);
  await knex.raw(letters);
}
