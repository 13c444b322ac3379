import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openDatabase, type Database } from '../src/storage/database.ts';
import { startFaultProxy } from './fault-proxy.ts';
import { startOtw, temporaryFolder, type Finished, type Running } from './otw.ts';
import { createMigratedDatabase, type TestDatabase } from './postgres.ts';
import { scriptedPlugin, startScriptedSource, type ScriptedSource } from './scripted-source.ts';

// Real hosts and commands that are told to stop in the middle of what they do. Each has a connection of its own.
const zone = 'Asia/Shanghai';
const sessionKey = randomBytes(32).toString('base64');
const folder = temporaryFolder();
const started: Running[] = [];
const sources: ScriptedSource[] = [];
let shared: TestDatabase;
let database: Database;
beforeAll(async () => {
  shared = await createMigratedDatabase();
  database = openDatabase(shared.url, zone);
});
afterAll(async () => {
  for (const { process, finished } of started) {
    process.kill('SIGKILL');
    await finished;
  }
  for (const source of sources) await source.close();
  await database.destroy();
  await shared.drop();
  folder.remove();
});

interface Scene {
  readonly name: string;
  readonly source: ScriptedSource;
  /** Holds the answers to such requests back. */
  hold(requests: RegExp): { readonly reached: Promise<void>; letGo(): void };
  begin(args: readonly string[], env?: Readonly<Record<string, string>>): Running;
}

/** A source, and a connection to it with two datasets of one day each. */
async function sceneOf(name: string): Promise<Scene> {
  const source = await startScriptedSource();
  sources.push(source);
  const config = { origin: source.origin, datasets: { steps: {}, sleep: {} } };
  const policies = { firstRetryDelayMs: 60_000 };
  const connection = { plugin: scriptedPlugin, config, windowDays: 1, backfillDays: 1, policies };
  const path = join(folder.path, `${name}.json`);
  writeFileSync(path, JSON.stringify({ connections: { [name]: connection }, dataDir: `${name}-data` }));
  return {
    name,
    source,
    hold(requests) {
      const reached = Promise.withResolvers<void>();
      const held = Promise.withResolvers<void>();
      source.hold = async (request) => {
        if (!requests.test(request)) return;
        reached.resolve();
        await held.promise;
      };
      return { reached: reached.promise, letGo: held.resolve };
    },
    begin(args, env = { DATABASE_URL: shared.url }) {
      const running = startOtw([...args, '--config', path], {
        env: { OTW_LOG_LEVEL: 'debug', OTW_SESSION_KEY: sessionKey, ...env },
      });
      started.push(running);
      return running;
    },
  };
}

async function stop(running: Running, signal: NodeJS.Signals): Promise<Finished & { readonly ms: number }> {
  const told = performance.now();
  running.process.kill(signal);
  const finished = await running.finished;
  return { ...finished, ms: performance.now() - told };
}

/** What stands in the database of a connection, and of hosts. */
async function leftOf(name: string, of: Database = database) {
  const sql = `select (select status from app.run where connection = state.connection) as status,
      array(select dataset || ' ' || outcome from app.slice_ledger where connection = state.connection) as ledger,
      exists (select from app.connection_claim as claim where claim.connection = state.connection
        and host_id is not null) as held,
      (select count(*)::int from app.host) as hosts
    from app.connection_state as state where connection = ?`;
  return (await of.raw<{ rows: Record<string, unknown>[] }>(sql, [name])).rows[0];
}

/** Processes below one, whatever they are. */
function below(pid: number): number[] {
  const text = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
  return text.split(' ').flatMap((child) => (child === '' ? [] : [Number(child), ...below(Number(child))]));
}

