import type { Window } from '@on-the-way/sdk';
import type { Knex } from 'knex';
import { prepared, type Database } from './database.ts';

/** Days of a dataset that were asked for too often in vain, as they are set aside. */
interface FruitlessSlice {
  readonly connection: string;
  readonly dataset: string;
  readonly window: Window;
  /** The run that asked last. */
  readonly runId: string;
  readonly pluginVersion: string;
  readonly errorCode: string;
  readonly errorMessage: string;
  /** How often they were asked for in vain. */
  readonly attempts: number;
}

/** What a text column can hold: U+FFFD in the place of what it cannot. */
export function storable(text: string): string {
  return text.toWellFormed().replaceAll('\0', '\uFFFD');
}

const upsertSlice = `
  insert into app.dead_letter (kind, connection, dataset, from_day, to_day, run_id, plugin_version, error_code,
    error_message, attempts) values ('slice', ?, ?, ?::date, ?::date, ?::uuid, ?, ?, ?, ?::int)
  on conflict (connection, dataset, from_day, to_day) where kind = 'slice' do update set
    run_id = excluded.run_id, plugin_version = excluded.plugin_version, error_code = excluded.error_code,
    error_message = excluded.error_message, attempts = excluded.attempts, last_attempt_at = now(), replayed_at = null`;

/**
 * Sets days aside in the transaction that flags them in the ledger; `clean` takes secrets out of messages. Days that
 * were set aside before have one letter still, with what was met last.
 */
export async function addSliceLetter(
  transaction: Knex.Transaction,
  { connection, dataset, window, runId, pluginVersion, errorCode, errorMessage, attempts }: FruitlessSlice,
  clean: (text: string) => string,
): Promise<void> {
  const values = [connection, dataset, window.from, window.to, runId, pluginVersion, errorCode];
  await transaction.raw(upsertSlice, [...values, storable(clean(errorMessage)), String(attempts)]);
}

const daysOfLetter =
  'l.connection = d.connection and l.dataset = d.dataset and l.day >= d.from_day and l.day < d.to_day';

const settleSql = `
  with mine as (
    select d.dead_letter_id, answered.days = d.to_day - d.from_day as is_answered, failed.*
    from app.dead_letter d
      cross join lateral (
        select count(*) as days from app.slice_ledger l where ${daysOfLetter} and l.outcome <> 'failed') answered
      left join lateral (
        select l.attempts, l.last_attempt_at, l.run_id, l.error_code, l.error_message, l.plugin_version
        from app.slice_ledger l where ${daysOfLetter} and l.outcome = 'failed'
        order by l.last_attempt_at desc limit 1) failed on true
    where d.kind = 'slice' and d.connection = ? and d.replayed_at is null)
  update app.dead_letter d set
    replayed_at = case when mine.is_answered then now() end,
    attempts = coalesce(mine.attempts, d.attempts),
    last_attempt_at = coalesce(mine.last_attempt_at, d.last_attempt_at),
    run_id = coalesce(mine.run_id, d.run_id),
    error_code = coalesce(mine.error_code, d.error_code),
    error_message = coalesce(mine.error_message, d.error_message),
    plugin_version = coalesce(mine.plugin_version, d.plugin_version)
  from mine where d.dead_letter_id = mine.dead_letter_id and (mine.is_answered or (mine.attempts is not null and mine.run_id is distinct from d.run_id))`;

/**
 * Letters of days that have an answer by now wait no more, and those of days that were asked for again in vain say so.
 * The ledger decides, whoever asked: a replay, a run by wish, a newer plugin.
 */
export async function settleSliceLetters(database: Database, connection: string): Promise<void> {
  await prepared(database, settleSql, [connection]);
}
