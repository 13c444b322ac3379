import { join } from 'node:path';
import { defaultPolicySettings, type RunSummary } from '@on-the-way/core';
import { afterEach, expect, test } from 'vitest';
import { createTestHost, type TestHost } from './test-host.ts';

// A plugin that misbehaves costs its own run, never the host.
let made: TestHost | undefined;
afterEach(async () => {
  await made?.close();
  made = undefined;
});

async function run(...deeds: string[]): Promise<{ host: TestHost; summary: RunSummary }> {
  made = await createTestHost({
    connection: {
      plugin: join(import.meta.dirname, 'fixtures', 'misbehaving.ts'),
      config: { deeds },
      windowDays: 1,
      backfillDays: 1,
      policies: { ...defaultPolicySettings, firstRetryDelayMs: 1, attempts: 1, sliceTimeoutMs: 1_500 },
    },
  });
  return { host: made, summary: await made.run() };
}

async function data(host: TestHost, dataset: string): Promise<unknown> {
  const rows = await host.query<{ did: unknown }>(
    `select payload_json->'data'->'did' as did from raw.raw_event where payload_json->>'metric_type' = '${dataset}'`,
  );
  return rows[0]?.did;
}

test('it can read its own code and nothing else, and run no programs', async () => {
  const { host } = await run('reads_files', 'runs_programs');
  expect(await data(host, 'reads_files')).toEqual({
    passwd: 'ERR_ACCESS_DENIED',
    lock_file: 'ERR_ACCESS_DENIED',
  });
  expect(await data(host, 'runs_programs')).toBe('ERR_ACCESS_DENIED');
});

test("its environment holds nothing of the host's", async () => {
  const { host } = await run('reads_environment');
  expect(await data(host, 'reads_environment')).toEqual(['NODE_ENV', 'TZ']);
});

test('what it prints is not taken for an answer and goes to the log', async () => {
  const { host, summary } = await run('prints', 'well_behaved');
  expect(summary.status).toBe('succeeded');
  expect(await data(host, 'prints')).toBe('printed');
  expect(host.lines.some((line) => line.includes('noise'))).toBe(true);
});

test('what it throws is reported as its bug, and the other datasets go on', async () => {
  const { summary } = await run('throws', 'well_behaved');
  expect(summary).toMatchObject({
    status: 'partial',
    datasets: { throws: { failed: 1 }, well_behaved: { ok: 1 } },
  });
});

test.each([
  ['throws_late', 'plugin_bug', /uncaught exception.*late/],
  ['rejects_late', 'plugin_bug', /unhandled rejection.*nobody listens/],
  ['exits', 'process_died', /exit code 3/],
  ['kills_itself', 'process_died', /SIGKILL/],
])('a connector that %s costs its run alone, with the reason', async (deed, code, reason) => {
  const { host, summary } = await run(deed);
  expect(['failed', 'partial']).toContain(summary.status);
  const [entry] = await host.query<{ outcome: string; code: string; message: string }>(
    'select outcome, error_code as code, error_message as message from app.slice_ledger',
  );
  expect(entry).toEqual({ outcome: 'failed', code, message: expect.stringMatching(reason) });
});

test('after the process died nothing more is asked of it; what was not asked stays a gap', async () => {
  const { host, summary } = await run('throws_late', 'exits', 'well_behaved', 'prints');
  expect(summary).toMatchObject({ status: 'failed', error: { code: 'process_died' } });
  const known = await host.query<{ n: number }>('select count(*)::int as n from app.slice_ledger');
  expect(known[0]?.n).toBe(2);
  expect((await host.run({}, { config: { deeds: ['well_behaved'] } })).status).toBe('succeeded');
});

test.each(['never_answers', 'spins'])(
  'a connector that %s is given up after the time-out, and its process ended',
  async (deed) => {
    const { host, summary } = await run(deed);
    expect(summary.datasets[deed]).toMatchObject({ failed: 1 });
    const [entry] = await host.query<{ message: string }>(
      'select error_message as message from app.slice_ledger',
    );
    expect(entry?.message).toMatch(/within 1\.5 s/);
  },
);

test('the connector of the readme runs', async () => {
  made = await createTestHost({
    connection: {
      plugin: '@on-the-way/hello-connector',
      config: { name: 'reader' },
      windowDays: 1,
      backfillDays: 1,
    },
  });
  expect((await made.run()).status).toBe('succeeded');
  const [row] = await made.query<{ data: unknown; source: string }>(
    `select payload_json->'data' as data, source_id as source from raw.raw_event`,
  );
  expect(row).toEqual({ data: { text: 'Hello, reader!' }, source: 'hello' });
});

test('--in-process runs a connector without a child, with the same rows', async () => {
  made = await createTestHost({
    connection: { plugin: '@on-the-way/hello-connector', config: {}, windowDays: 1, backfillDays: 1 },
  });
  expect((await made.run({ inProcess: true })).datasets).toMatchObject({ greeting: { written: 1 } });
  expect((await made.run()).datasets).toMatchObject({ greeting: { written: 0, unchanged: 1 } });
});
