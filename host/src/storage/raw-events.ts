import type { Day } from '@on-the-way/sdk';
import type { Database } from './database.ts';
import { instantText } from './instant-text.ts';

/** A raw event as it is read back: times as text with the offset of the session's zone, microseconds kept. */
export interface StoredEvent {
  readonly rawId: string;
  readonly sourceId: string;
  readonly externalId: string;
  readonly occurredAt: string;
  /** The payload as Postgres prints it: JSON text, digit for digit. */
  readonly payload: string;
  readonly payloadHash: string;
  readonly requestId: string;
  readonly ingestedAt: string;
}

/** Which raw events to list, newest first by (occurred_at, raw_id). */
interface EventFilter {
  readonly source?: string | undefined;
  readonly metricType?: string | undefined;
  /** First day, in the session's zone. */
  readonly from?: Day | undefined;
  /** Last day, in the session's zone. */
  readonly to?: Day | undefined;
  readonly limit: number;
  /** The list ends once the payloads have this many bytes together, with the event that reaches it. */
  readonly maxBytes: number;
  /** Only events after this one in the order of the list. */
  readonly after?: { readonly at: string; readonly id: string } | undefined;
}

/** Reads raw.raw_event. */
export interface RawEventStore {
  /** A page; `more` says whether older events may follow. */
  list(filter: EventFilter): Promise<{ readonly events: readonly StoredEvent[]; readonly more: boolean }>;
  get(rawId: string): Promise<StoredEvent | undefined>;
}

const columns = `raw_id, source_id, external_id, occurred_at, payload_json::text as payload, payload_hash, request_id,
  ingested_at`;

const shown = `raw_id as "rawId", source_id as "sourceId", external_id as "externalId",
  ${instantText('occurred_at')} as "occurredAt", payload, payload_hash as "payloadHash", request_id as "requestId",
  ${instantText('ingested_at')} as "ingestedAt"`;

/** Conditions with their values, of which a plan can be made that uses the index on occurred_at. */
function conditionsOf({ source, metricType, from, to, after }: EventFilter): {
  readonly where: string;
  readonly values: readonly string[];
} {
  const all: (readonly [sql: string, ...values: string[]])[] = [
    ...(source === undefined ? [] : [['source_id = ?', source] as const]),
    ...(metricType === undefined ? [] : [[`payload_json->>'metric_type' = ?`, metricType] as const]),
    ...(from === undefined ? [] : [['occurred_at >= ?::date::timestamptz', from] as const]),
    ...(to === undefined ? [] : [['occurred_at < (?::date + 1)::timestamptz', to] as const]),
    ...(after === undefined
      ? []
      : [['(occurred_at, raw_id) < (?::timestamptz, ?::uuid)', after.at, after.id] as const]),
  ];
  const where = all.length === 0 ? '' : `where ${all.map(([sql]) => sql).join(' and ')}`;
  return { where, values: all.flatMap(([, ...values]) => values) };
}

/** The store. */
export function createRawEventStore(database: Database): RawEventStore {
  return {
    async list(filter) {
      const { where, values } = conditionsOf(filter);
      // One more than asked for tells whether there is a next page.
      const { rows } = await database.raw<{ rows: (StoredEvent & { readonly bytes: string })[] }>(
        `select ${shown}, bytes from (
           select *, sum(octet_length(payload)) over (order by occurred_at desc, raw_id desc rows unbounded preceding) as bytes
           from (select ${columns} from raw.raw_event ${where} order by occurred_at desc, raw_id desc limit ?) page) sized
         where bytes - octet_length(payload) < ? order by occurred_at desc, raw_id desc`,
        [...values, filter.limit + 1, filter.maxBytes],
      );
      const events = rows.slice(0, filter.limit);
      const full = Number(rows.at(-1)?.bytes ?? 0) >= filter.maxBytes;
      return { events, more: full || rows.length > filter.limit };
    },
    async get(rawId) {
      const { rows } = await database.raw<{ rows: StoredEvent[] }>(
        `select ${shown} from (select ${columns} from raw.raw_event where raw_id = ?) event`,
        [rawId],
      );
      return rows[0];
    },
  };
}
