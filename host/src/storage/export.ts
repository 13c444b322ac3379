import { createHash } from 'node:crypto';
import { mkdirSync, openSync, writeSync, fsyncSync, closeSync } from 'node:fs';
import { join } from 'node:path';
import { formatInstant } from '@on-the-way/sdk';
import type { Client } from 'pg';
import { whereOf, type Account, type AccountTable } from './account-data.ts';

/** How rows are written. */
export type ExportFormat = 'ndjson' | 'csv';

/** A file of an export. */
export interface ExportedFile {
  readonly name: string;
  readonly rows: number;
  readonly bytes: number;
  readonly sha256: string;
}

/** A row as Postgres prints it. */
type Row = Readonly<Record<string, string | null>>;

interface Table {
  /** Name of its files. */
  readonly name: string;
  /** Two parameters: the account's ref and its connections. */
  readonly sql: string;
  readonly toJson: (row: Row, timeZone: string) => string;
}

/** Columns that are for `toJson` alone begin so, and are in no CSV. */
const hidden = '_';

function zoneOf(zone: string | null | undefined, otherwise: string): string {
  if (zone === null || zone === undefined) return otherwise;
  try {
    Intl.DateTimeFormat('en-US', { timeZone: zone });
    return zone;
  } catch {
    // A RangeError is how Intl says no; the instant is the same in any zone.
    return otherwise;
  }
}

/** The instant in the payload's own zone, as ingest wants it; `micros` are those within its second. */
function occurredAt(row: Row, timeZone: string): string {
  const text = formatInstant(Number(row['_seconds']) * 1000, zoneOf(row['_zone'], timeZone));
  const fraction = (row['_micros'] ?? '').replace(/0+$/, '');
  return fraction === '' ? text : `${text.slice(0, 19)}.${fraction}${text.slice(19)}`;
}

/** A body of POST /v1/ingest; the payload goes through as text, digit for digit. */
function ingestLine(row: Row, timeZone: string): string {
  const key = `"source_id":${JSON.stringify(row['source_id'])},"external_id":${JSON.stringify(row['external_id'])}`;
  return `{${key},"occurred_at":"${occurredAt(row, timeZone)}","payload":${row['payload_json']}}`;
}

const whole = (row: Row): string => row['_line'] ?? '{}';

function plainTable(table: AccountTable, order: string): Table {
  const name = table.slice(table.indexOf('.') + 1);
  const sql = `select to_jsonb(t)::text as _line, t.* from ${table} t where ${whereOf(table)} order by ${order}`;
  return { name, sql, toJson: whole };
}

const tables: readonly Table[] = [
  {
    name: 'raw_event',
    sql: `select extract(epoch from date_trunc('second', occurred_at))::bigint as _seconds,
        to_char(occurred_at, 'US') as _micros, payload_json->>'timezone' as _zone, t.*
      from raw.raw_event t where ${whereOf('raw.raw_event')} order by source_id, external_id`,
    toJson: ingestLine,
  },
  plainTable('app.annotation', 'created_at, annotation_id'),
  {
    name: 'dead_letter',
    // As text where it is text, which it is unless a source sent what is no UTF-8.
    sql: `select to_jsonb(t)::text as _line, t.* from (
        select dead_letter_id, kind, connection, dataset, from_day, to_day, run_id, plugin_version, source_id, external_id, occurred_at,
          encode(payload, 'base64') as payload_base64, payload_hash, error_code, error_message, attempts, created_at,
          last_attempt_at, replayed_at
        from app.dead_letter where ${whereOf('app.dead_letter')}) t
      order by created_at, dead_letter_id`,
    toJson: whole,
  },
  plainTable('app.slice_ledger', 'connection, day, dataset'),
  plainTable('app.dataset_frontier', 'connection, dataset'),
  plainTable('app.dataset_cursor', 'connection, dataset'),
  plainTable('app.backfill', 'connection, created_at, backfill_id'),
  plainTable('app.notification', 'connection, created_at, notification_id'),
  plainTable('app.run', 'connection, started_at, run_id'),
  plainTable('app.connector_health', 'connection'),
  plainTable('app.connection_state', 'connection'),
];

/** A field of RFC 4180; null is nothing at all, and an empty text is `""`. */
export function csvField(value: string | null): string {
  if (value === null) return '';
  return value === '' || /[",\r\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value;
}

function csvLine(values: readonly (string | null)[]): string {
  return `${values.map(csvField).join(',')}\r\n`;
}

interface OpenFile {
  write(text: string, rows: number): void;
  finish(): ExportedFile;
}

function createFile(folder: string, name: string): OpenFile {
  const file = openSync(join(folder, name), 'wx', 0o600);
  const hash = createHash('sha256');
  let rows = 0;
  let bytes = 0;
  return {
    write(text, added) {
      const content = Buffer.from(text);
      hash.update(content);
      // A full disk may take a part of it only.
      for (let at = 0; at < content.length;) at += writeSync(file, content, at);
      rows += added;
      bytes += content.length;
    },
    finish() {
      fsyncSync(file);
      closeSync(file);
      return { name, rows, bytes, sha256: hash.digest('hex') };
    },
  };
}

// Rows may be megabytes each; all that is fetched at once is held in memory.
const rowsAtOnce = 50;

async function* rowsOf(client: Client, sql: string, values: readonly unknown[]) {
  await client.query(`declare exported no scroll cursor for ${sql}`, [...values]);
  for (;;) {
    const { rows, fields } = await client.query<Record<string, string | null>>(
      `fetch ${rowsAtOnce} from exported`,
    );
    yield { rows, columns: fields.map(({ name }) => name).filter((name) => !name.startsWith(hidden)) };
    if (rows.length < rowsAtOnce) break;
  }
  await client.query('close exported');
}

/** What an export is made of. */
export interface ExportRequest {
  readonly account: Account;
  /** A folder that is there and empty. */
  readonly folder: string;
  readonly formats: readonly ExportFormat[];
  readonly timeZone: string;
}

async function exportTable(
  client: Client,
  { name, sql, toJson }: Table,
  { account, folder, formats, timeZone }: ExportRequest,
): Promise<ExportedFile[]> {
  const files = formats.map((format) => ({ format, file: createFile(folder, `${name}.${format}`) }));
  let isFirst = true;
  for await (const { rows, columns } of rowsOf(client, sql, [account.ref, account.connections])) {
    for (const { format, file } of files) {
      if (format === 'csv' && isFirst) file.write(csvLine(columns), 0);
      const lines = rows.map((row) =>
        format === 'csv'
          ? csvLine(columns.map((column) => row[column] ?? null))
          : `${toJson(row, timeZone)}\n`,
      );
      file.write(lines.join(''), rows.length);
    }
    isFirst = false;
  }
  return files.map(({ file }) => file.finish());
}

/** Writes all rows of an account into the folder, a table after the other; memory does not grow with their number. */
export async function exportTables(client: Client, request: ExportRequest): Promise<ExportedFile[]> {
  mkdirSync(request.folder, { recursive: true, mode: 0o700 });
  const files: ExportedFile[] = [];
  for (const table of tables) files.push(...(await exportTable(client, table, request)));
  return files;
}
