import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { temporaryFolder } from '../host/test/otw.ts';
import { createMigratedDatabase, type TestDatabase } from '../host/test/postgres.ts';
import { writeWorkloads } from './make-workloads.ts';
import { openVariant, type Task, type VariantKind } from './variants.ts';
import { makeHeapTable } from './wire-copy.ts';

const folder = temporaryFolder();
let database: TestDatabase;
let client: pg.Client;

beforeAll(async () => {
  writeWorkloads(folder.path, { small: 150, warm: 100, large: 2, largeWarm: 1 });
  database = await createMigratedDatabase();
  client = new pg.Client(database.url);
  await client.connect();
  await client.query(makeHeapTable);
});

afterAll(async () => {
  await client.end();
  await database.drop();
  folder.remove();
});

async function stored(kind: VariantKind): Promise<readonly { hash: string; data: string }[]> {
  await client.query('truncate raw.raw_event');
  const task: Task = {
    kind,
    folder: folder.path,
    workload: 'small',
    url: database.url,
    rows: 150,
    warmRows: 100,
    transactionRows: 40,
  };
  const work = await openVariant(task);
  await work.write({ warm: true });
  await work.write({ warm: false });
  await work.close();
  const sql = `select source_id || ' ' || external_id || ' ' || payload_hash as hash, payload_json->>'data' as data
    from raw.raw_event order by source_id, external_id`;
  return (await client.query(sql)).rows;
}

test('whoever is measured stores the same rows as the sink does', async () => {
  const ours = await stored('fromWire');
  expect(ours).toHaveLength(250);
  for (const kind of ['table', 'merge', 'mergeTwice', 'knexRow', 'knexMany', 'sink'] as const)
    expect({ kind, rows: await stored(kind) }).toEqual({ kind, rows: ours });
});

test('the whole way stores as many, through the process of a connector', async () => {
  const rows = await stored('wholeWay');
  expect(new Set(rows.map(({ hash }) => hash)).size).toBe(250);
});
