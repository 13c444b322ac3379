import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
import { startOtw, temporaryFolder, type Running } from './otw.ts';
import { createTestDatabase, type TestDatabase } from './postgres.ts';
import { everyDay, scriptedPlugin, startScriptedSource, type ScriptedSource } from './scripted-source.ts';

// Hosts as they are deployed: processes of their own on one database, ended and frozen from outside.
const folder = temporaryFolder();
// Hosts that share sessions have one key.
const sessionKey = randomBytes(32).toString('base64');
const names = ['first', 'second', 'third'];
let database: TestDatabase;
let source: ScriptedSource;
let client: pg.Client;
let hosts: Running[] = [];

beforeAll(async () => {
  database = await createTestDatabase();
  source = await startScriptedSource();
  client = new pg.Client(database.url);
  await client.connect();
  const connection = {
    plugin: scriptedPlugin,
    config: { origin: source.origin, datasets: { steps: {}, sleep: {} } },
    every: '1h',
    windowDays: 1,
    backfillDays: 2,
  };
  const connections = Object.fromEntries(names.map((name) => [name, connection]));
  writeFileSync(join(folder.path, 'otw.config.json'), JSON.stringify({ connections }));
});
afterEach(async () => {
  source.hold = undefined;
  for (const { process } of hosts) process.kill('SIGKILL');
  await Promise.all(hosts.map(({ finished }) => finished));
  hosts = [];
});
afterAll(async () => {
  await client.end();
  await source.close();
  await database.drop();
  folder.remove();
});

function startHost(url = database.url): Running {
  const own = temporaryFolder();
  const env = { DATABASE_URL: url, OTW_DATA_DIR: own.path, OTW_SESSION_KEY: sessionKey };
  const host = startOtw(['start', '--role', 'worker', '--config', join(folder.path, 'otw.config.json')], {
    env,
  });
  void host.finished.then(() => own.remove());
  hosts.push(host);
  return host;
}

const addressOf = async (host: Running): Promise<string> =>
  (await host.said(/serving on (http:\/\/127\.0\.0\.1:\d+)/))[1] ?? '';

async function query<Row extends pg.QueryResultRow>(sql: string): Promise<Row[]> {
  return (await client.query<Row>(sql)).rows;
}

const soon = { timeout: 40_000, interval: 50 };

const allEnded = (succeeded: number): Promise<void> =>
  vi.waitFor(async () => {
    const [row] = await query<{ running: number; succeeded: number }>(
      `select count(*) filter (where status = 'running')::int as running,
         count(distinct connection) filter (where status = 'succeeded')::int as succeeded from app.run`,
    );
    expect(row).toEqual({ running: 0, succeeded });
  }, soon);

/** Everything is forgotten but the hosts, and due at once. */
async function makeAllDue(): Promise<void> {
  await query('truncate app.run, app.slice_ledger, app.dataset_frontier, raw.raw_event');
  await query(`update app.connection_state set next_run_at = now(), last_change = null`);
}

/** Holds back what is asked of a dataset, and counts who waits for it. */
function holdDatasets(): { readonly waiting: () => number; letGo(): void } {
  const free = Promise.withResolvers<void>();
  let waiting = 0;
  source.answer = (name, window) => (window.from === '' || name === 'marks' ? {} : everyDay(window));
  source.hold = async () => {
    waiting += 1;
    await free.promise;
  };
  return {
    waiting: () => waiting,
    letGo() {
      source.hold = undefined;
      free.resolve();
    },
  };
}

test(
  'two hosts that start together on an empty database both serve, five times in a row',
  { timeout: 120_000 },
  async () => {
    for (let round = 0; round < 5; round += 1) {
      const empty = await createTestDatabase();
      const pair = [startHost(empty.url), startHost(empty.url)];
      await Promise.all(pair.map(addressOf));
      for (const { process } of pair) process.kill('SIGKILL');
      await Promise.all(pair.map(({ finished }) => finished));
      await empty.drop();
    }
  },
);

test(
  'kill -9 of a host with runs under way: another takes them over within 15 s and goes on, and no day has two answers',
  { timeout: 90_000 },
  async () => {
    const doomed = startHost();
    await doomed.said(/serving on/);
    await allEnded(names.length);
    await startHost().said(/serving on/);
    const held = holdDatasets();
    await makeAllDue();
    await vi.waitFor(() => expect(held.waiting()).toBeGreaterThanOrEqual(names.length), soon);
    const [owned] = await query<{ pid: number }>(
      `select pid from app.host join app.connection_claim using (host_id) group by pid order by count(*) desc limit 1`,
    );
    const began = performance.now();
    const victim = hosts.find(({ process }) => process.pid === owned?.pid);
    victim?.process.kill('SIGKILL');
    held.letGo();
    await allEnded(names.length);
    const seconds = (performance.now() - began) / 1000;
    console.log(`runs of a host that was killed had ended elsewhere after ${seconds.toFixed(1)} s`);
    expect(seconds).toBeLessThan(15);
    expect(
      await query(`select from app.run where status = 'interrupted' and error_code = 'host_ended'`),
    ).not.toEqual([]);
    // The three read the same account: two datasets of two days.
    const rows = await query<{ n: number }>(`select count(*)::int as n from raw.raw_event`);
    expect(rows).toEqual([{ n: 4 }]);
  },
);

test(
  'a host that was frozen for 12 s has lost its connections, cannot write, and works again afterwards',
  { timeout: 120_000 },
  async () => {
    const frozen = startHost();
    const address = await addressOf(frozen);
    const held = holdDatasets();
    await makeAllDue();
    await vi.waitFor(() => expect(held.waiting()).toBeGreaterThanOrEqual(names.length), soon);
    const [{ id } = { id: '' }] = await query<{ id: string }>(
      'select host_id as id from app.host order by seen_at desc limit 1',
    );
    frozen.process.kill('SIGSTOP');
    const began = performance.now();
    source.hold = undefined;
    const other = startHost();
    await allEnded(names.length);
    const seconds = (performance.now() - began) / 1000;
    console.log(`runs of a host that was frozen had ended elsewhere after ${seconds.toFixed(1)} s`);
    expect(seconds).toBeLessThan(20);
    held.letGo();
    frozen.process.kill('SIGCONT');
    await vi.waitFor(async () => {
      const metrics = await (await fetch(`${address}/metrics`)).text();
      expect(Number(/^otw_fenced_writes_total (\d+)$/m.exec(metrics)?.[1])).toBeGreaterThan(0);
    }, soon);
    const late = await query(
      `select from app.slice_ledger as slice join app.run using (run_id) where run.host_id = '${id}'`,
    );
    expect(late).toEqual([]);
    other.process.kill('SIGTERM');
    await other.finished;
    await makeAllDue();
    await allEnded(names.length);
    expect(await query(`select from app.host where host_id = '${id}'`)).toEqual([]);
  },
);
