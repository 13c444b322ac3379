import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { RunSummary } from '@on-the-way/core';
import { createTestHost, fakeClock, type TestHost } from './test-host.ts';

let made: TestHost;
let summary: RunSummary;
const today = '2026-03-18';

interface Ended {
  readonly outcome: string;
  readonly code: string | null;
  readonly said: string | null;
  readonly letters: number;
}

let ended: ReadonlyMap<string, Ended>;

beforeAll(async () => {
  made = await createTestHost({
    clock: fakeClock(`${today}T12:00:00+08:00`),
    connection: {
      plugin: join(import.meta.dirname, 'fixtures', 'wrong-data.ts'),
      config: {},
      backfillDays: 1,
      windowDays: 1,
    },
  });
  summary = await made.run();
  const rows = await made.query<Ended & { dataset: string }>(
    `select dataset, outcome, error_code as code, error_message as said, (select count(*)::int
       from app.dead_letter letter where letter.dataset = ledger.dataset and kind = 'event') as letters
     from app.slice_ledger as ledger`,
  );
  ended = new Map(rows.map(({ dataset, ...row }) => [dataset, row]));
}, 60_000);
afterAll(() => made.close());

test('the other datasets go on, and the run says that some did not', async () => {
  expect(summary.status).toBe('partial');
  expect(ended.get('good')).toMatchObject({ outcome: 'ok' });
  expect(summary.datasets['good']).toMatchObject({ read: 2, written: 2 });
  expect(ended.size).toBe(Object.keys(summary.datasets).length);
});

test.each(['bigint', 'cycle', 'function', 'symbol', 'nothing', 'invalid_date', 'infinite', 'map', 'deep'])(
  'data that JSON cannot hold (%s) fails its slice as bad_data',
  (dataset) => {
    expect(ended.get(dataset)).toMatchObject({
      outcome: 'failed',
      code: 'bad_data',
      said: expect.stringContaining('nothing was stored'),
    });
  },
);

test.each(['nul', 'lone_surrogate'])(
  'data that Postgres cannot hold (%s) is set aside with its bytes',
  (dataset) => {
    expect(ended.get(dataset)).toMatchObject({ outcome: 'failed', code: 'bad_data', letters: 1 });
    expect(summary.datasets[dataset]).toMatchObject({ read: 2, written: 1, setAside: 1 });
  },
);

test('a record of 20 MB is stored', () => {
  expect(ended.get('large')).toMatchObject({ outcome: 'ok' });
  expect(summary.datasets['large']).toMatchObject({ written: 2 });
});

test.each([
  'outside',
  'day_format',
  'day_missing',
  'day_long',
  'day_nul',
  'record_missing',
  'checkpoint_of_days',
])(
  'a record that answers for no day that was asked for (%s) is a bug of the plugin, told shortly',
  (dataset) => {
    const { outcome, code, said } = ended.get(dataset)!;
    expect({ outcome, code }).toEqual({ outcome: 'failed', code: 'plugin_bug' });
    expect(said).toContain('2026-03-18');
    expect(said?.length).toBeLessThan(300);
  },
);

test.each([
  'key_missing',
  'key_empty',
  'key_number',
  'key_control',
  'key_nul',
  'key_surrogate',
  'key_colons',
  'key_long',
  'key_no_room',
  'occurred_at_format',
  'occurred_at_no_offset',
  'cursor_day_format',
  'cursor_nothing',
  'checkpoint_bigint',
  'checkpoint_long',
])('in a cursor dataset %s is a bug of the plugin', async (dataset) => {
  const { outcome, code, said } = ended.get(dataset)!;
  expect({ outcome, code }).toEqual({ outcome: 'failed', code: 'plugin_bug' });
  expect(said).toMatch(/^Expected .* got /);
  // What came before it is kept, and the next run begins there.
  expect(summary.datasets[dataset]).toMatchObject({ read: 1, written: 1 });
  expect(await made.query(`select cursor from app.dataset_cursor where dataset = '${dataset}'`)).toEqual([
    { cursor: 'good' },
  ]);
});

test('texts for the ledger are made fit for it', async () => {
  expect(ended.get('message_nul')).toMatchObject({ outcome: 'failed', code: 'source' });
  expect(ended.get('message_nul')?.said).toMatch(/^nul \uFFFD, half \uFFFD, and long/);
  expect(ended.get('message_nul')?.said?.length).toBe(4000);
  expect(ended.get('method_number')).toMatchObject({ outcome: 'failed', code: 'plugin_bug' });
  expect(ended.get('note_nul')).toMatchObject({ outcome: 'ok' });
  expect(await made.query("select note from app.slice_ledger where dataset = 'note_nul'")).toEqual([
    { note: 'off\uFFFDloaded' },
  ]);
});

test('data of a cursor dataset that JSON cannot hold fails its slice as bad_data', () => {
  expect(ended.get('cursor_bigint')).toMatchObject({ outcome: 'failed', code: 'bad_data' });
});
