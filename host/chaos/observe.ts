import { Client } from 'pg';
import { fingerprint } from './world.ts';

/** A row of raw.raw_event, as far as the checks look at it. */
export interface SeenRow {
  readonly sourceId: string;
  readonly externalId: string;
  readonly dataset: string;
  /** Name of the record it says it is. */
  readonly id: string;
  readonly version: number;
  /** Of the data as the database gives it back. */
  readonly fingerprint: string;
}

/** A line of the ledger. */
export interface SeenSlice {
  readonly connection: string;
  readonly dataset: string;
  readonly day: string;
  readonly outcome: string;
  readonly errorCode: string | null;
  readonly runId: string;
  /** Milliseconds since 1970, as all times here. */
  readonly lastAttemptAt: number;
}

/** A run. */
export interface SeenRun {
  readonly runId: string;
  readonly connection: string;
  readonly status: string;
  readonly startedAt: number;
  readonly finishedAt: number | null;
  readonly epoch: number | null;
  readonly errorCode: string | null;
  readonly datasets: Readonly<Record<string, Readonly<Record<string, number>>>>;
}

/** What stands in the database at one moment. */
export interface Observation {
  readonly rows: readonly SeenRow[];
  readonly slices: readonly SeenSlice[];
  readonly cursors: readonly {
    readonly connection: string;
    readonly dataset: string;
    readonly cursor: unknown;
  }[];
  readonly runs: readonly SeenRun[];
  /** Connections that a host has that is on the list. */
  readonly held: readonly string[];
  /** Sessions of hosts. */
  readonly sessions: number;
  /** Every text that is meant for people, in one. */
  readonly texts: string;
}

const rowsSql = `
  select source_id as "sourceId", external_id as "externalId", payload_json ->> 'metric_type' as dataset,
    payload_json -> 'data' as data from raw.raw_event`;

const slicesSql = `
  select connection, dataset, day::text, outcome, error_code as "errorCode", run_id as "runId",
    (extract(epoch from last_attempt_at) * 1000)::float8 as "lastAttemptAt" from app.slice_ledger`;

const runsSql = `
  select run_id as "runId", connection, status, (extract(epoch from started_at) * 1000)::float8 as "startedAt",
    (extract(epoch from finished_at) * 1000)::float8 as "finishedAt", epoch::int, error_code as "errorCode", datasets
  from app.run order by started_at`;

const heldSql = `
  select connection from app.connection_claim join app.host using (host_id)`;

const sessionsSql = `
  select count(*)::int as n from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()`;

// The encrypted sessions may hold what they like; everything else is read by somebody.
const textsSql = `
  select string_agg(line, E'\\n') as texts from (
    select row_to_json(r)::text as line from app.run r union all
    select row_to_json(s)::text from app.slice_ledger s union all
    select row_to_json(c)::text from app.connection_state c union all
    select row_to_json(d)::text from app.dead_letter d union all
    select row_to_json(a)::text from app.request_audit a union all
    select row_to_json(n)::text from app.notification n union all
    select row_to_json(e)::text from raw.raw_event e) lines`;

interface RawRow {
  readonly sourceId: string;
  readonly externalId: string;
  readonly dataset: string;
  readonly data: { readonly id?: unknown; readonly version?: unknown };
}

function seenRow({ sourceId, externalId, dataset, data }: RawRow): SeenRow {
  const { id, version } = data;
  return {
    sourceId,
    externalId,
    dataset,
    id: String(id),
    version: Number(version),
    fingerprint: fingerprint(data),
  };
}

/** Runs the statement on a session of its own. */
export async function select<Row>(url: string, sql: string): Promise<Row[]> {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: 10_000 });
  client.on('error', () => undefined);
  await client.connect();
  try {
    return (await client.query(sql)).rows as Row[];
  } finally {
    await client.end();
  }
}

/** Reads all of it in one snapshot. Undefined where the tables are not there yet. */
export async function observe(url: string): Promise<Observation | undefined> {
  const client = new Client(url);
  await client.connect();
  try {
    await client.query('begin isolation level repeatable read read only');
    const there = await client.query(`select to_regclass('app.notification') is not null as there`);
    if ((there.rows[0] as { there: boolean }).there !== true) return undefined;
    const read = async <Row>(sql: string): Promise<Row[]> => (await client.query(sql)).rows as Row[];
    const [texts] = await read<{ texts: string | null }>(textsSql);
    const [sessions] = await read<{ n: number }>(sessionsSql);
    return {
      rows: (await read<RawRow>(rowsSql)).map(seenRow),
      slices: await read(slicesSql),
      cursors: await read('select connection, dataset, cursor from app.dataset_cursor'),
      runs: await read(runsSql),
      held: (await read<{ connection: string }>(heldSql)).map(({ connection }) => connection),
      sessions: sessions?.n ?? 0,
      texts: texts?.texts ?? '',
    };
  } finally {
    await client.end();
  }
}
