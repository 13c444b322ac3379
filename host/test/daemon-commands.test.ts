import { lstatSync, readdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { RunSummary } from '@on-the-way/core';
import { Client } from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { ApiRefusal, createApiClient } from '../src/api-client.ts';
import { remoteError } from '../src/cli/remote.ts';
import { runRemotely, type RemoteRunWish } from '../src/cli/remote-run.ts';
import { exitCodeOf } from '../src/cli/run-summary.ts';
import { listen, type ApiServer } from '../src/http/server.ts';
import { otw, otwHere, startOtw, temporaryFolder, type Finished, type Running } from './otw.ts';
import { everyDay, scriptedPlugin, startScriptedSource, type ScriptedSource } from './scripted-source.ts';
import { createTestHost, type TestHost } from './test-host.ts';

/** Where nobody listens. */
async function closedOrigin(): Promise<string> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return `http://127.0.0.1:${port}`;
}

const key = 'a-key-for-tests-that-is-long-enough-0123456789';

describe('with --api a command is done by the host that is named', () => {
  let source: ScriptedSource;
  let made: TestHost;
  let server: ApiServer;
  let folder: ReturnType<typeof temporaryFolder>;
  const usual: ScriptedSource['answer'] = (name, window) =>
    window.from === '' || name === 'marks' ? {} : everyDay(window);

  beforeAll(async () => {
    folder = temporaryFolder();
    source = await startScriptedSource();
    made = await createTestHost({
      connection: {
        plugin: scriptedPlugin,
        config: { origin: source.origin, datasets: { steps: {}, sleep: {} } },
        backfillDays: 3,
      },
      http: { requireKey: true, apiKey: key },
    });
    server = await listen(made.host.app, { host: '127.0.0.1', port: 0 });
  });
  afterEach(() => {
    source.answer = usual;
  });
  afterAll(async () => {
    await server.close();
    await made.host.scheduler.stop();
    await made.close();
    await source.close();
    folder.remove();
  });

  // Nothing else would lead a command to this host: no DATABASE_URL, an empty data directory.
  function env(more: Record<string, string> = {}): Record<string, string> {
    return { OTW_DATA_DIR: join(folder.path, 'none'), OTW_API_KEY: key, OTW_API_URL: server.url, ...more };
  }
  function command(args: readonly string[], more?: Record<string, string>): Promise<Finished> {
    return otwHere(args, { env: env(more) });
  }

  test('otw run prints what a run of its own would, with progress, and exits as it would', async () => {
    const { code, stdout, stderr } = await otw(['run', '--json', '--api', server.url], {
      env: env({ OTW_API_URL: '' }),
    });
    expect({ code, stderr }).toMatchObject({ code: 0 });
    expect(JSON.parse(stdout)).toMatchObject({
      connection: 'garmin',
      status: 'succeeded',
      started_at: expect.stringMatching(/\+08:00$/),
      slices_planned: 6,
      skipped: null,
      datasets: { steps: { ok: 3, written: 3 }, sleep: { ok: 3, written: 3 } },
      error: null,
      not_before: null,
    });
    expect(stderr).toMatch(/garmin 6\/6 slices/);
    const rows = await made.query<{ trigger: string }>('select trigger from app.run');
    expect(rows).toEqual([{ trigger: 'person' }]);
    expect(readdirSync(folder.path)).toEqual([]);
  });

  /** The same without a process of its own. */
  function run(wish: Partial<RemoteRunWish> = {}): Promise<RunSummary> {
    const client = createApiClient({ origin: server.url, key });
    const connections = [{ name: 'garmin', simulated: false, next_run_at: null, not_before: null }];
    const remote = { client, connections, timeZone: 'Asia/Shanghai' };
    return runRemotely(remote, { name: undefined, signal: new AbortController().signal, ...wish });
  }

  test('a run of some days of some datasets reads those alone', async () => {
    source.requests();
    const summary = await run({ from: '2026-02-01', to: '2026-02-02', datasets: ['sleep'] });
    expect(summary).toMatchObject({ status: 'succeeded', datasets: { sleep: { ok: 2, written: 2 } } });
    expect(Object.keys(summary.datasets)).toEqual(['sleep']);
    const asked = source.requests().filter((each) => each.startsWith('s'));
    expect(asked.toSorted()).toEqual(['sleep 2026-02-01', 'sleep 2026-02-02']);
  });

  test('what goes wrong has the exit code that it has without a host', async () => {
    const [nobody, keyless] = await Promise.all([
      command(['run', 'nobody']),
      command(['check'], { OTW_API_KEY: '' }),
    ]);
    expect(nobody).toMatchObject({ code: 2, stderr: expect.stringContaining('(garmin), found nobody') });
    expect(keyless).toMatchObject({ code: 4, stderr: expect.stringMatching(/UNAUTHENTICATED.*OTW_API_KEY/) });
    await expect(run({ datasets: ['nothing'] })).rejects.toMatchObject({
      exitCode: 2,
      message: expect.stringContaining('expected names out of steps, sleep'),
    });

    source.answer = (name, window) =>
      name === 'sleep' ? { error: { code: 'bad_data', message: 'no' } } : usual(name, window);
    expect(exitCodeOf(await run())).toBe(3);
    source.answer = () => ({ error: { code: 'needs_user', message: 'sign in' } });
    const needsUser = await run();
    expect(exitCodeOf(needsUser)).toBe(4);
    expect(needsUser.error).toEqual({ code: 'needs_user', message: 'sign in' });
  });

  test('a pause of the source says until when, also where the host refuses to begin', async () => {
    source.answer = () => ({ error: { code: 'rate_limited', message: 'slow down', retryAfterMs: 600_000 } });
    for (const summary of [await run(), await run()]) {
      expect(exitCodeOf(summary)).toBe(5);
      expect(summary.error?.code).toBe('rate_limited');
      const until = summary.finishedAt + (summary.error?.retryAfterMs ?? 0);
      expect(Math.abs(until - Date.now() - 600_000)).toBeLessThan(60_000);
    }
    await made.query('update app.connection_state set not_before = null');
  });

  test('pause and resume hold the next run back and let it go, and check says what it found', async () => {
    expect(await command(['pause', '--json'])).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('+08:00'),
    });
    await expect(run()).rejects.toMatchObject({
      exitCode: 1,
      message: expect.stringContaining('otw resume garmin'),
    });
    const [resumed, checked] = await Promise.all([command(['resume']), command(['check', '--json'])]);
    expect(resumed).toMatchObject({ code: 0, stdout: expect.stringContaining('garmin is resumed') });
    expect(checked.code).toBe(0);
    expect(JSON.parse(checked.stdout)).toMatchObject({
      checks: [
        { what: 'host', ok: true },
        { what: 'sink postgres', ok: true },
        { what: 'connection garmin', ok: true, detail: expect.stringContaining('2 datasets') },
      ],
    });
  });

  test('otw status tells a pause of sign-ins, and which hosts there are', async () => {
    await made.query(`update app.connection_state set login_not_before = now() + interval '1 hour'`);
    const there = { DATABASE_URL: made.databaseUrl, GARMIN_EMAIL: 'runner@example.com' };
    const [json, table] = [await command(['status', '--json'], there), await command(['status'], there)];
    expect(JSON.parse(json.stdout)).toMatchObject({
      connections: [{ state: 'waiting', login_not_before: expect.stringContaining('+08:00') }],
    });
    expect(table.stdout).toMatch(/garmin: a sign-in was refused, and none is tried before /);
    expect(table.stdout).toMatch(/^Host [0-9a-f]{8}: all on /m);
    await made.query('update app.connection_state set login_not_before = null');
  });

  test('dead letters are listed and replayed there', async () => {
    source.answer = (name, window) =>
      name === 'sleep' ? { records: [{ day: window.from, data: { text: '\0' } }] } : usual(name, window);
    await made.run({ only: { from: '2026-02-01', to: '2026-02-02' } });
    const [letter] = await made.query<{ id: string }>('select dead_letter_id as id from app.dead_letter');
    const id = letter?.id ?? '';
    const [listed, replayed] = await Promise.all([
      command(['dead-letters', '--api', server.url, '--json']),
      command(['dead-letters', 'replay', id, '--json']),
    ]);
    expect(JSON.parse(listed.stdout)).toMatchObject({ dead_letters: [{ id, error_code: 'bad_data' }] });
    expect(replayed.code).toBe(3);
    expect(JSON.parse(replayed.stdout)).toMatchObject({
      id,
      outcome: 'refused',
      error: { code: 'bad_data' },
    });
    expect(await command(['dead-letters', 'drop', id, '--yes', '--api', server.url])).toMatchObject({
      code: 0,
    });
    expect(await made.query('select from app.dead_letter')).toEqual([]);
  });

  test('Ctrl-C ends the following, and the run goes on in the host', async () => {
    const asked = Promise.withResolvers<void>();
    source.answer = (name, window) => {
      if (name === 'steps') asked.resolve();
      return usual(name, window);
    };
    // Nothing can be stored before the command has ended.
    const holder = new Client(made.databaseUrl);
    await holder.connect();
    await holder.query('begin; lock table raw.raw_event in access exclusive mode');
    try {
      const run = startOtw(['run', '--from', '2026-01-01', '--to', '2026-01-01'], { env: env() });
      await asked.promise;
      const looked = await otwHere(['status', '--json'], {
        env: env({ DATABASE_URL: made.databaseUrl, GARMIN_EMAIL: 'runner@example.com' }),
      });
      expect(JSON.parse(looked.stdout)).toMatchObject({
        connections: [{ name: 'garmin', state: 'running' }],
      });
      run.process.kill('SIGINT');
      const finished = await run.finished;
      expect(finished).toMatchObject({ code: 130, stderr: expect.stringContaining('goes on in the host') });
    } finally {
      await holder.end();
    }
    const newest = 'select status from app.run order by started_at desc limit 1';
    const status = async (): Promise<unknown> => (await made.query<{ status: string }>(newest))[0]?.status;
    await expect.poll(status, { timeout: 20_000 }).toBe('succeeded');
  });

  test('a host that does not answer, or is no host, ends with 69', async () => {
    const other = createServer((_, response) => response.end('<html>'));
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    const { port } = other.address() as AddressInfo;
    const [nothing, stranger] = await Promise.all([
      command(['run'], { OTW_API_URL: await closedOrigin() }),
      command(['check'], { OTW_API_URL: `http://127.0.0.1:${port}` }),
    ]);
    other.close();
    expect(nothing).toMatchObject({
      code: 69,
      stderr: expect.stringMatching(/but: no answer \(ECONNREFUSED\)/),
    });
    expect(stranger).toMatchObject({ code: 69 });
  });

  test.each([
    [401, 4, /OTW_API_KEY/],
    [403, 1, /scope admin/],
    [404, 2, /words/],
    [409, 1, /words/],
    [422, 2, /words/],
    [429, 5, /words/],
    [503, 69, /words/],
    [500, 1, /words/],
  ])('a refusal with %i is exit code %i', (status, exitCode, message) => {
    const refusal = new ApiRefusal('words', { status, code: 'CODE', retryAfter: null });
    const client = createApiClient({ origin: 'http://127.0.0.1:9' });
    expect(remoteError(refusal, client)).toMatchObject({ exitCode, message: expect.stringMatching(message) });
  });
});

