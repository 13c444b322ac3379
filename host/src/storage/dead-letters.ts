import { envelopeNotCompared } from '@on-the-way/core';
import { ConnectorError, type RawEvent, type Window } from '@on-the-way/sdk';
import { z } from 'zod';
import type { Database } from './database.ts';
import { underFence, type Fence } from './fence.ts';
import { storable } from './slice-letters.ts';

/** Why an event was not stored. */
export interface Refusal {
  /** `conflict`, or the code the sink threw. */
  readonly code: string;
  readonly message: string;
}

/** An event that a sink refused, as it is about to be set aside. */
interface RefusedEvent {
  readonly connection: string;
  readonly runId: string;
  readonly event: RawEvent;
  readonly why: Refusal;
}

/** A dead letter without its payload. */
export interface DeadLetter {
  readonly id: string;
  /** An event that a sink refused, or days of a dataset that were set aside. */
  readonly kind: 'event' | 'slice';
  readonly connection: string;
  readonly dataset: string | null;
  /** Its days; of an event the one its payload names, where it does. */
  readonly window: Window | null;
  /** The run that met it last. */
  readonly runId: string | null;
  readonly pluginVersion: string | null;
  /** Of events, as all three. */
  readonly sourceId: string | null;
  readonly externalId: string | null;
  /** RFC 3339 with offset, as the event had it. */
  readonly occurredAt: string | null;
  readonly errorCode: string;
  readonly errorMessage: string;
  /** Runs and replays that met the refusal; of days, how often they were asked for since their last answer. */
  readonly attempts: number;
  readonly createdAt: Date;
  readonly lastAttemptAt: Date;
  /** Null while it waits. */
  readonly replayedAt: Date | null;
}

/** With what is to be written again, where it is an event. */
export interface FullDeadLetter extends DeadLetter {
  /** JSON text, digit for digit as it was refused. */
  readonly payload: string | null;
  readonly payloadHash: string | null;
}

/** Which letters to list: those that wait, newest first. */
interface DeadLetterFilter {
  readonly connection?: string;
  readonly limit: number;
  /** Only letters older than this one. */
  readonly before?: { readonly at: string; readonly id: string };
}

/** A letter in a list, with its place in it. */
interface ListedDeadLetter extends DeadLetter {
  /** `createdAt` to the microsecond, for the cursor. */
  readonly at: string;
}

/** What a run writes of letters. */
export interface RunLetters {
  /**
   * Resolves when they are durable. An event that was set aside before is counted once more, unless the same run
   * meets it again. Throws Fenced, and writes nothing, once another host has the connection.
   */
  add(refused: readonly RefusedEvent[]): Promise<void>;
}

/** Events that were refused, and days that were set aside, in app.dead_letter. */
export interface DeadLetterStore {
  /** For a run. */
  under(fence: Fence): RunLetters;
  list(filter: DeadLetterFilter): Promise<readonly ListedDeadLetter[]>;
  get(id: string): Promise<FullDeadLetter | undefined>;
  /** How many wait, by connection; connections without any are left out. */
  waiting(): Promise<ReadonlyMap<string, number>>;
  /** The event is stored now. */
  replayed(id: string): Promise<void>;
  /** It was refused once more. */
  refusedAgain(id: string, why: Refusal): Promise<void>;
  /** Resolves with false where there is none. */
  drop(id: string): Promise<boolean>;
  /**
   * The canonical text of a corrected payload, without the members in which equal events may differ.
   *
   * @throws ConnectorError `bad_data` for what Postgres cannot hold.
   */
  comparable(payload: string): Promise<string>;
}

const columns = `dead_letter_id as id, kind, connection, dataset, 
  case when from_day is not null then json_build_object('from', from_day::text, 'to', to_day::text) end as "window", run_id as "runId", plugin_version as "pluginVersion",
  source_id as "sourceId", external_id as "externalId", occurred_at as "occurredAt", error_code as "errorCode",
  error_message as "errorMessage", attempts, created_at as "createdAt", last_attempt_at as "lastAttemptAt",
  replayed_at as "replayedAt"`;

// A run that asks again for the halves of a span meets the same event again, which is no attempt of its own.
const upsert = `
  insert into app.dead_letter as known (connection, dataset, run_id, plugin_version, source_id, external_id, occurred_at,
    payload, payload_hash, error_code, error_message, from_day, to_day)
  values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?::date, ?::date + 1)
  on conflict (connection, source_id, external_id, payload_hash) do update set
    attempts = known.attempts + case when known.run_id is distinct from excluded.run_id then 1 else 0 end,
    run_id = excluded.run_id, plugin_version = excluded.plugin_version, error_code = excluded.error_code,
    error_message = excluded.error_message, last_attempt_at = now(), replayed_at = null`;

