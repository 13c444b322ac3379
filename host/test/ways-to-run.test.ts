import { chmodSync, chownSync, existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { startGarminSimulator } from '@on-the-way/garmin-simulator';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { HostConfig } from '../src/config/host-config.ts';
import { loadConfig } from '../src/config/load-config.ts';
import { startEmbeddedPostgres } from '../src/storage/embedded/index.ts';
import { openStorage, type Storage } from '../src/storage/open-storage.ts';
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

// Where this is root, not even the user that Postgres runs as may enter.
test('the demo runs as the user of this machine over the embedded Postgres 18, in a folder that nobody else may enter', async () => {
  const folder = temporaryFolder();
  try {
    const closed = join(folder.path, 'closed');
    mkdirSync(closed);
    chmodSync(closed, 0o700);
    const { metrics, version } = await demo({ OTW_DATA_DIR: join(closed, 'data') });
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

describe('two commands over one embedded database', () => {
  let folder: ReturnType<typeof temporaryFolder>;
  let config: HostConfig;
  const options = { role: 'query', exclusive: false, log: () => undefined };
  beforeAll(async () => {
    folder = temporaryFolder();
    config = await loadConfig({ cwd: folder.path, env: { OTW_DATA_DIR: folder.path }, commandLine: {} });
  });
  afterAll(() => folder.remove());

  async function answers({ url }: Storage): Promise<boolean> {
    const client = new Client(url);
    await client.connect();
    const { rowCount } = await client.query('select 1').finally(() => client.end());
    return rowCount === 1;
  }

  test('the one that started it waits for the other, also while that one asks nothing', async () => {
    const waits = Promise.withResolvers<void>();
    const owner = await openStorage(config, {
      ...options,
      log: (message) => {
        if (message.startsWith('waiting for another command')) waits.resolve();
      },
    });
    const guest = await openStorage(config, options);
    expect([owner.kind, guest.kind]).toEqual(['own', 'attached']);
    let left = false;
    const closed = owner.close().then(() => void (left = true));
    await Promise.race([waits.promise, closed]);
    expect(left).toBe(false);
    expect(await answers(guest)).toBe(true);
    await guest.close();
    await closed;
  });

  test('one that comes just while the other leaves has a database all the same', async () => {
    for (const pauseMs of [0, 20]) {
      const owner = await openStorage(config, options);
      const closed = owner.close();
      await delay(pauseMs);
      const guest = await openStorage(config, options);
      if (guest.kind === 'own') await closed;
      expect(await answers(guest)).toBe(true);
      await guest.close();
      await closed;
    }
  });
});

test('a DATABASE_URL where nothing answers ends with 69 and names the address without the password', async () => {
  const { code, stderr } = await otw(['status'], {
    env: { DATABASE_URL: 'postgresql://me:hunter22@127.0.0.1:9/otw' },
  });
  expect(code).toBe(69);
  expect(stderr).toMatch(/127\.0\.0\.1:9\/otw/);
  expect(stderr).not.toContain('hunter22');
});
