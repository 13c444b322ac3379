import { randomUUID } from 'node:crypto';
import type { RunSummary } from '@on-the-way/core';
import type { Knex } from 'knex';
import { prepared } from '../storage/database.ts';
import type { NotificationBody, ToldState } from './body.ts';

/** Who notes, as the notification says it. */
export interface Teller {
  /** Somebody is to be told; without it the state alone is kept. */
  readonly isWanted: boolean;
  /** Name of the machine. */
  readonly host: string;
  readonly simulated: boolean;
}

const longestMessage = 500;

const stateOfCode: Readonly<Record<string, ToldState>> = {
  auth: 'needs_user',
  needs_user: 'needs_user',
  rate_limited: 'rate_limited',
};

/** What is known of the connection, its health as this transaction has just written it. */
interface Known {
  readonly from: ToldState | 'unknown';
  readonly since: Date | null;
  readonly isWell: boolean;
  readonly code: string | null;
  readonly message: string | null;
  /** Days that failed are to be asked for again. */
  readonly waits: boolean;
}

const knownSql = `
  select state.notified_state as "from", state.notified_at as since, health.last_status = 'ok' as "isWell",
    health.last_error_code as code, health.last_error_message as message,
    exists (select from app.slice_ledger as slice where slice.connection = state.connection
      and slice.outcome = 'failed' and slice.set_aside_at is null
      -- What is read as it is now is asked for in each run of everything; a day of it that was missed never again.
      and slice.dataset in (select item ->> 'name' from jsonb_array_elements(state.datasets) as item
        where item ->> 'granularity' in ('day', 'range'))) as waits
  from app.connection_state as state join app.connector_health as health using (connection)
  where state.connection = ? for update of state`;

/** What an end of a run says of its connection; undefined where it says nothing. */
function stateAfter(
  { status, error }: RunSummary,
  ofEverything: boolean,
  known: Known,
): ToldState | undefined {
  if (status === 'interrupted' || error?.code === 'usage') return undefined;
  const refused = stateOfCode[error?.code ?? ''];
  if (refused) return refused;
  // A part of it that went well, or did not, is not the connection; nor is what the host would not ask for.
  if (!ofEverything) return undefined;
  if (!known.isWell) return 'failing';
  // A day that failed is asked for again at ever longer intervals, and runs in between go well.
  if (known.waits && known.from === 'failing') return undefined;
  return error?.code === 'budget_spent' ? undefined : 'ok';
}

/**
 * Remembers how a run left its connection, and writes a notification when that has changed; the first `ok` of a
 * connection is no change. Called in the transaction that records the run's end, after the connection's health.
 */
export async function noteState(
  transaction: Knex.Transaction,
  end: { readonly summary: RunSummary; readonly ofEverything: boolean },
  teller: Teller,
): Promise<void> {
  const { summary, ofEverything } = end;
  const { connection, runId } = summary;
  const { rows } = await prepared<Known>(transaction, knownSql, [connection]);
  const known = rows[0];
  const to = known && stateAfter(summary, ofEverything, known);
  if (!known || !to || to === known.from) return;
  await transaction.raw(
    'update app.connection_state set notified_state = ?, notified_at = now() where connection = ?',
    [to, connection],
  );
  if (!teller.isWanted || (to === 'ok' && known.from === 'unknown')) return;
  await insert(transaction, { connection, runId, to, known }, teller);
}

async function insert(
  transaction: Knex.Transaction,
  change: {
    readonly connection: string;
    readonly runId: string;
    readonly to: ToldState;
    readonly known: Known;
  },
  { host, simulated }: Teller,
): Promise<void> {
  const { connection, runId, to, known } = change;
  const id = randomUUID();
  const body: Omit<NotificationBody, 'dead_letters'> = {
    id,
    type: 'connection.state_changed',
    at: new Date().toISOString(),
    connection,
    from: known.from,
    to,
    since: known.since?.toISOString() ?? null,
    code: to === 'ok' ? null : known.code,
    message: to === 'ok' ? null : (known.message?.slice(0, longestMessage) ?? null),
    run_id: runId,
    host,
    simulated,
  };
  await transaction.raw(
    `insert into app.notification (notification_id, connection, body)
     select ?::uuid, ?, ?::jsonb || jsonb_build_object('dead_letters',
       (select count(*)::int from app.dead_letter where connection = ?))`,
    [id, connection, JSON.stringify(body), connection],
  );
}
