import { globSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { RawEvent } from '@on-the-way/sdk';
import jsonl from '../../plugins/jsonl/src/index.ts';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { settingAside } from '../src/set-aside.ts';
import { otw, temporaryFolder } from './otw.ts';
import { createMigratedDatabase, type TestDatabase } from './postgres.ts';

let folder: ReturnType<typeof temporaryFolder>;

beforeEach(() => {
  folder = temporaryFolder();
});
afterEach(() => folder.remove());

function files(): Record<string, string> {
  const cwd = join(folder.path, 'events');
  return Object.fromEntries(
    globSync('*/*.jsonl', { cwd }).map((path) => [path, readFileSync(join(cwd, path), 'utf8')]),
  );
}

const configuration = `
connections:
  signal:
    plugin: '@on-the-way/plugin-signal'
    config: { seed: 'files', perDay: 3 }
    timeZone: UTC
    sink: files
sinks:
  files:
    plugin: '@on-the-way/sink-jsonl'
    config: { directory: ./events }
`;

interface Summary {
  readonly datasets: Record<string, { readonly written: number; readonly unchanged: number }>;
}

async function run(database: TestDatabase, ...args: string[]) {
  const env = { DATABASE_URL: database.url, OTW_DATA_DIR: join(folder.path, 'data') };
  const { code, stdout, stderr } = await otw(['run', 'signal', '--json', ...args], { cwd: folder.path, env });
  expect([code, stderr]).toEqual([0, expect.any(String)]);
  const { written, unchanged } = (JSON.parse(stdout) as Summary).datasets['random_signal']!;
  return { written, unchanged };
}

test('what a connector reads is in the file of its day, once, and reading it again changes nothing', async () => {
  const database = await createMigratedDatabase();
  try {
    writeFileSync(join(folder.path, 'otw.config.yaml'), configuration);
    const days = ['--from', '2026-02-01', '--to', '2026-02-04'];
    expect(await run(database, ...days)).toEqual({ written: 12, unchanged: 0 });
    const stored = files();
    const names = ['01', '02', '03', '04'].map((day) => `signal_random_connector/2026-02-${day}.jsonl`);
    expect(Object.keys(stored).toSorted()).toEqual(names);
    for (const text of Object.values(stored)) {
      const lines = text
        .split('\n')
        .slice(0, -1)
        .map((line) => JSON.parse(line) as { payload: { metric_type: string } });
      expect(lines.map(({ payload }) => payload.metric_type)).toEqual(Array(3).fill('random_signal'));
    }
    expect(await run(database, ...days)).toEqual({ written: 0, unchanged: 12 });
    expect(files()).toEqual(stored);
  } finally {
    await database.drop();
  }
});

test('of a batch with an event that no file can hold, that one is set aside and the rest is stored', async () => {
  const directory = join(folder.path, 'events');
  const log = { debug() {}, info() {}, warn() {} };
  const sink = await jsonl.open({ config: jsonl.config.parse({ directory }), log });
  const batch = Array.from({ length: 9 }, (_, at): RawEvent => ({
    sourceId: 'source',
    externalId: String(at),
    occurredAt: '2026-02-26T00:00:00+08:00',
    payload: at === 4 ? '{"half":"\ud800"}' : `{"at":${at}}`,
    payloadHash: String(at),
    requestId: '0b3f6f1e-6f7a-4f0e-9a46-5b1f0c1d2e3f',
  }));
  const refused: string[] = [];
  const letters = {
    add: async (found: readonly { event: RawEvent }[]) =>
      void refused.push(...found.map(({ event }) => event.externalId)),
  };
  const { rows } = await settingAside(sink, { letters, connection: 'c', runId: 'r' }).write(batch, {
    signal: new AbortController().signal,
  });
  await sink.close();
  expect(rows.map(({ outcome }) => outcome)).toEqual(
    batch.map((_, at) => (at === 4 ? 'set_aside' : 'written')),
  );
  expect(refused).toEqual(['4']);
  expect(Object.values(files()).join('').split('\n').slice(0, -1)).toHaveLength(8);
});
