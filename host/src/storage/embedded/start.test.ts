import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { embeddedUrl, startEmbeddedPostgres } from './index.ts';
import { clusterProcesses } from './previous-server.ts';
import { ask, debianBinaries, hasDebian, startHost } from '../../../test/embedded-hosts.ts';

if (!hasDebian) console.log(`skipped: launcher on ${debianBinaries}, which is not installed`);

describe.each([
  { name: 'the npm package', binaries: undefined, present: true },
  { name: "the system's Postgres 15", binaries: debianBinaries, present: hasDebian },
])('an embedded Postgres of $name', ({ binaries, present }) => {
  if (!present) return test.skip('is not installed', () => {});
  // mkdtemp makes it 0700 and root's where root runs the tests: closed to the user Postgres runs as.
  let base: string;
  let directory: string;
  const options = () => ({
    directory,
    timeZone: 'Asia/Shanghai',
    durable: true,
    ...(binaries && { binaries }),
  });
  const cluster = () => join(directory, 'cluster');

  beforeAll(() => {
    base = mkdtempSync(join(tmpdir(), 'otw-launcher-'));
    directory = join(base, 'data', 'postgres');
  });
  afterAll(() => rmSync(base, { recursive: true, force: true }));

  test('is created below folders closed to others, and leaves their modes alone', async () => {
    const server = await startEmbeddedPostgres(options());
    const row = await ask(
      server.url,
      `SELECT current_setting('timezone') AS zone, current_setting('listen_addresses') AS addresses,
        current_setting('unix_socket_directories') AS sockets, current_setting('max_connections') AS connections,
        current_setting('server_encoding') AS encoding, current_setting('fsync') AS fsync`,
    );
    await ask(server.url, 'CREATE TABLE kept (value int); INSERT INTO kept VALUES (1); CHECKPOINT');
    await server.stop();
    expect(row).toEqual({
      zone: 'Asia/Shanghai',
      addresses: '127.0.0.1',
      sockets: '',
      connections: '200',
      encoding: 'UTF8',
      fsync: 'on',
    });
    expect(statSync(base).mode & 0o777).toBe(0o700);
    expect(statSync(join(base, 'data')).mode & 0o777).toBe(0o700);
    expect(statSync(cluster()).mode & 0o777).toBe(0o700);
    expect(statSync(join(directory, 'password')).mode & 0o777).toBe(0o600);
  });

  test('keeps its data and its password over a restart', async () => {
    const server = await startEmbeddedPostgres(options());
    expect(embeddedUrl(directory, server.port)).toBe(server.url);
    expect(await ask(server.url, 'SELECT value FROM kept')).toEqual({ value: 1 });
    await server.stop();
    expect(await server.exited).toEqual({ code: 0, signal: null });
  });

  test('ends within 5 s of a kill -9 of its host, and the next start finds the data', async () => {
    const host = startHost(options());
    const { url, pid } = await host.next('ready');
    await ask(url, 'UPDATE kept SET value = 2');
    host.child.kill('SIGKILL');
    const killedAt = performance.now();
    while (clusterProcesses(cluster()).length > 0) await delay(50);
    expect(performance.now() - killedAt).toBeLessThan(5_000);
    expect(() => process.kill(pid, 0)).toThrow('ESRCH');
    const server = await startEmbeddedPostgres(options());
    expect(await ask(server.url, 'SELECT value FROM kept')).toEqual({ value: 2 });
    await server.stop();
  });

  test('may be started while the one of a killed host is still going down', async () => {
    const host = startHost(options());
    await host.next('ready');
    host.child.kill('SIGKILL');
    const server = await startEmbeddedPostgres(options());
    expect(await ask(server.url, 'SELECT value FROM kept')).toEqual({ value: 2 });
    await server.stop();
  });

  test('tells when it dies by itself, and recovers what was committed', async () => {
    const server = await startEmbeddedPostgres(options());
    await ask(server.url, 'UPDATE kept SET value = 3');
    process.kill(server.pid, 'SIGKILL');
    expect(await server.exited).toEqual({ code: null, signal: 'SIGKILL' });
    await server.stop();
    const next = await startEmbeddedPostgres(options());
    expect(await ask(next.url, 'SELECT value FROM kept')).toEqual({ value: 3 });
    await next.stop();
  });

  test('stops though a client stays connected, and stopping again does no harm', async () => {
    const server = await startEmbeddedPostgres(options());
    const client = new pg.Client(server.url);
    const lost: unknown[] = [];
    client.on('error', (error) => lost.push(error));
    await client.connect();
    const startedAt = performance.now();
    await Promise.all([server.stop(), server.stop()]);
    expect(performance.now() - startedAt).toBeLessThan(6_000);
    await server.stop();
    expect(lost).not.toEqual([]);
  });

  test('starts though its stale pid file names a living process of the same user', async () => {
    const { uid, gid } = statSync(cluster());
    const stranger = spawn('sleep', ['60'], { cwd: '/', ...(process.geteuid?.() === 0 && { uid, gid }) });
    try {
      const lines = [stranger.pid, '/proc/self/fd/3', 1, 5432, '', '127.0.0.1', '1 1', 'ready'];
      writeFileSync(join(cluster(), 'postmaster.pid'), `${lines.join('\n')}\n`);
      const server = await startEmbeddedPostgres(options());
      await server.stop();
    } finally {
      stranger.kill();
    }
  });

  test('says why it does not start, in the words of its log', async () => {
    const path = join(cluster(), 'postgresql.conf');
    const before = readFileSync(path);
    appendFileSync(path, 'no_such_setting = 1\n');
    const failure = await startEmbeddedPostgres(options()).catch((error: unknown) => error);
    writeFileSync(path, before);
    expect(failure).toMatchObject({ code: 'start_failed' });
    expect(String(failure)).toContain('unrecognized configuration parameter "no_such_setting"');
  });
});

