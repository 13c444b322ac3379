import { chmodSync, chownSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { startGarminSimulator } from '@on-the-way/garmin-simulator';
import { expect, test } from 'vitest';
import { startEmbeddedPostgres } from '../src/storage/embedded/index.ts';
import { whyNot } from './embedded-hosts.ts';
import { otw, startOtw, temporaryFolder } from './otw.ts';

// The same run as whoever, over whichever Postgres.
const counts = `select count(distinct payload_json->>'metric_type')::int as metrics, current_setting('server_version_num')::int / 10000 as version from raw.raw_event`;

async function demo(
  env: Record<string, string>,
  as: { uid?: number; cwd?: string } = {},
): Promise<{ metrics: number; version: number }> {
  const run = await otw(['run'], { env, ...as });
  expect(run).toMatchObject({ code: 0 });
  const { stdout } = await otw(['query', counts, '--json'], { env, ...as });
  return (
    (JSON.parse(stdout) as { rows: { metrics: number; version: number }[] }).rows[0] ?? {
      metrics: 0,
      version: 0,
    }
  );
}

const nobody = 65_534;
const isRoot = process.getuid?.() === 0;

test('the demo runs as the user of this machine over the embedded Postgres 18', async () => {
  const folder = temporaryFolder();
  try {
    const { metrics, version } = await demo({ OTW_DATA_DIR: folder.path });
    expect(version).toBe(18);
    expect(metrics).toBeGreaterThan(28);
  } finally {
    folder.remove();
  }
});

const hindrance = whyNot({ uid: nobody, gid: nobody });
if (hindrance !== undefined) console.log(`skipped: the demo as an ordinary user: ${hindrance}`);
test.runIf(hindrance === undefined)('the demo runs as an ordinary user', async () => {
  const folder = temporaryFolder();
  try {
    chownSync(folder.path, nobody, nobody);
    const { metrics } = await demo({ OTW_DATA_DIR: folder.path }, { uid: nobody });
    expect(metrics).toBeGreaterThan(28);
  } finally {
    folder.remove();
  }
});

if (!isRoot) console.log('skipped: the demo as root: this is not root');
test.runIf(isRoot)('the demo runs as root below a folder that only root may enter', async () => {
  const folder = temporaryFolder();
  try {
    const closed = join(folder.path, 'closed');
    mkdirSync(closed);
    chmodSync(closed, 0o700);
    const { metrics } = await demo({ OTW_DATA_DIR: join(closed, 'data') });
    expect(metrics).toBeGreaterThan(28);
  } finally {
    folder.remove();
  }
});

const fifteen = '/usr/lib/postgresql/15/bin';
if (!existsSync(fifteen))
  console.log(`skipped: no Postgres 15 at ${fifteen} (Debian: apt-get install postgresql-15)`);

test.runIf(existsSync(fifteen))(
  'DATABASE_URL may name a Postgres 15: the same days are read into it, in the zone the contract names',
  async () => {
    const folder = temporaryFolder();
    const simulator = await startGarminSimulator();
    const server = await startEmbeddedPostgres({
      directory: join(folder.path, 'fifteen'),
      timeZone: 'UTC',
      durable: false,
      binaries: fifteen,
    });
    try {
      const env = {
        OTW_DATA_DIR: folder.path,
        DATABASE_URL: server.url.replace('postgresql:', 'postgresql+psycopg:'),
        GARMIN_EMAIL: 'runner@example.com',
        GARMIN_PASSWORD: 'simulated',
        GARMIN_API_ORIGIN: simulator.origin,
      };
      const { metrics, version } = await demo(env);
      expect(version).toBe(15);
      expect(metrics).toBeGreaterThan(28);
      const sql = `select current_setting('TimeZone') as zone, now()::text as now`;
      const { stdout } = await otw(['query', sql, '--json'], { env });
      expect(JSON.parse(stdout)).toMatchObject({
        rows: [{ zone: 'Asia/Shanghai', now: expect.stringMatching(/\+08$/) }],
      });
    } finally {
      await server.stop();
      await simulator.close();
      folder.remove();
    }
  },
);

test('without credentials the host stays up, the connection reports error and what to do', async () => {
  const folder = temporaryFolder();
  const host = startOtw(['start'], { env: { OTW_DATA_DIR: folder.path, GARMIN_IS_CN: 'false' } });
  try {
    const [, address] = await host.said(/serving on (http:\/\/127\.0\.0\.1:\d+)/);
    await host.said(/"msg":"run finished"/);
    const health = async (): Promise<unknown> => (await fetch(`${address}/v1/health/connector`)).json();
    await expect.poll(health).toMatchObject({
      status: 'ok',
      last_status: 'error',
      failure_count: 1,
      connections: [
        {
          simulated: false,
          last_error: { code: 'needs_user', message: expect.stringMatching(/npx otw login garmin/) },
        },
      ],
    });
    expect(host.process.exitCode).toBeNull();
    host.process.kill('SIGTERM');
    expect((await host.finished).code).toBe(0);
  } finally {
    host.process.kill('SIGKILL');
    await host.finished;
    folder.remove();
  }
});

test('a command that shares the database of another one is waited for', async () => {
  const folder = temporaryFolder();
  const env = { OTW_DATA_DIR: folder.path };
  try {
    const owner = startOtw(['query', 'select pg_sleep(2)::text as slept'], { env });
    const lock = join(folder.path, 'demo', 'otw.lock');
    const isUp = (): boolean => existsSync(lock) && readFileSync(lock, 'utf8').includes('databasePort');
    await expect.poll(isUp, { timeout: 30_000 }).toBe(true);
    const guest = await otw(['query', 'select pg_sleep(4)::text as slept'], { env });
    expect(guest).toMatchObject({ code: 0 });
    expect(await owner.finished).toMatchObject({ code: 0 });
  } finally {
    folder.remove();
  }
});

test('a DATABASE_URL where nothing answers ends with 69 and names the address without the password', async () => {
  const { code, stderr } = await otw(['status'], {
    env: { DATABASE_URL: 'postgresql://me:hunter22@127.0.0.1:9/otw' },
  });
  expect(code).toBe(69);
  expect(stderr).toMatch(/127\.0\.0\.1:9\/otw/);
  expect(stderr).not.toContain('hunter22');
});
