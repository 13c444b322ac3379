import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { defaultPolicySettings } from '@on-the-way/core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { ConnectionConfig } from '../src/config/host-config.ts';
import { openInProcess } from '../src/isolate/process-connector.ts';
import { resolvePlugin } from '../src/isolate/resolve-plugin.ts';
import { createLog } from '../src/log.ts';
import { createRedactor } from '../src/redact.ts';
import type { RunRequest } from '../src/run-service.ts';
import { temporaryFolder } from './otw.ts';
import { createTestHost, type TestHost } from './test-host.ts';

// A plugin that misbehaves costs its own run, never the host.
let made: TestHost;
beforeAll(async () => {
  made = await createTestHost({ ownProcesses: true });
});
afterAll(async () => made?.close());

let connections = 0;

/** Runs a connection of its own; of what is asked of the store, the answer is about that one. */
async function runOf(connection: Partial<ConnectionConfig>, request: Partial<RunRequest> = {}) {
  connections += 1;
  const name = `connection_${connections}`;
  await made.host.connections.ensure([name]);
  const policies = { ...defaultPolicySettings, firstRetryDelayMs: 1, attempts: 1 };
  const days = { windowDays: 1, backfillDays: 1 };
  const summary = await made.run(request, { name, ...days, policies, config: {}, ...connection });
  const ledger = () =>
    made.query<{ dataset: string; outcome: string; code: string | null; message: string; attempts: number }>(
      `select dataset, outcome, error_code as code, error_message as message, attempts
       from app.slice_ledger where connection = '${name}' order by dataset, day`,
    );
  return { name, summary, ledger };
}

const misbehaving = join(import.meta.dirname, 'fixtures', 'misbehaving.ts');

function run(...deeds: string[]) {
  return runOf({ plugin: misbehaving, config: { deeds } });
}

/** A slice may take so long, and a process that is opened again within it so much shorter. */
function within(sliceTimeoutMs: number) {
  return { ...defaultPolicySettings, firstRetryDelayMs: 1, attempts: 1, sliceTimeoutMs };
}

async function data(dataset: string): Promise<unknown> {
  const rows = await made.query<{ did: unknown }>(
    `select payload_json->'data'->'did' as did from raw.raw_event where payload_json->>'metric_type' = '${dataset}'`,
  );
  return rows[0]?.did;
}

test('it can read its own code and nothing else, and run no programs', async () => {
  await run('reads_files', 'runs_programs');
  expect(await data('reads_files')).toEqual({
    passwd: 'ERR_ACCESS_DENIED',
    lock_file: 'ERR_ACCESS_DENIED',
  });
  expect(await data('runs_programs')).toBe('ERR_ACCESS_DENIED');
});

test("its environment holds nothing of the host's", async () => {
  await run('reads_environment');
  expect(await data('reads_environment')).toEqual(['NODE_ENV', 'TZ']);
});

test('what it prints is not taken for an answer and goes to the log', async () => {
  const { summary } = await run('prints', 'well_behaved');
  expect(summary.status).toBe('succeeded');
  expect(await data('prints')).toBe('printed');
  expect(made.lines.some((line) => line.includes('noise'))).toBe(true);
});

test('a log line that no JSON can say is its own affair: it hears so, and what it says next arrives', async () => {
  const { summary } = await run('logs_what_json_cannot_say', 'well_behaved');
  expect(summary.status).toBe('succeeded');
  expect(await data('logs_what_json_cannot_say')).toEqual(['TypeError', 'TypeError']);
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
  const { summary, ledger } = await run(deed);
  expect(['failed', 'partial']).toContain(summary.status);
  const [entry] = await ledger();
  expect(entry).toMatchObject({ outcome: 'failed', code, message: expect.stringMatching(reason) });
});

test('a dataset that takes the process down fails alone: the others are read, in another process', async () => {
  const { summary, ledger } = await run(
    'exits',
    'well_behaved',
    'throws_late',
    'writes_to_channel',
    'prints',
  );
  expect(summary.status).toBe('partial');
  expect(await ledger()).toMatchObject([
    { dataset: 'exits', outcome: 'failed', code: 'process_died' },
    { dataset: 'prints', outcome: 'ok', code: null },
    { dataset: 'throws_late', outcome: 'failed', code: 'plugin_bug' },
    { dataset: 'well_behaved', outcome: 'ok', code: null },
    { dataset: 'writes_to_channel', outcome: 'failed', code: 'plugin_bug' },
  ]);
});

test('a dataset that loops for ever fails alone, and is not asked again in the same run', async () => {
  const { summary, ledger } = await runOf({
    plugin: misbehaving,
    config: { deeds: ['spins', 'well_behaved'] },
    windowDays: 3,
    backfillDays: 3,
    policies: { ...within(2_000), attempts: 2 },
  });
  expect(summary.error).toBeUndefined();
  expect(summary.datasets).toMatchObject({ spins: { failed: 1, notAsked: 2 }, well_behaved: { ok: 3 } });
  const asked = (await ledger()).filter(({ dataset, attempts }) => dataset === 'spins' && attempts > 0);
  expect(asked).toHaveLength(1);
});

