import { accountRefOf } from '@on-the-way/core';
import { Client } from 'pg';
import type { ConnectionConfig } from '../config/host-config.ts';
import { clientConfig } from './database.ts';

/** A database and the zone of its session. */
export interface Place {
  readonly databaseUrl: string;
  readonly timeZone: string;
}

/** Whose data: 12 hex digits, and the connections that read it. */
export interface Account {
  readonly ref: string;
  readonly connections: readonly string[];
}

/**
 * Where a person's data lies in the host's tables: `$1` is the account's ref, `$2` the connections that read it. In the
 * order in which rows can be deleted. Claims stay: they name no account, and their epochs must not begin anew while a
 * host that was taken over may still write.
 */
export const accountTables = {
  'app.annotation': `target_id in (select raw_id from raw.raw_event where payload_json->>'account_ref' = $1)`,
  'raw.raw_event': `payload_json->>'account_ref' = $1`,
  'app.dead_letter': `(position($1 in external_id) > 0 or position(convert_to($1, 'UTF8') in payload) > 0
    or (kind = 'slice' and connection = any($2)))`,
  'app.dataset_frontier': 'connection = any($2)',
  'app.dataset_cursor': 'connection = any($2)',
  'app.backfill': 'connection = any($2)',
  'app.notification': 'connection = any($2)',
  'app.slice_ledger': 'connection = any($2)',
  'app.run': 'connection = any($2)',
  'app.connector_health': 'connection = any($2)',
  'app.connection_state': 'connection = any($2)',
  'app.connector_session': 'connection = any($2)',
} as const;

/** A table of {@link accountTables}. */
export type AccountTable = keyof typeof accountTables;

/** A condition that takes both parameters, whichever of them it needs. */
export function whereOf(table: AccountTable): string {
  return `$1::text is not null and $2::text[] is not null and ${accountTables[table]}`;
}

// All rows of a person may be gigabytes; a person waits for them, and nobody else.
const longestMs = 3_600_000;

/** Works on a database session of its own, within one transaction that is begun with `begin`. */
export async function inLongTransaction<T>(
  { databaseUrl, timeZone }: Place,
  begin: string,
  work: (client: Client) => Promise<T>,
): Promise<T> {
  const client = new Client({
    ...clientConfig(databaseUrl, timeZone),
    query_timeout: longestMs,
    statement_timeout: longestMs,
    idle_in_transaction_session_timeout: longestMs,
    // Values as Postgres writes them: no digit is lost on the way.
    types: { getTypeParser: () => (text: string) => text },
  });
  client.on('error', () => undefined);
  await client.connect();
  try {
    await client.query(begin);
    const result = await work(client);
    await client.query('commit');
    return result;
  } finally {
    // Without its commit nothing of the transaction stands.
    await client.end();
  }
}

/** True where the configuration names the account by its address. */
function isConfiguredFor(ref: string, { config }: ConnectionConfig): boolean {
  return Object.values(config).some(
    (value) => typeof value === 'string' && value.includes('@') && accountRefOf(value) === ref,
  );
}

/** The connections that read the account, as they said themselves; where one never did, as it is configured. */
export async function accountOf(
  client: Client,
  ref: string,
  configured: readonly ConnectionConfig[],
): Promise<Account> {
  const { rows } = await client.query<{ connection: string; account_ref: string }>(
    'select connection, account_ref from app.connection_state where account_ref is not null',
  );
  const known = new Map(rows.map((row) => [row.connection, row.account_ref]));
  const said = [...known].filter(([, of]) => of === ref).map(([connection]) => connection);
  const named = configured.filter((each) => !known.has(each.name) && isConfiguredFor(ref, each));
  return { ref, connections: [...said, ...named.map(({ name }) => name)].toSorted() };
}

/** How many rows of each table are the account's; tables without any are left out. */
export async function countRows(
  client: Client,
  { ref, connections }: Account,
): Promise<Partial<Record<AccountTable, number>>> {
  const counts: Partial<Record<AccountTable, number>> = {};
  for (const table of Object.keys(accountTables) as AccountTable[]) {
    const { rows } = await client.query<{ count: string }>(
      `select count(*) from ${table} where ${whereOf(table)}`,
      [ref, connections],
    );
    const count = Number(rows[0]?.count ?? 0);
    if (count > 0) counts[table] = count;
  }
  return counts;
}
