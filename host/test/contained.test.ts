import { spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { defaultPolicySettings, type RunSummary } from '@on-the-way/core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { ConnectionConfig } from '../src/config/host-config.ts';
import { listen, type ApiServer } from '../src/http/server.ts';
import type { Probed } from './live-prober.ts';
import { createTestHost, type TestHost } from './test-host.ts';

// Whatever a connector does wherever it is called costs its own run, with the right code; the others and the host go on.

/** What is done where, and what is said of it. `run` ends the run, `slice` its one dataset, `spared` nothing. */
type Case = readonly [at: string, how: string, costs: 'run' | 'slice' | 'spared', code?: string];

const cases: readonly Case[] = [
  ['login', 'never', 'run', 'stalled'],
  ['login', 'spins', 'run', 'stalled'],
  ['login', 'throws', 'run', 'plugin_bug'],
  ['login', 'exits', 'run', 'process_died'],
  ['login', 'kills_host', 'run', 'plugin_bug'],
  ['login', 'debugs_host', 'run', 'plugin_bug'],
  ['account', 'waits', 'run', 'stalled'],
  ['account', 'throws', 'run', 'plugin_bug'],
  ['account', 'aborts', 'run', 'process_died'],
  ['datasets', 'never', 'run', 'stalled'],
  ['datasets', 'throws', 'run', 'plugin_bug'],
  ['datasets', 'exits', 'run', 'process_died'],
  ['last_change', 'never', 'spared'],
  ['last_change', 'exits', 'spared'],
  ['day_marks', 'waits', 'spared'],
  ['day_marks', 'throws', 'spared'],
  ['first', 'never', 'slice', 'stalled'],
  ['first', 'throws', 'slice', 'plugin_bug'],
  ['first', 'crashes', 'slice', 'process_died'],
  ['first', 'buffers', 'slice', 'memory_limit'],
  ['first', 'prints', 'spared'],
  ['first', 'patches', 'spared'],
  ['first', 'changes_folder', 'slice', 'plugin_bug'],
  ['middle', 'spins', 'slice', 'stalled'],
  ['middle', 'exits', 'slice', 'process_died'],
  ['middle', 'heap', 'slice', 'memory_limit'],
  ['middle', 'floods', 'slice', 'memory_limit'],
  ['middle', 'throws', 'slice', 'plugin_bug'],
  ['end', 'never', 'slice', 'stalled'],
  ['end', 'throws', 'slice', 'plugin_bug'],
  ['timer', 'throws', 'slice', 'plugin_bug'],
  ['timer', 'waits', 'slice', 'stalled'],
  ['event', 'throws', 'slice', 'plugin_bug'],
  ['logout', 'never', 'spared'],
  ['logout', 'throws', 'spared'],
  ['logout', 'exits', 'spared'],
];

const fixture = join(import.meta.dirname, 'fixtures', 'blocking.ts');
const ended = new Map<string, Promise<RunSummary>>();
const nameOf = (at: string, how: string): string => `${at}_${how}`;
const good: RunSummary[] = [];
let made: TestHost;
let server: ApiServer;
let all: Promise<void>;
let prober: ReturnType<typeof spawn>;
let probed = '';

function connectionOf(name: string, config: ConnectionConfig['config'], progressSeconds = 600) {
  return { name, config, limits: { memoryMb: 256, progressSeconds } };
}

const beside = ['good_1', 'good_2', 'good_3', 'good_4'];

/** Runs the cases, a few at once, and after each of them another connection, while the rest goes on. */
async function runAll(results: ReadonlyMap<Case, PromiseWithResolvers<RunSummary>>): Promise<void> {
  const left = [...results];
  const worker = async (name: string): Promise<void> => {
    for (let one = left.shift(); one !== undefined; one = left.shift()) {
      const [[at, how, , code], { resolve, reject }] = one;
      const isLate = code === 'stalled' || (at !== 'logout' && how === 'never') || how === 'waits';
      const connection = connectionOf(nameOf(at, how), { at, how }, isLate ? 1.5 : undefined);
      await made.run({ trigger: 'schedule' }, connection).then(resolve, reject);
      good.push(await made.run({}, connectionOf(name, {})));
    }
  };
  await Promise.all(beside.map(worker));
}

/** Child processes of connectors that this process has now. */
function connectorProcesses(): number {
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .filter((pid) => {
      try {
        const parent = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)?.split(' ')[1];
        return (
          parent === String(process.pid) &&
          readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('isolate/child.ts')
        );
      } catch {
        // Ended while it was looked at.
        return false;
      }
    }).length;
}

