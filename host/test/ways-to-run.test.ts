import { chmodSync, chownSync, existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { startEmbeddedPostgres } from '../src/storage/embedded/index.ts';
import { whyNot } from './embedded-hosts.ts';
import { otw, temporaryFolder } from './otw.ts';

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
  'DATABASE_URL may name a Postgres 15; the connection then waits for credentials and says so',
  async () => {
    const folder = temporaryFolder();
    const server = await startEmbeddedPostgres({
      directory: join(folder.path, 'fifteen'),
      timeZone: 'UTC',
      durable: false,
      binaries: fifteen,
    });
    try {
      const env = { OTW_DATA_DIR: folder.path, DATABASE_URL: server.url };
      const { code, stdout } = await otw(['run', '--json'], { env });
      expect(code).toBe(4);
      expect(JSON.parse(stdout)).toMatchObject({ status: 'failed', error: { code: 'needs_user' } });
      const { stdout: rows } = await otw(
        [
          'query',
          `select current_setting('server_version') as v, current_setting('TimeZone') as zone`,
          '--json',
        ],
        { env },
      );
      expect(JSON.parse(rows)).toMatchObject({
        rows: [{ v: expect.stringMatching(/^15/), zone: 'Asia/Shanghai' }],
      });
    } finally {
      await server.stop();
      folder.remove();
    }
  },
);

test('a DATABASE_URL where nothing answers ends with 69 and names the address without the password', async () => {
  const { code, stderr } = await otw(['status'], {
    env: { DATABASE_URL: 'postgresql://me:hunter22@127.0.0.1:9/otw' },
  });
  expect(code).toBe(69);
  expect(stderr).toMatch(/127\.0\.0\.1:9\/otw/);
  expect(stderr).not.toContain('hunter22');
});
