import { ConnectorError } from '@on-the-way/sdk';
import type pg from 'pg';

const columns: Readonly<Record<string, string>> = {
  raw_id: 'uuid',
  source_id: 'text',
  external_id: 'text',
  occurred_at: 'timestamp with time zone',
  payload_json: 'jsonb',
  payload_hash: 'text',
  request_id: 'uuid',
  ingested_at: 'timestamp with time zone',
};

const question = `
  SELECT current_setting('server_encoding') AS encoding,
    (SELECT coalesce(json_object_agg(attname, format_type(atttypid, NULL)), '{}')
     FROM pg_attribute
     WHERE attrelid = to_regclass('raw.raw_event') AND attnum > 0 AND NOT attisdropped) AS columns,
    EXISTS (
      SELECT FROM pg_index
      WHERE indrelid = to_regclass('raw.raw_event') AND indisunique AND indisvalid AND indpred IS NULL
        AND (SELECT array_agg(attname::text ORDER BY attname) FROM pg_attribute
             WHERE attrelid = indrelid AND attnum = ANY (indkey)) = '{external_id,source_id}'
    ) AS "hasKey",
    EXISTS (
      SELECT FROM pg_settings WHERE name = 'default_toast_compression' AND 'lz4' = ANY (enumvals)
    ) AS "hasLz4"`;

interface Answer {
  readonly encoding: string;
  readonly columns: Readonly<Record<string, string>>;
  readonly hasKey: boolean;
  readonly hasLz4: boolean;
}

function problemOf({ encoding, columns: found, hasKey }: Answer): string | undefined {
  if (Object.keys(found).length === 0) return 'there is none';
  for (const [name, type] of Object.entries(columns)) {
    if (found[name] !== type) return `its column ${name} is ${found[name] ?? 'missing'}, not ${type}`;
  }
  if (!hasKey) return 'it has no unique index on (source_id, external_id)';
  return encoding === 'UTF8' ? undefined : `the database's encoding is ${encoding}, not UTF8`;
}

/**
 * Throws ConnectorError `config` unless the table is there with the columns and the key we write by. Resolves with what
 * else the server has.
 */
export async function checkTable(pool: pg.Pool): Promise<{ readonly hasLz4: boolean }> {
  const { rows } = await pool.query<Answer>(question);
  const [answer] = rows;
  const problem = answer ? problemOf(answer) : 'the database does not tell';
  if (answer && problem === undefined) return answer;
  throw new ConnectorError(
    'config',
    `Expected the table raw.raw_event, but ${problem}: start the host on this database (otw start), ` +
      'which runs the migrations, or point connectionString to the right one',
  );
}
