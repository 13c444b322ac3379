import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { startGarminSimulator, type GarminSimulator } from '@on-the-way/garmin-simulator';
import { startStravaSimulator, type StravaSimulator } from '@on-the-way/strava-simulator';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { otwHere, startOtw, temporaryFolder, type Running } from './otw.ts';
import { createMigratedDatabase, type TestDatabase } from './postgres.ts';

// What connectors read on a worker that posts to another host, beside what a host stores that writes by itself.
const folder = temporaryFolder();
const plugins = join(import.meta.dirname, '..', '..', 'plugins');
const examples = join(import.meta.dirname, '..', '..', 'examples');
const day = 86_400;
let garmin: GarminSimulator;
let strava: StravaSimulator;
let databases: Readonly<Record<'api' | 'worker' | 'own', TestDatabase>>;
let api: Running;
let address: string;

interface Row {
  readonly external_id: string;
  readonly at: string;
  readonly payload: string;
  readonly payload_hash: string;
}

/** Rows as text, digit for digit, without when they were read. */
const rowsSql = `select external_id, (occurred_at at time zone 'UTC')::text as at,
  (payload_json - 'fetched_at')::text as payload, payload_hash from raw.raw_event
  where source_id = $1 order by external_id`;

async function query<Found extends pg.QueryResultRow>(
  of: 'api' | 'worker' | 'own',
  sql: string,
  values: readonly unknown[] = [],
): Promise<Found[]> {
  const client = new pg.Client(databases[of].url);
  await client.connect();
  try {
    return (await client.query<Found>(sql, [...values])).rows;
  } finally {
    await client.end();
  }
}

function connectionsOf(sink: string) {
  const { clientId, clientSecret, accounts, origin } = strava;
  const account = { email: 'runner@example.com', password: 'simulated' };
  const origins = { apiOrigin: garmin.origin, ssoOrigin: garmin.origin, authOrigin: garmin.origin };
  const refreshToken = accounts[0].refreshToken();
  const to = { sink, backfillDays: 3, timeZone: 'Asia/Shanghai' };
  return {
    hello: { plugin: join(examples, 'hello-connector', 'index.ts'), ...to },
    signal: { plugin: join(plugins, 'signal', 'src', 'index.ts'), config: { perDay: 400 }, ...to },
    strava: {
      plugin: join(plugins, 'strava', 'src', 'index.ts'),
      config: { clientId, clientSecret, refreshToken, apiOrigin: origin, perPage: 20 },
      ...to,
    },
    garmin: {
      plugin: join(plugins, 'garmin', 'src', 'index.ts'),
      config: {
        ...account,
        ...origins,
        minRequestIntervalMs: 0,
        metrics: ['sleep', 'heart_rate', 'activities'],
      },
      ...to,
    },
  };
}

function writeConfig(name: 'worker' | 'own', sink: string): string {
  const path = join(folder.path, `${name}.config.json`);
  const relay = { plugin: '@on-the-way/sink-http', config: { url: address } };
  writeFileSync(path, JSON.stringify({ connections: connectionsOf(sink), sinks: { relay } }));
  return path;
}

interface Counts {
  readonly written: number;
  readonly unchanged: number;
  readonly set_aside: number;
}

async function run(of: 'worker' | 'own', connection: string, ...args: readonly string[]) {
  const env = { DATABASE_URL: databases[of].url, OTW_DATA_DIR: join(folder.path, of) };
  const config = ['--config', join(folder.path, `${of}.config.json`)];
  const { code, stdout, stderr } = await otwHere(['run', connection, '--json', ...config, ...args], { env });
  const { datasets } = JSON.parse(stdout) as { datasets: Record<string, Counts> };
  const sum = (name: keyof Counts): number =>
    Object.values(datasets).reduce((total, counts) => total + counts[name], 0);
  return { code, stderr, written: sum('written'), unchanged: sum('unchanged'), setAside: sum('set_aside') };
}

beforeAll(async () => {
  const [first, second, third] = await Promise.all([1, 2, 3].map(() => createMigratedDatabase()));
  databases = { api: first!, worker: second!, own: third! };
  garmin = await startGarminSimulator();
  const now = Math.floor(Date.now() / 1000 / day) * day;
  strava = await startStravaSimulator({ history: { from: now - 60 * day, until: now - 5 * day, count: 45 } });
  const env = { DATABASE_URL: databases.api.url, OTW_DATA_DIR: join(folder.path, 'api') };
  const config = join(folder.path, 'api.config.json');
  writeFileSync(config, JSON.stringify({ connections: {} }));
  api = startOtw(['start', '--role', 'api', '--config', config], { env });
  address = (await api.said(/serving on (http:\/\/127\.0\.0\.1:\d+)/))[1] ?? '';
  writeConfig('worker', 'relay');
});

afterAll(async () => {
  api.process.kill('SIGKILL');
  await api.finished;
  await garmin.close();
  await strava.close();
  for (const database of Object.values(databases)) await database.drop();
  folder.remove();
});

// Days that are over, whenever the test runs: today's answers differ by the hour.
const newest = Math.floor(Date.now() / 1000 / day) - 4;
const dayOf = (number: number): string => new Date(number * day * 1000).toISOString().slice(0, 10);
const days = ['--from', dayOf(newest - 2), '--to', dayOf(newest)];

test.each([
  ['hello', 'hello', days],
  ['signal', 'signal_random_connector', days],
  ['strava', 'strava', ['--dataset', 'activities']],
  ['garmin', 'garmin_connect_health', days],
])(
  'what %s reads makes the rows there that it makes where it is read, and none when it is read again',
  async (connection, source, asked) => {
    const first = await run('worker', connection, ...asked);
    expect(first).toMatchObject({ code: 0, setAside: 0 });
    expect(first.written).toBeGreaterThan(2);
    const posted = await query<Row>('api', rowsSql, [source]);
    expect(posted).toHaveLength(first.written);
    expect(await query('worker', 'select 1 from raw.raw_event')).toEqual([]);
    writeConfig('own', 'postgres');
    expect(await run('own', connection, ...asked)).toMatchObject({ code: 0, written: first.written });
    expect(posted).toEqual(await query<Row>('own', rowsSql, [source]));
    // Or a source that says what is new is not asked for the rest.
    await query('worker', 'delete from app.dataset_cursor');
    const again = await run('worker', connection, ...asked);
    expect(again).toMatchObject({ code: 0, written: 0, unchanged: first.written, setAside: 0 });
  },
);