describe('the launcher', () => {
  let base: string;
  beforeAll(() => (base = mkdtempSync(join(tmpdir(), 'otw-launcher-'))) && undefined);
  afterAll(() => rmSync(base, { recursive: true, force: true }));

  test('starts anew after a kill during the creation, and removes what that left', async () => {
    const parent = join(base, 'killed');
    const directory = join(parent, 'postgres');
    const host = startHost({ directory, durable: false });
    await host.next('log');
    await delay(200);
    host.child.kill('SIGKILL');
    await once(host.child, 'exit');
    expect(readdirSync(parent)).toEqual([expect.stringMatching(/^postgres\.new-/)]);
    const server = await startEmbeddedPostgres({ directory, timeZone: 'UTC', durable: false });
    expect(await ask(server.url, `SELECT current_setting('fsync') AS fsync`)).toEqual({ fsync: 'off' });
    await server.stop();
    // The orphaned initdb may have been writing still when its folder was removed; the next start clears that too.
    const again = await startEmbeddedPostgres({ directory, timeZone: 'UTC', durable: false });
    await again.stop();
    expect(readdirSync(parent)).toEqual(['postgres']);
  });

  test('moves a half-made database aside instead of deleting it', async () => {
    const parent = join(base, 'half');
    const directory = join(parent, 'postgres');
    mkdirSync(join(directory, 'cluster', 'base'), { recursive: true });
    const told: string[] = [];
    const log = (message: string) => told.push(message);
    const server = await startEmbeddedPostgres({ directory, timeZone: 'UTC', durable: false, log });
    await server.stop();
    expect(told[0]).toMatch(/held no database: moved to .*postgres\.aside-/);
    expect(readdirSync(parent)).toHaveLength(2);
  });

  test.runIf(hasDebian)(
    'refuses binaries of another version than the one that made the database',
    async () => {
      const directory = join(base, 'half', 'postgres');
      const start = startEmbeddedPostgres({
        directory,
        timeZone: 'UTC',
        durable: false,
        binaries: debianBinaries,
      });
      await expect(start).rejects.toMatchObject({ code: 'version_mismatch' });
    },
  );

  test('says what to install where there is no Postgres', async () => {
    const directory = join(base, 'none', 'postgres');
    const start = startEmbeddedPostgres({ directory, timeZone: 'UTC', durable: false, binaries: '/nowhere' });
    await expect(start).rejects.toMatchObject({
      code: 'no_postgres',
      message: expect.stringContaining('set DATABASE_URL'),
    });
  });
});