describe('while a daemon holds the embedded database', () => {
  let daemon: Running;
  let source: ScriptedSource;
  let folder: ReturnType<typeof temporaryFolder>;
  beforeAll(async () => {
    folder = temporaryFolder();
    source = await startScriptedSource();
    source.answer = (name, window) => (window.from === '' || name === 'marks' ? {} : everyDay(window));
    const config = { origin: source.origin, datasets: { steps: {}, sleep: {} } };
    const connections = { garmin: { plugin: scriptedPlugin, config, backfillDays: 1 } };
    writeFileSync(configFile(), JSON.stringify({ connections }), { mode: 0o600 });
    daemon = startOtw(['start', '--config', configFile()], {
      env: { ...env(), OTW_REQUIRE_API_KEY: 'true' },
    });
    await daemon.said(/"msg":"run finished"/);
  });
  afterAll(async () => {
    daemon.process.kill('SIGTERM');
    await daemon.finished;
    await source.close();
    folder.remove();
  });

  const configFile = (): string => join(folder.path, 'otw.config.json');
  function env(): Record<string, string> {
    return { OTW_DATA_DIR: folder.path, OTW_API_KEY: key };
  }
  function command(args: readonly string[], more?: Record<string, string>): Promise<Finished> {
    return otwHere([...args, '--config', configFile()], { env: { ...env(), ...more } });
  }
  const one = ['run', '--from', '2026-02-01', '--to', '2026-02-01', '--dataset', 'sleep'];

  test('a run is done by the daemon, and by the command itself where the daemon will not', async () => {
    const [byHost, byItself] = [await command(one), await command(one, { OTW_API_KEY: '' })];
    expect(byHost).toMatchObject({
      code: 0,
      stderr: expect.stringMatching(/The host at http:\/\/127\.0\.0\.1:\d+ does it/),
    });
    expect(byItself).toMatchObject({ code: 0, stderr: expect.stringContaining('Sharing the database') });
  });

  async function status(): Promise<{ readonly said: Record<string, unknown>; readonly table: string }> {
    const [json, table] = [await command(['status', '--json']), await command(['status'])];
    const { connections } = JSON.parse(json.stdout) as { connections: [Record<string, unknown>] };
    return { said: connections[0], table: table.stdout };
  }

  test('it is paused by it, and looked at beside it', async () => {
    const before = await status();
    expect(before.said).toMatchObject({
      state: 'waiting',
      paused_at: null,
      login_not_before: null,
      dead_letters: 0,
    });
    const next = String(before.said['next_run_at']);
    expect(Date.parse(next)).toBeGreaterThan(Date.now());
    expect(before.table).toContain(next);

    expect(await command(['pause'])).toMatchObject({ code: 0 });
    const sql = 'select paused_at is not null as paused from app.connection_state';
    expect((await command(['query', sql, '--json'])).stdout).toContain('{"rows":[{"paused":"t"}]}');
    const after = await status();
    expect(after.said).toMatchObject({
      state: 'paused',
      paused_at: expect.stringContaining('+08:00'),
      next_run_at: null,
    });
    expect(after.table).toMatch(/garmin +paused[^]*garmin is paused since .*otw resume garmin/);
  });

  test('everything in its data directory is for its owner alone', () => {
    const open = readdirSync(folder.path, { recursive: true, encoding: 'utf8' })
      .map((name) => join(folder.path, name))
      .filter((path) => lstatSync(path, { throwIfNoEntry: false }))
      .filter((path) => {
        const stats = lstatSync(path);
        // A link has no mode of its own.
        return !stats.isSymbolicLink() && (stats.mode & 0o077) !== 0;
      });
    expect(open).toEqual([]);
  });
});
