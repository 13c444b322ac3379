// What one would write with knex, from the same lines to the same rows.
import type { RawEvent } from '@on-the-way/sdk';
import { openDatabase } from '../host/src/storage/database.ts';
import { eventOf } from './our-events.ts';
import type { Task, Work } from './variants.ts';
import { linesOf, workloadFile } from './workload-files.ts';

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

/** So many lines at a time, `most` in all. */
async function* groupsOf(file: string, size: number, most: number): AsyncGenerator<readonly string[]> {
  let group: string[] = [];
  let left = most;
  for await (const lines of linesOf(file)) {
    for (const line of lines.slice(0, left)) {
      group.push(line);
      if (group.length < size) continue;
      yield group;
      group = [];
    }
    left -= Math.min(left, lines.length);
    if (left === 0) break;
  }
  if (group.length > 0) yield group;
}

function openKnex({ url, folder, workload, rows }: Task, rowsAtOnce: number): Work {
  const database = openDatabase(url, 'Asia/Shanghai');
  const table = () => database.withSchema('raw').table('raw_event');
  return {
    async write({ warm }) {
      const most = warm ? Math.max(rowsAtOnce, 100) : rows;
      const file = workloadFile(folder, { workload, kind: 'ndjson', warm });
      for await (const lines of groupsOf(file, rowsAtOnce, most)) {
        const made = lines.map((line) => knexRow(eventOf(line)));
        if (rowsAtOnce === 1) await table().insert(made[0]!);
        else await table().insert(made).onConflict(['source_id', 'external_id']).ignore();
      }
      return undefined;
    },
    close: () => database.destroy(),
  };
}

/** A statement a row. */
export const openKnexRow = async (task: Task): Promise<Work> => openKnex(task, 1);
/** A statement for 1000 rows; what is there already is left alone. */
export const openKnexMany = async (task: Task): Promise<Work> => openKnex(task, 1000);