beforeAll(async () => {
  made = await createTestHost({
    ownProcesses: true,
    connection: {
      plugin: fixture,
      windowDays: 1,
      backfillDays: 1,
      policies: { ...defaultPolicySettings, attempts: 1 },
    },
  });
  server = await listen(made.host.app, { host: '127.0.0.1', port: 0 });
  const names = cases.map(([at, how]) => nameOf(at, how));
  await made.host.connections.ensure([...names, ...beside]);
  const path = join(import.meta.dirname, 'live-prober.ts');
  prober = spawn(process.execPath, [path, `${server.url}/v1/health/live`, String(process.pid)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  prober.stdout?.on('data', (text: Buffer) => (probed += text.toString()));
  const results = new Map(cases.map((one) => [one, Promise.withResolvers<RunSummary>()]));
  for (const [[at, how], { promise }] of results) ended.set(nameOf(at, how), promise);
  all = runAll(results);
});

afterAll(async () => {
  prober?.kill();
  await server?.close();
  await made?.close();
});

test.each(cases)('a connector that in its %s %s costs %s', async (at = '', how = '', costs, code) => {
  const { status, error, datasets } = (await ended.get(nameOf(at, how))) ?? {};
  if (costs === 'run') return expect({ status, code: error?.code }).toEqual({ status: 'failed', code });
  expect(error).toBeUndefined();
  expect(datasets).toMatchObject({ good: { ok: 1 }, bad: costs === 'slice' ? { failed: 1 } : { ok: 1 } });
  const ledger = await made.query<{ code: string | null; message: string | null }>(
    `select error_code as code, error_message as message from app.slice_ledger
     where connection = '${nameOf(at, how)}' and dataset = 'bad'`,
  );
  expect(ledger).toMatchObject([{ code: code ?? null }]);
  if (code === 'memory_limit') expect(ledger[0]?.message).toContain('Raise limits.memoryMb');
});

test('another connection of the same plugin succeeded all the while', async () => {
  await all;
  expect(good).toHaveLength(cases.length);
  expect(new Set(good.map(({ status }) => status))).toEqual(new Set(['succeeded']));
});

test('meanwhile the host answered, and its log is JSON, line by line', async () => {
  await all;
  const closed = new Promise((resolve) => prober.once('close', resolve));
  prober.stdin?.end();
  await closed;
  const { p99, failed } = JSON.parse(probed) as Probed;
  expect(failed).toBe(0);
  // Only a machine that is free can show 100 ms, see overload.test.ts; a host that is held up takes seconds.
  expect(p99).toBeLessThan(1000);
  expect(made.lines.every((line) => typeof JSON.parse(line) === 'object')).toBe(true);
});

test('a plugin that dies at every start is tried less and less often, with minutes between', async () => {
  const dying = { ...connectionOf('dying', { at: 'login', how: 'exits' }), intervalSeconds: 10 };
  await made.host.connections.ensure(['dying']);
  const waits: number[] = [];
  for (let run = 0; run < 3; run += 1) {
    await made.run({ trigger: 'schedule' }, dying);
    const [row] = await made.query<{ seconds: number }>(
      `select extract(epoch from next_run_at - now())::float8 as seconds
       from app.connection_state where connection = 'dying'`,
    );
    waits.push(Math.round((row?.seconds ?? 0) / 20) * 20);
  }
  expect(waits).toEqual([60, 120, 240]);
});

test('a run that takes too long begins nothing more, and the next one goes on', async () => {
  await made.host.connections.ensure(['slow']);
  const slow = {
    name: 'slow',
    config: {},
    windowDays: 4,
    backfillDays: 4,
    policies: { ...made.connection.policies, minIntervalMs: 400 },
  };
  const { status, error, datasets } = await made.run({}, { ...slow, limits: { wallSeconds: 1 } });
  expect({ status, code: error?.code }).toEqual({ status: 'partial', code: 'wall_limit' });
  const done = Object.values(datasets).reduce((sum, { ok, failed }) => sum + ok + failed, 0);
  expect(done).toBeLessThan(8);
  expect((await made.run({}, { ...slow, policies: made.connection.policies })).status).toBe('succeeded');
  const [row] = await made.query<{ days: number }>(
    `select count(*)::int as days from app.slice_ledger where connection = 'slow' and outcome = 'ok'`,
  );
  expect(row?.days).toBe(8);
});

test('a check that never ends is ended', async () => {
  const { service } = made.host;
  const signal = new AbortController().signal;
  const connection = { ...made.connection, ...connectionOf('good_1', { at: 'check', how: 'never' }, 1) };
  const checking = service.withConnector(connection, { signal }, (connector) => connector.check(signal));
  await expect(checking).rejects.toMatchObject({ code: 'stalled' });
});

test.runIf(process.platform === 'linux')(
  'no process is left but those that wait for the next run',
  async () => {
    await all;
    await expect.poll(connectorProcesses).toBeLessThanOrEqual(6);
    await made.host.connectorPool.close();
    await expect.poll(connectorProcesses).toBe(0);
  },
);
