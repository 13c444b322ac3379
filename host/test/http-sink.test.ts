import { startGarminSimulator, type GarminSimulator } from '@on-the-way/garmin-simulator';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { otw, startOtw, temporaryFolder, type Finished, type Running } from './otw.ts';
import { createMigratedDatabase, type TestDatabase } from './postgres.ts';

// A worker that cannot reach the database of the host it reads for: two databases, HTTP between them.
const key = `otw_${'a-key-of-the-api'.repeat(3)}`;
const folder = temporaryFolder();
let simulator: GarminSimulator;
let databases: { readonly api: TestDatabase; readonly worker: TestDatabase };
let api: Running;
let address: string;

async function query<Row extends pg.QueryResultRow>(of: 'api' | 'worker', sql: string): Promise<Row[]> {
  const client = new pg.Client(databases[of].url);
  await client.connect();
  try {
    return (await client.query<Row>(sql)).rows;
  } finally {
    await client.end();
  }
}

function environment(more: Readonly<Record<string, string>> = {}): Record<string, string> {
  return {
    DATABASE_URL: databases.worker.url,
    OTW_DATA_DIR: `${folder.path}/worker`,
    API_BASE_URL: address,
    OTW_API_KEY: key,
    GARMIN_EMAIL: 'runner@example.com',
    GARMIN_PASSWORD: 'simulated',
    GARMIN_API_ORIGIN: simulator.origin,
    // Shortly after midnight today has nothing yet.
    GARMIN_BACKFILL_DAYS: '5',
    ...more,
  };
}

/** One run of the worker; its numbers. */
async function run(
  ...args: string[]
): Promise<Finished & { readonly written: number; readonly seen: number }> {
  const finished = await otw(['run', '--json', ...args], { env: environment() });
  const { datasets } = JSON.parse(finished.stdout) as {
    datasets: Record<string, { written: number; unchanged: number }>;
  };
  const sum = (name: 'written' | 'unchanged') =>
    Object.values(datasets).reduce((total, counts) => total + counts[name], 0);
  return { ...finished, written: sum('written'), seen: sum('unchanged') };
}

const events = 'select external_id, payload_json, payload_hash from raw.raw_event order by external_id';
const audit =
  'select status, error_code, count(*)::int as n from app.request_audit group by 1, 2 order by 1, 2';

beforeAll(async () => {
  databases = { api: await createMigratedDatabase(), worker: await createMigratedDatabase() };
  simulator = await startGarminSimulator();
  const env = {
    DATABASE_URL: databases.api.url,
    OTW_DATA_DIR: `${folder.path}/api`,
    OTW_API_KEY: key,
    OTW_REQUIRE_API_KEY: 'true',
  };
  api = startOtw(['start', '--role', 'api'], { env });
  address = (await api.said(/serving on (http:\/\/127\.0\.0\.1:\d+)/))[1] ?? '';
});

afterAll(async () => {
  api.process.kill('SIGKILL');
  await api.finished;
  await simulator.close();
  await databases.api.drop();
  await databases.worker.drop();
  folder.remove();
});

test('what a worker reads is stored and audited by the host it posts to, and not by itself', async () => {
  const { code, written, stderr } = await run();
  expect([code, stderr]).toEqual([0, expect.not.stringContaining(key)]);
  const rows = await query<{ external_id: string }>('api', events);
  expect(rows.length).toBeGreaterThan(30);
  expect(rows).toHaveLength(written);
  expect(await query('worker', events)).toEqual([]);
  expect(await query('api', audit)).toEqual([{ status: 'ok', error_code: null, n: written }]);
});

test('reading the same days again changes nothing there', async () => {
  const before = await query('api', events);
  const days = before
    .map((row) => (row as { payload_json: { metric_date: string } }).payload_json.metric_date)
    .toSorted();
  const [from, to] = [days.at(0) ?? '', days.at(-1) ?? ''];
  const again = await run('--from', from, '--to', to, '--dataset', 'sleep,heart_rate,stress');
  expect(again).toMatchObject({ code: 0, written: 0 });
  expect(again.seen).toBeGreaterThan(0);
  expect(await query('api', events)).toEqual(before);
});

test('rows are the same as those of a host with a database of its own', async () => {
  const own = await createMigratedDatabase();
  const { API_BASE_URL: _, ...env } = environment({
    DATABASE_URL: own.url,
    OTW_DATA_DIR: `${folder.path}/own`,
    GARMIN_METRICS: 'sleep,heart_rate,activities',
  });
  const client = new pg.Client(own.url);
  try {
    expect((await otw(['run'], { env })).code).toBe(0);
    await client.connect();
    const { rows } = await client.query<Event>(events);
    const posted = await query<Event>('api', events);
    const keys = rows.map(({ external_id: id }) => id);
    const same = posted.filter(({ external_id: id }) => keys.includes(id));
    expect(keys.length).toBeGreaterThan(5);
    expect(same.map(withoutTimes)).toEqual(rows.map(withoutTimes));
  } finally {
    await client.end();
    await own.drop();
  }
});

interface Event {
  readonly external_id: string;
  readonly payload_hash: string;
  readonly payload_json: Readonly<Record<string, unknown>>;
}

function withoutTimes({ payload_json: payload, ...event }: Event): object {
  const { fetched_at: _, ...said } = payload;
  return { ...event, said };
}

test('a zone the other host does not take fails the slices and says what to do', async () => {
  const zone = { GARMIN_TIMEZONE: 'Europe/Berlin', GARMIN_METRICS: 'sleep' };
  const { code, stdout } = await otw(['run', '--json'], { env: environment(zone) });
  expect(code).toBe(3);
  expect(stdout).toMatch(/"failed":[1-9]/);
  const rows = await query<{ message: string }>(
    'worker',
    `select error_message as message from app.slice_ledger where outcome = 'failed' limit 1`,
  );
  expect(rows[0]?.message).toMatch(/INVALID_TIMEZONE/);
});

test('a wrong key ends in a message that names the refusal and no key', async () => {
  const wrong = `otw_${'quite-another-key'.repeat(3)}`;
  const env = environment({ OTW_API_KEY: wrong, GARMIN_METRICS: 'stress', GARMIN_BACKFILL_DAYS: '5' });
  const { code, stdout, stderr } = await otw(['run', '--json'], { env });
  expect(code).not.toBe(0);
  expect(`${stdout}${stderr}`).not.toMatch(/quite-another/);
  expect(`${stdout}${stderr}`).toMatch(/UNAUTHENTICATED/);
});
