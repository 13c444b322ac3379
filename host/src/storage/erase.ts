import { randomBytes } from 'node:crypto';
import {
  accountTables,
  inLongTransaction,
  whereOf,
  type Account,
  type AccountTable,
  type Place,
} from './account-data.ts';

/** What an erasure did. */
export interface Erased {
  /** Rows deleted, by table. */
  readonly deleted: Readonly<Partial<Record<AccountTable, number>>>;
  /** Lines of the audit that name nobody any more. */
  readonly pseudonymised: number;
}

// The line stays, since it says that a request was made and what became of it; whose it was does not.
// Who posts may write it as they like, wherever they like; 12 hex digits mean nothing else in a regular expression.
const pseudonymise = `
  update app.request_audit set source_id = regexp_replace(source_id, $1, $2, 'gi'),
    external_id = regexp_replace(external_id, $1, $2, 'gi'), message = regexp_replace(message, $1, $2, 'gi')
  where concat_ws(' ', source_id, external_id, message) ~* $1`;

/**
 * Deletes everything of an account, in one transaction, and pauses the connections in `paused`, which would read it
 * again. No run of the account's connections may be under way.
 */
export function eraseAccount(
  place: Place,
  { ref, connections }: Account,
  paused: readonly string[],
): Promise<Erased> {
  return inLongTransaction(place, 'begin', async (client) => {
    const deleted: Partial<Record<AccountTable, number>> = {};
    for (const table of Object.keys(accountTables) as AccountTable[]) {
      const { rowCount } = await client.query(`delete from ${table} where ${whereOf(table)}`, [
        ref,
        connections,
      ]);
      if (rowCount !== null && rowCount > 0) deleted[table] = rowCount;
    }
    // One name for all of its lines, so that they can still be told to belong together.
    const { rowCount } = await client.query(pseudonymise, [ref, `erased-${randomBytes(6).toString('hex')}`]);
    await client.query('delete from app.session_key where not exists (select from app.connector_session)');
    await client.query('insert into app.connector_health (connection) select unnest($1::text[])', [paused]);
    await client.query(
      'insert into app.connection_state (connection, paused_at) select unnest($1::text[]), now()',
      [paused],
    );
    return { deleted, pseudonymised: rowCount ?? 0 };
  });
}
