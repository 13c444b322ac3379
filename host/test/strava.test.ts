import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { startStravaSimulator, type StravaSimulator } from '@on-the-way/strava-simulator';
import pg from 'pg';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { otw, startOtw, temporaryFolder } from './otw.ts';
import { createTestDatabase } from './postgres.ts';
import { createTestHost, fakeClock, type FakeClock, type TestHost } from './test-host.ts';

// The Strava connector in a real host, over the simulator: cursors, pages, limits and tokens that rotate.
const day = 86_400;
const from = Date.parse('2026-01-01T00:00:00Z') / 1000;
const history = { from, until: from + 70 * day, count: 95 };
const perPage = 20;

let strava: StravaSimulator;
const plugin = join(import.meta.dirname, '..', '..', 'plugins', 'strava', 'src', 'index.ts');

function configOf() {
  const { clientId, clientSecret, accounts, origin } = strava;
  return { clientId, clientSecret, refreshToken: accounts[0].refreshToken(), apiOrigin: origin, perPage };
}

const idsThere = (): string[] => strava.accounts[0].entries.map(({ id }) => String(id)).toSorted();
const pages = (): number => strava.requests.filter(({ path }) => path.endsWith('/activities')).length;

describe('in a host', () => {
  let clock: FakeClock;
  let made: TestHost;

  beforeEach(async () => {
    clock = fakeClock('2026-03-18T12:05:00Z');
    strava = await startStravaSimulator({ now: () => clock.now(), history });
    made = await createTestHost({ clock, connection: { plugin, config: configOf() } });
  });
  afterEach(async () => {
    await made.close();
    await strava.close();
  });

  async function idsStored(): Promise<string[]> {
    const rows = await made.query<{ id: string }>(
      `select payload_json->'data'->>'id' as id from raw.raw_event where payload_json->>'metric_type' = 'activities'`,
    );
    return rows.map(({ id }) => id).toSorted();
  }

  test('everything is stored once; a second run writes what was uploaded late, and nothing twice', async () => {
    expect(await made.run()).toMatchObject({ status: 'succeeded' });
    expect(await idsStored()).toEqual(idsThere());
    strava.accounts[0].upload(from + 60 * day);
    clock.advance({ hours: 1 });
    const { datasets } = await made.run();
    expect(datasets['activities']).toMatchObject({ written: 1 });
    expect(await idsStored()).toEqual(idsThere());
    const counts = await made.query(
      `select payload_json->>'metric_type' as dataset, count(*)::int as rows from raw.raw_event group by 1 order by 1`,
    );
    expect(counts).toEqual([
      { dataset: 'activities', rows: 96 },
      { dataset: 'athlete', rows: 1 },
      expect.objectContaining({ dataset: 'athlete_stats' }),
    ]);
    const [row] = await made.query<{ at: string; text: string }>(
      `select (occurred_at at time zone 'UTC')::text as at, payload_json->'data'->>'start_date' as text from raw.raw_event
       where payload_json->>'metric_type' = 'activities' limit 1`,
    );
    expect(`${row?.at.replace(' ', 'T')}Z`).toBe(row?.text);
  });

  test('a usual run makes five requests, and six where it renews its access, as docs/strava.md says', async () => {
    const connection = { plugin, config: { ...configOf(), perPage: 200 } };
    const usual = await createTestHost({ clock, connection });
    const counts: number[] = [];
    try {
      for (let run = 0; run < 4; run += 1) {
        strava.requests.length = 0;
        expect(await usual.run()).toMatchObject({ status: 'succeeded' });
        counts.push(strava.requests.length);
        clock.advance({ hours: 1 });
      }
    } finally {
      await usual.close();
    }
    expect(counts).toEqual([6, 5, 5, 5]);
  });

  test('with an activity in the future, what is uploaded during a pause of weeks is stored', async () => {
    strava.accounts[0].upload(clock.now() / 1000 + 400 * day);
    expect(await made.run()).toMatchObject({ status: 'succeeded' });
    for (let days = 1; days < 40; days += 1) {
      clock.advance({ days: 1 });
      strava.accounts[0].upload(clock.now() / 1000);
    }
    expect(await made.run()).toMatchObject({ status: 'succeeded' });
    expect(await idsStored()).toEqual(idsThere());
  });

  test('a 429 in the middle ends the run until the next quarter of the hour, and the rest comes later', async () => {
    strava.intercept = () => {
      if (pages() === 3) strava.use([100, 500]);
    };
    const refused = await made.run({ onlyDatasets: ['activities'] });
    expect(refused).toMatchObject({ status: 'failed', error: { code: 'rate_limited' } });
    const stored = (await idsStored()).length;
    expect(stored).toBeGreaterThan(0);
    expect(stored).toBeLessThan(95);
    const [state] = await made.query<{ until: Date }>('select not_before as until from app.connection_state');
    expect(state?.until.toISOString()).toMatch(/^2026-03-18T12:15:0/);
    strava.intercept = undefined;
    clock.advance({ hours: 1 });
    expect(await made.run({ onlyDatasets: ['activities'] })).toMatchObject({ status: 'succeeded' });
    expect(await idsStored()).toEqual(idsThere());
  });

  test('access that ends in the middle is renewed once, and the run notices nothing', async () => {
    strava.intercept = ({ path }) => {
      if (path.endsWith('/activities') && pages() === 2) strava.expireAccess();
    };
    expect(await made.run()).toMatchObject({ status: 'succeeded' });
    expect(await idsStored()).toEqual(idsThere());
    expect(strava.requests.filter(({ path }) => path === '/oauth/token')).toHaveLength(2);
    expect(made.lines.join('\n')).not.toContain(strava.accounts[0].refreshToken());
  });
});

