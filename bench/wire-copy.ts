// What Postgres itself can do, by the wire protocol and with nothing else in the way: the baselines P1, P2 and P3.
import type { RawEvent } from '@on-the-way/sdk';
import pg from 'pg';

const columns = 'source_id, external_id, occurred_at, payload_json, payload_hash, request_id';

const special: Readonly<Record<string, string>> = { '\\': '\\\\', '\t': '\\t', '\n': '\\n', '\r': '\\r' };

function copyField(text: string): string {
  return /[\\\t\n\r]/.test(text) ? text.replace(/[\\\t\n\r]/g, (found) => special[found] ?? found) : text;
}

/** An event as a line of COPY's text format, in the order of the columns above. */
export function copyLine(event: RawEvent): string {
  const { sourceId, externalId, occurredAt, payload, payloadHash, requestId } = event;
  return copyFields([sourceId, externalId, occurredAt, payload, payloadHash, requestId]);
}

/** The same of fields. */
export function copyFields(fields: readonly string[]): string {
  return `${fields.map(copyField).join('\t')}\n`;
}

/** A message of the protocol: its letter, its length, what it holds. */
function message(letter: string, content: Buffer): Buffer {
  const head = Buffer.alloc(5);
  head.write(letter, 'latin1');
  head.writeUInt32BE(content.length + 4, 1);
  return Buffer.concat([head, content]);
}

const messageBytes = 64 * 1024;
const copyDone = message('c', Buffer.alloc(0));

/** Lines of COPY text as messages of 64 KB, ready to be sent. */
export function copyMessages(text: Buffer): Buffer[] {
  return Array.from({ length: Math.ceil(text.length / messageBytes) }, (_, index) =>
    message('d', text.subarray(index * messageBytes, (index + 1) * messageBytes)),
  );
}

/** Statements with one COPY among them, and its data right behind, without waiting for an answer in between. */
class CopyQuery {
  readonly done = Promise.withResolvers<number>();
  readonly #sql: string;
  readonly #data: readonly Buffer[];
  #rows = 0;
  #failure: Error | undefined;

  constructor(sql: string, data: readonly Buffer[]) {
    this.#sql = sql;
    this.#data = data;
  }

  submit({ stream }: pg.Connection): void {
    stream.cork();
    stream.write(message('Q', Buffer.from(`${this.#sql}\0`)));
    for (const part of this.#data) stream.write(part);
    stream.write(copyDone);
    stream.uncork();
  }

  handleDataRow(): void {
    this.#rows += 1;
  }

  // pg calls nothing more of a query that has failed.
  handleError(error: Error): void {
    this.#failure = error;
    this.done.reject(error);
  }

  handleReadyForQuery(): void {
    if (!this.#failure) this.done.resolve(this.#rows);
  }

  handleRowDescription(): void {}
  handleCommandComplete(): void {}
  handleCopyInResponse(): void {}
  handleEmptyQuery(): void {}
  handlePortalSuspended(): void {}
}

/** A connection for COPY. */
export interface Wire {
  /** Runs the statements, one of which is a COPY from stdin; resolves with how many rows they answered. */
  copy(sql: string, data: readonly Buffer[]): Promise<number>;
  close(): Promise<void>;
}

/** Opens a connection as the baselines have it. */
export async function openWire(url: string): Promise<Wire> {
  const client = new pg.Client(url);
  await client.connect();
  await client.query(`set jit = off; set temp_buffers = '64MB'`);
  await client.query(
    `create temp table stage (s text, e text, t timestamptz, p jsonb, h text, r uuid) on commit delete rows`,
  );
  return {
    copy(sql, data) {
      const query = new CopyQuery(sql, data);
      client.query(query);
      return query.done.promise;
    },
    close: () => client.end(),
  };
}

/** P1: no index, no WAL. */
export const heapTable = 'public.bench_heap';
export const makeHeapTable = `create unlogged table ${heapTable} (like raw.raw_event including defaults)`;
export const copyIntoHeap = `copy ${heapTable} (${columns}) from stdin`;

/** P2: the table as it is, and no look at what it has. */
export const copyIntoTable = `copy raw.raw_event (${columns}) from stdin`;

/** P3: what is new is stored, and a row is answered for each key that has another hash. */
export const copyAndMerge = `begin;
  copy stage from stdin;
  insert into raw.raw_event (${columns}) select s, e, t, p, h, r from stage
    on conflict (source_id, external_id) do nothing;
  select i.s, i.e from stage i
    cross join lateral (select r.payload_hash from raw.raw_event r
      where r.source_id = i.s and r.external_id = i.e limit 1) r
    where r.payload_hash <> i.h;
  commit`;