function isAlive(pid: number): boolean {
  try {
    // One that has ended and that nobody has asked about is gone as well.
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

const nobody = (pids: readonly number[]) =>
  expect.poll(() => pids.filter(isAlive), { timeout: 10_000, interval: 20 }).toEqual([]);

test.each([
  ['start', 'SIGTERM', 0],
  ['start', 'SIGINT', 0],
  ['run', 'SIGTERM', 143],
  ['run', 'SIGINT', 130],
] as const)(
  'otw %s finishes the slice it is in at a %s, records it, begins no other and exits with %i',
  async (command, signal, code) => {
    const { name, hold, begin } = await sceneOf(`late_${command}_${signal.toLowerCase()}`);
    const { reached, letGo } = hold(/^(steps|sleep) /);
    const running = begin(command === 'run' ? ['run', name] : ['start']);
    await reached;
    const children = below(running.process.pid ?? 0);
    const stopped = stop(running, signal);
    await running.said(/Stopping/);
    letGo();
    const { code: found, ms } = await stopped;
    expect(found).toBe(code);
    expect(ms).toBeLessThan(7_000);
    const ledger = [expect.stringMatching(/^(steps|sleep) ok$/)];
    expect(await leftOf(name)).toEqual({ status: 'interrupted', ledger, held: false, hosts: 0 });
    await nobody(children);
  },
);

test('a stop during a login lets it end and asks for nothing', async () => {
  const { name, source, hold, begin } = await sceneOf('login');
  const { reached, letGo } = hold(/^login$/);
  const running = begin(['start']);
  await reached;
  const stopped = stop(running, 'SIGTERM');
  await running.said(/Stopping/);
  letGo();
  expect((await stopped).code).toBe(0);
  expect(source.requests()).toEqual(['login']);
  expect(await leftOf(name)).toEqual({ status: 'interrupted', ledger: [], held: false, hosts: 0 });
});

test('a stop between two tries does not wait for the second', async () => {
  const { name, source, begin } = await sceneOf('backoff');
  const error = { code: 'transient', message: 'no answer' } as const;
  source.answer = (_, { from }) => (from === '' ? {} : { error });
  const running = begin(['start']);
  await running.said(/"msg":"trying again"/);
  const { code, ms } = await stop(running, 'SIGTERM');
  expect(code).toBe(0);
  expect(ms).toBeLessThan(5_000);
  expect(await leftOf(name)).toEqual({ status: 'interrupted', ledger: [], held: false, hosts: 0 });
});

test('a signal that comes while the daemon is still being loaded ends it with 0', async () => {
  const { begin } = await sceneOf('early');
  const hook = join(folder.path, 'early.mjs');
  writeFileSync(
    hook,
    `import { registerHooks } from 'node:module';
    registerHooks({ load: (url, context, next) => {
      if (url.endsWith('/cli/command-line.ts')) process.kill(process.pid, 'SIGTERM');
      return next(url, context);
    } });`,
  );
  const running = begin(['start'], { DATABASE_URL: shared.url, NODE_OPTIONS: `--import=${hook}` });
  expect(await running.finished).toMatchObject({ code: 0, signal: null });
});

test('a host that has nothing under way stops with 0 within ten seconds though the database answers no more', async () => {
  const { name, begin } = await sceneOf('silent');
  const proxy = await startFaultProxy(Number(new URL(shared.url).port));
  try {
    const running = begin(['start'], { DATABASE_URL: proxy.through(shared.url) });
    await running.said(/"msg":"run finished"/);
    const free = { status: 'succeeded', held: false };
    await expect.poll(() => leftOf(name), { timeout: 15_000 }).toMatchObject(free);
    await proxy.set({ kind: 'black-hole' });
    // What shows that the host is alive, and a look for what is due.
    await expect.poll(() => proxy.lossy, { timeout: 15_000 }).toBeGreaterThanOrEqual(2);
    const { code, ms, stderr } = await stop(running, 'SIGTERM');
    expect([code, stderr]).toEqual([0, expect.not.stringContaining('Did not stop')]);
    expect(ms).toBeLessThan(9_000);
  } finally {
    await proxy.close();
    // It could not take itself off the list; another host would, ten seconds later.
    await database.raw('delete from app.host');
  }
});

/** A database of its own in which nothing can be written to raw.raw_event, and how to wait for who tries. */
async function lockedDatabase() {
  const made = await createMigratedDatabase();
  // A session that nothing ends for being idle.
  const locker = new pg.Client(made.url);
  await locker.connect();
  await locker.query('begin');
  await locker.query('lock table raw.raw_event in access exclusive mode');
  const waits = `select from pg_locks where not granted and relation = 'raw.raw_event'::regclass`;
  return {
    url: made.url,
    tried: () =>
      expect.poll(async () => (await locker.query(waits)).rowCount, { timeout: 60_000 }).toBeGreaterThan(0),
    async drop() {
      await locker.end();
      await made.drop();
    },
  };
}

test('what does not end within seven seconds is given up, and the process is gone within ten', async () => {
  // A source that never answers, to a host and to a command, and a database that takes no rows.
  const [forever, command, hangs] = [
    await sceneOf('forever'),
    await sceneOf('forever_run'),
    await sceneOf('hangs'),
  ];
  const locked = await lockedDatabase();
  const other = openDatabase(locked.url, zone);
  try {
    const held = [forever.hold(/^(steps|sleep) /), command.hold(/^(steps|sleep) /)];
    const runs = [
      forever.begin(['start']),
      command.begin(['run', command.name]),
      hangs.begin(['start'], { DATABASE_URL: locked.url }),
    ];
    await Promise.all([...held.map(({ reached }) => reached), locked.tried()]);
    const ends = await Promise.all(runs.map((running) => stop(running, 'SIGTERM')));
    expect(ends.map(({ code }) => code)).toEqual([0, 143, 0]);
    for (const { ms } of ends) expect(ms).toBeLessThan(10_000);
    const nothing = { status: 'interrupted', ledger: [], held: false, hosts: 0 };
    expect(await leftOf(forever.name)).toEqual(nothing);
    expect(await leftOf(command.name)).toEqual(nothing);
    expect(await leftOf(hangs.name, other)).toEqual(nothing);
  } finally {
    await other.destroy();
    await locked.drop();
  }
}, 120_000);

test.each([
  ['SIGTERM', 143],
  ['SIGINT', 130],
] as const)(
  'a second %s ends a host at once, and no process of it is left',
  async (signal, code) => {
    const { hold, begin } = await sceneOf(`twice_${signal.toLowerCase()}`);
    const { reached } = hold(/^(steps|sleep) /);
    // With a Postgres of its own.
    const running = begin(['start'], {});
    await reached;
    const children = below(running.process.pid ?? 0);
    expect(children.length).toBeGreaterThan(2);
    running.process.kill('SIGTERM');
    await running.said(/Stopping/);
    const { code: found, ms } = await stop(running, signal);
    expect(found).toBe(code);
    expect(ms).toBeLessThan(2_000);
    await nobody(children);
  },
  60_000,
);