async function rowsIn<Row extends pg.QueryResultRow>(url: string, sql: string): Promise<Row[]> {
  const client = new pg.Client(url);
  await client.connect();
  try {
    return (await client.query<Row>(sql)).rows;
  } finally {
    await client.end();
  }
}

async function idsIn(url: string): Promise<string[]> {
  const sql = `select payload_json->'data'->>'id' as id from raw.raw_event`;
  return (await rowsIn<{ id: string }>(url, sql)).map(({ id }) => id).toSorted();
}

async function hasCursor(url: string): Promise<boolean> {
  return (await rowsIn(url, 'select 1 from app.dataset_cursor')).length > 0;
}

test('kill -9 in the middle costs nothing: the next run goes on from the last checkpoint', async () => {
  strava = await startStravaSimulator({ history });
  const database = await createTestDatabase();
  const folder = temporaryFolder();
  try {
    const connection = { plugin, config: configOf(), every: '1h' };
    mkdirSync(join(folder.path, 'data'));
    writeFileSync(
      join(folder.path, 'otw.config.json'),
      JSON.stringify({ dataDir: 'data', database: database.url, connections: { strava: connection } }),
    );
    const host = startOtw(['run', '--dataset', 'activities'], { cwd: folder.path });
    strava.intercept = () => (pages() === 4 ? { how: 'hang' } : undefined);
    await expect.poll(pages, { timeout: 40_000 }).toBe(4);
    // What was read by then is on its way to the database still.
    await expect.poll(() => hasCursor(database.url)).toBe(true);
    host.process.kill('SIGKILL');
    expect((await host.finished).signal).toBe('SIGKILL');
    strava.intercept = undefined;
    strava.requests.length = 0;
    const run = await otw(['run', '--dataset', 'activities', '--json'], { cwd: folder.path });
    expect(run.code, run.stderr).toBe(0);
    const first = strava.requests.find(({ path }) => path.endsWith('/activities'));
    expect(Number(first?.query.get('after'))).toBeGreaterThan(from);
    expect(await idsIn(database.url)).toEqual(idsThere());
  } finally {
    await strava.close();
    await database.drop();
    folder.remove();
  }
});