const envelope = z
  .object({ metric_type: z.string(), metric_date: z.iso.date(), connector_version: z.string() })
  .partial();

/** What the payload says of its origin, where it is an envelope. */
function originOf(payload: string): z.output<typeof envelope> {
  try {
    return envelope.safeParse(JSON.parse(payload)).data ?? {};
  } catch {
    // Other sources may send what is no JSON; it is kept all the same.
    return {};
  }
}

function rowOf({ connection, runId, event, why }: RefusedEvent, clean: (text: string) => string) {
  const {
    metric_type: dataset,
    metric_date: day = null,
    connector_version: version,
  } = originOf(event.payload);
  return [
    connection,
    dataset === undefined ? null : storable(dataset),
    runId,
    version === undefined ? null : storable(version),
    storable(event.sourceId),
    storable(event.externalId),
    storable(event.occurredAt),
    Buffer.from(event.payload),
    event.payloadHash,
    why.code,
    storable(clean(why.message)),
    day,
    day,
  ];
}

async function add(
  database: Database,
  fence: Fence,
  refused: readonly RefusedEvent[],
  clean: (text: string) => string,
): Promise<void> {
  await underFence(database, fence, async (transaction) => {
    // The ledger says that the slice failed, and then only this row has the event, whatever the server is set to.
    await transaction.raw('set local synchronous_commit = on');
    for (const each of refused) await transaction.raw(upsert, rowOf(each, clean) as string[]);
  });
}

async function comparable(database: Database, payload: string): Promise<string> {
  try {
    const { rows } = await database.raw<{ rows: { text: string }[] }>(
      `select (?::jsonb - ?::text[])::text as text`,
      [payload, envelopeNotCompared] as string[],
    );
    return rows[0]?.text ?? payload;
  } catch (cause) {
    const state = cause instanceof Error && 'code' in cause ? String(cause.code) : '';
    // 22: a value that jsonb does not hold. 54: nested too deep.
    if (!/^(22|54)/.test(state)) throw cause;
    // Without the cause: it quotes the payload.
    throw new ConnectorError(
      'bad_data',
      `Expected a JSON object that Postgres can hold, got SQLSTATE ${state}`,
    );
  }
}

/** The store over app.dead_letter; `clean` takes secrets out of messages. */
export function createDeadLetterStore(database: Database, clean: (text: string) => string): DeadLetterStore {
  return {
    under: (fence) => ({ add: (refused) => add(database, fence, refused, clean) }),
    async list({ connection = null, limit, before }) {
      const { at = null, id = null } = before ?? {};
      const { rows } = await database.raw<{ rows: ListedDeadLetter[] }>(
        `select ${columns}, to_json(created_at) #>> '{}' as at from app.dead_letter
         where replayed_at is null and (?::text is null or connection = ?)
           and (?::timestamptz is null or (created_at, dead_letter_id) < (?::timestamptz, ?::uuid))
         order by created_at desc, dead_letter_id desc limit ?`,
        [connection, connection, at, at, id, limit] as string[],
      );
      return rows;
    },
    async get(id) {
      const { rows } = await database.raw<{
        rows: (Omit<FullDeadLetter, 'payload'> & { payload: Buffer | null })[];
      }>(
        `select ${columns}, payload, payload_hash as "payloadHash" from app.dead_letter where dead_letter_id = ?::uuid`,
        [id],
      );
      const row = rows[0];
      return row && { ...row, payload: row.payload?.toString('utf8') ?? null };
    },
    async waiting() {
      const { rows } = await database.raw<{ rows: { connection: string; count: number }[] }>(
        `select connection, count(*)::int as count from app.dead_letter where replayed_at is null group by 1`,
      );
      return new Map(rows.map(({ connection, count }) => [connection, count]));
    },
    async replayed(id) {
      await database.raw(
        `update app.dead_letter set replayed_at = now(), last_attempt_at = now(), attempts = attempts + 1
         where dead_letter_id = ?::uuid`,
        [id],
      );
    },
    async refusedAgain(id, { code, message }) {
      await database.raw(
        `update app.dead_letter set error_code = ?, error_message = ?, last_attempt_at = now(), attempts = attempts + 1
         where dead_letter_id = ?::uuid`,
        [code, storable(clean(message)), id],
      );
    },
    async drop(id) {
      const { rows } = await database.raw<{ rows: unknown[] }>(
        'delete from app.dead_letter where dead_letter_id = ?::uuid returning dead_letter_id',
        [id],
      );
      return rows.length > 0;
    },
    comparable: (payload) => comparable(database, payload),
  };
}