test.each(['writes_to_channel', 'forges_a_log_line', 'writes_null'])(
  'a connector that %s is reported for it, and the host goes on',
  async (deed) => {
    const { ledger } = await run(deed);
    const [entry] = await ledger();
    expect(entry).toMatchObject({ code: 'plugin_bug', message: expect.stringMatching(/file descriptor 3/) });
  },
);

test.each(['never_answers', 'spins'])(
  'a connector that %s is given up after the time-out, and its process ended',
  async (deed) => {
    const policies = within(1_500);
    const { summary, ledger } = await runOf({ plugin: misbehaving, config: { deeds: [deed] }, policies });
    expect(summary.datasets[deed]).toMatchObject({ failed: 1 });
    const [entry] = await ledger();
    expect(entry?.message).toMatch(/within 1\.5 s/);
  },
);

test('the connector of the readme runs', async () => {
  const plugin = '@on-the-way/hello-connector';
  expect((await runOf({ plugin, config: { name: 'reader' } })).summary.status).toBe('succeeded');
  const [row] = await made.query<{ data: unknown }>(
    `select payload_json->'data' as data from raw.raw_event where source_id = 'hello'`,
  );
  expect(row?.data).toEqual({ text: 'Hello, reader!' });
});

test('--in-process runs a connector without a child, with the same rows', async () => {
  const hello = { plugin: '@on-the-way/hello-connector', config: { name: 'debugger' } };
  const here = await runOf(hello, { inProcess: true });
  expect(here.summary.datasets).toMatchObject({ greeting: { written: 1 } });
  const inChild = await runOf(hello);
  expect(inChild.summary.datasets).toMatchObject({ greeting: { written: 0, unchanged: 1 } });
});

test('a connector that is a file of a project reads neither the data directory nor dot files beside it', async () => {
  const project = temporaryFolder();
  try {
    for (const folder of ['.otw', 'data']) mkdirSync(join(project.path, folder));
    for (const file of ['.env', '.otw/password', 'data/password', 'notes.txt']) {
      writeFileSync(join(project.path, file), 'canary');
    }
    symlinkSync(join(import.meta.dirname, '..', '..', 'node_modules'), join(project.path, 'node_modules'));
    const plugin = join(project.path, 'curious.ts');
    writeFileSync(
      plugin,
      `import { readFileSync } from 'node:fs';
       import { defineConnector } from '@on-the-way/sdk';
       import { z } from 'zod';
       const read = (path: string) => { try { return readFileSync(import.meta.dirname + path, 'utf8'); } catch (error) { return (error as { code: string }).code; } };
       export default defineConnector({
         name: 'curious', version: '1.0.0', description: 'Looks around.', source: 'curious', config: z.object({}),
         login: async () => ({}), account: () => 'me',
         datasets: { look: { granularity: 'day', settleDays: 1, description: 'Looks.', async *fetch({ window }) {
           yield { day: window.from, data: ['/.env', '/.otw/password', '/data/password', '/notes.txt'].map(read) };
         } } },
       });`,
    );
    const redactor = createRedactor();
    const log = createLog({ redactor, level: 'error', pretty: false, write: () => undefined });
    const signal = new AbortController().signal;
    const connector = await openInProcess({
      plugin: resolvePlugin('./curious.ts', project.path),
      privateFolder: join(project.path, 'data'),
      config: {},
      timeZone: 'UTC',
      tokens: {
        load: async () => undefined,
        save: async () => undefined,
        update: async () => undefined,
        lock: async () => async () => undefined,
      },
      log,
      redactor,
      signal,
    });
    const window = { from: '2026-02-26', to: '2026-02-27' };
    const request = { dataset: 'look', window, requestId: '0b3f6f1e-6f7a-4f0e-9a46-5b1f0c1d2e3f' };
    const [batch] = await Array.fromAsync(connector.fetch(request, signal));
    await connector.close();
    const { data } = JSON.parse(batch?.events[0]?.event.payload ?? '') as { data: unknown };
    const denied = 'ERR_ACCESS_DENIED';
    expect(data).toEqual({ value: [denied, denied, denied, 'canary'] });
  } finally {
    project.remove();
  }
});

test('a process whose login failed ends when it is told to, and need not be killed', async () => {
  const before = made.lines.length;
  const { summary } = await runOf({ config: {} });
  expect(summary.error).toMatchObject({ code: 'needs_user' });
  const ended = made.lines.slice(before).find((line) => line.includes('connector process ended'));
  expect(JSON.parse(ended ?? '{}')).toMatchObject({ how: 'exit code 0' });
});

test('a dataset that is not there is a slip of the pen: nothing is read and health stays as it was', async () => {
  const hello = { plugin: '@on-the-way/hello-connector' };
  const { name, summary } = await runOf(hello, { onlyDatasets: ['greting'] });
  expect(summary.error).toMatchObject({
    code: 'usage',
    message: expect.stringMatching(/expected names out of greeting/),
  });
  expect((await made.host.connections.health([name]))[0]).toMatchObject({ lastStatus: 'never' });
});

test('a plugin that is not installed is a matter of configuration', async () => {
  const { name, summary } = await runOf({ plugin: '@on-the-way/nowhere' });
  const error = { code: 'plugin_not_found', message: expect.stringMatching(/npm install/) as unknown };
  expect(summary).toMatchObject({ status: 'failed', error });
  expect((await made.host.connections.health([name]))[0]).toMatchObject({ lastStatus: 'error' });
});
