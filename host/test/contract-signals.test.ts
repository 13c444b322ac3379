import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openDatabase, type Database } from '../src/storage/database.ts';
import { otw, temporaryFolder } from './otw.ts';
import { createMigratedDatabase, type TestDatabase } from './postgres.ts';

let made: TestDatabase;
let database: Database;

beforeAll(async () => {
  made = await createMigratedDatabase();
  database = openDatabase(made.url, 'Asia/Shanghai');
});
afterAll(async () => {
  await database.destroy();
  await made.drop();
});

async function query<Row>(sql: string, values: readonly (string | number)[] = []): Promise<Row[]> {
  return (await database.raw<{ rows: Row[] }>(sql, [...values])).rows;
}

/** Adds one row as it may stand in a database that is older than this host. */
async function row(source: string, occurredAt: string, payload: string): Promise<string> {
  const [stored] = await query<{ raw_id: string }>(
    `insert into raw.raw_event (source_id, external_id, occurred_at, payload_json, payload_hash, request_id)
     values (?, gen_random_uuid()::text, ?, ?::jsonb, 'h', gen_random_uuid()) returning raw_id`,
    [source, occurredAt, payload],
  );
  return stored?.raw_id ?? '';
}

interface Signal {
  readonly source_type: string;
  readonly value_num: string | null;
  readonly is_valid: boolean;
}

async function signal(rawId: string): Promise<Signal | undefined> {
  const sql = 'select source_type, value_num, is_valid from app.signal_event where signal_event_id = ?';
  return (await query<Signal>(sql, [rawId]))[0];
}

const at = '2024-05-01T12:00:00+00:00';

describe('the view of signals', () => {
  test.each<[string, string | null, boolean]>([
    ['{"value": 41}', '41', true],
    ['{"value": 0.25, "note": null}', '0.25', true],
    ['{"data": {"value": 7.5}}', '7.5', true],
    ['{"value": 100.5}', '100.5', false],
    ['{"value": -1}', '-1', false],
    ['{"value": "41"}', null, false],
    ['{"value": null}', null, false],
    ['{"value": true}', null, false],
    ['{"value": [41]}', null, false],
    ['{"value": {"value": 41}}', null, false],
    ['{"data": 41}', null, false],
    ['{}', null, false],
    ['[41]', null, false],
    ['"41"', null, false],
    ['41', null, false],
    ['null', null, false],
  ])('reads %s as %s, valid: %s', async (payload, value, isValid) => {
    const id = await row('ios_manual', at, payload);
    expect(await signal(id)).toEqual({ source_type: 'manual', value_num: value, is_valid: isValid });
  });

  test('reads a number no double holds', async () => {
    const id = await row('signal_random_connector', at, '{"value": 1e400}');
    expect(await signal(id)).toMatchObject({ source_type: 'connector', is_valid: false });
  });

  test('leaves other sources out', async () => {
    const id = await row('garmin_connect_health', at, '{"value": 41}');
    expect(await signal(id)).toBeUndefined();
  });

  test('counts a day from midnight to midnight in UTC', async () => {
    for (const [moment, value] of [
      ['2024-06-02T07:59:59.999999+08:00', 1],
      ['2024-06-02T08:00:00+08:00', 10],
      ['2024-06-02T23:59:59.999999+00:00', 20],
      ['2024-06-03T00:00:00+00:00', 100],
    ] as const)
      await row('ios_manual', moment, `{"value": ${value}}`);
    const days = await query(
      `select stat_date::text, event_count::int, avg_value::float8, min_value::int, max_value::int
       from app.signal_daily_summary where stat_date between '2024-06-01' and '2024-06-03' order by 1`,
    );
    expect(days).toEqual([
      { stat_date: '2024-06-01', event_count: 1, avg_value: 1, min_value: 1, max_value: 1 },
      { stat_date: '2024-06-02', event_count: 2, avg_value: 15, min_value: 10, max_value: 20 },
      { stat_date: '2024-06-03', event_count: 1, avg_value: 100, min_value: 100, max_value: 100 },
    ]);
  });

  test('finds the newest and those of a day by an index, among many rows', async () => {
    await query(
      `insert into raw.raw_event (source_id, external_id, occurred_at, payload_json, payload_hash, request_id)
       select case when n % 4 = 0 then 'ios_manual' else 'garmin_connect_health' end, 'many-' || n,
         timestamptz '2024-01-01' + n * interval '10 minutes', '{"value": 1}', 'h', gen_random_uuid()
       from generate_series(1, 12000) n`,
    );
    await query('analyze raw.raw_event');
    const planOf = async (sql: string): Promise<string> =>
      JSON.stringify(await query(`explain (format json) ${sql}`));
    const newest = await planOf(
      'select * from app.signal_event order by occurred_at desc, signal_event_id desc limit 50',
    );
    expect(newest).toContain('"Index Name":"raw_event_signal_idx"');
    const day = await planOf(`select * from app.signal_daily_summary where stat_date = '2024-02-01'`);
    expect(day).toContain('raw_event_signal_date_idx');
  });
});

test('otw run reads random signals by a configuration file, and the same ones when it runs again', async () => {
  const folder = temporaryFolder();
  try {
    const config = join(folder.path, 'otw.config.json');
    const signals = { plugin: '@on-the-way/plugin-signal', config: { seed: 'test', perDay: 3 } };
    writeFileSync(
      config,
      JSON.stringify({ connections: { signals: { ...signals, windowDays: 2, backfillDays: 2 } } }),
    );
    const env = { OTW_DATA_DIR: folder.path, DATABASE_URL: made.url };
    const before = new Date().toISOString();
    for (let round = 1; round <= 2; round += 1) {
      const run = await otw(['run', 'signals', '--config', config], { env });
      expect(run, run.stderr).toMatchObject({ code: 0 });
    }
    const rows = await query<Signal & { tags_json: unknown }>(
      `select s.source_type, s.is_valid, s.tags_json from app.signal_event s
       join raw.raw_event e on e.raw_id = s.signal_event_id where e.ingested_at >= ?
         and e.payload_json->>'metric_type' = 'random_signal'`,
      [before],
    );
    expect(rows).toEqual(
      Array.from({ length: 6 }, () => ({ source_type: 'connector', is_valid: true, tags_json: [] })),
    );
  } finally {
    folder.remove();
  }
});
