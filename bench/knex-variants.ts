// What one would write with knex.
import type { RawEvent } from '@on-the-way/sdk';
import { openDatabase } from '../host/src/storage/database.ts';
import { eventsOf } from './prepared-events.ts';
import type { Task, Work } from './variants.ts';

function knexRow(event: RawEvent) {
  return {
    source_id: event.sourceId,
    external_id: event.externalId,
    occurred_at: event.occurredAt,
    payload_json: event.payload,
    payload_hash: event.payloadHash,
    request_id: event.requestId,
  };
}

async function openKnex(task: Task, rowsAtOnce: number): Promise<Work> {
  const database = openDatabase(task.url, 'Asia/Shanghai');
  const first = eventsOf(task, { warm: true, most: Math.max(rowsAtOnce, 100) }).map(knexRow);
  const all = eventsOf(task, { warm: false, most: task.rows }).map(knexRow);
  return {
    async write({ warm }) {
      const rows = warm ? first : all;
      const table = () => database.withSchema('raw').table('raw_event');
      for (let at = 0; at < rows.length; at += rowsAtOnce) {
        if (rowsAtOnce === 1) await table().insert(rows[at]!);
        else
          await table()
            .insert(rows.slice(at, at + rowsAtOnce))
            .onConflict(['source_id', 'external_id'])
            .ignore();
      }
      return undefined;
    },
    close: () => database.destroy(),
  };
}

/** A statement a row. */
export const openKnexRow = (task: Task): Promise<Work> => openKnex(task, 1);
/** A statement for 1000 rows; what is there already is left alone. */
export const openKnexMany = (task: Task): Promise<Work> => openKnex(task, 1000);
