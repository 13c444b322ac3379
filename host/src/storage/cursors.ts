import type { Cursors } from '@on-the-way/core';
import { ConnectorError, type JsonValue } from '@on-the-way/sdk';
import { isUnreachable, type Database } from './database.ts';
import { fenced, type Fence } from './fence.ts';

/** Where cursor datasets go on, in app.dataset_cursor. */
export interface CursorStore {
  /** Those of a run's connection: `save` throws Fenced, and writes nothing, once another host has the connection. */
  under(fence: Fence, runId: string): Cursors;
}

/** A database that is away is worth another try, from the last checkpoint that was kept. */
async function orTransient<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (cause) {
    if (!isUnreachable(cause)) throw cause;
    const message = 'Expected to read and keep cursors, but the database is away: it is worth trying again';
    throw new ConnectorError('transient', message, { cause });
  }
}

const upsert = `
  with fence as (
    -- Whoever takes the connection over waits for this to be committed, or this finds that it is too late.
    select from app.connection_claim where connection = ? and epoch = ? for share)
  insert into app.dataset_cursor as known (connection, dataset, cursor, records, run_id)
  select ?, ?, ?::jsonb, ?, ?::uuid from fence
  on conflict (connection, dataset) do update set
    cursor = excluded.cursor, records = known.records + excluded.records, run_id = excluded.run_id, updated_at = now()
  returning dataset`;

/** Makes the store. */
export function createCursorStore(database: Database): CursorStore {
  return {
    under: (fence, runId) => ({
      async load(dataset) {
        const { rows } = await orTransient(
          database.raw<{ rows: { cursor: JsonValue }[] }>(
            'select cursor from app.dataset_cursor where connection = ? and dataset = ?',
            [fence.connection, dataset],
          ),
        );
        return rows[0]?.cursor;
      },
      async save(dataset, { cursor, events }) {
        const { connection, epoch } = fence;
        const values = [connection, epoch, connection, dataset, JSON.stringify(cursor), events, runId];
        const { rows } = await orTransient(database.raw<{ rows: unknown[] }>(upsert, values));
        if (rows.length === 0) throw fenced(fence);
      },
    }),
  };
}
