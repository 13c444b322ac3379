import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, onTestFinished, test } from 'vitest';
import { coverageOf } from '../src/coverage.ts';
import { temporaryFolder } from './otw.ts';
import { createTestHost, fakeClock, type TestHost, type TestHostOptions } from './test-host.ts';

const noon = '2026-03-18T12:00:00+08:00';
let open: TestHost[] = [];

async function host(options: TestHostOptions = {}): Promise<TestHost> {
  const made = await createTestHost(options);
  open.push(made);
  return made;
}

afterEach(async () => {
  await Promise.all(open.map((made) => made.close()));
  open = [];
});

/** Changes the resting heart rate of 2026-03-17 wherever the source tells it; undone by what it gives back. */
function editHeartRate({ simulator }: TestHost): () => void {
  const restingHeartRate = 99;
  const undo = [
    simulator.edit(/dailyHeartRate.*date=2026-03-17/, (body) => ({ ...(body as object), restingHeartRate })),
    simulator.edit(/usersummary-service\/stats\/daily\//, (body) =>
      (body as { calendarDate: string; values: object }[]).map((row) =>
        row.calendarDate === '2026-03-17' ? { ...row, values: { ...row.values, restingHeartRate } } : row,
      ),
    ),
  ];
  return () => undo.forEach((each) => each());
}

async function rows(made: TestHost): Promise<number> {
  return (await made.query<{ n: number }>('select count(*)::int as n from raw.raw_event'))[0]?.n ?? -1;
}

test('ten runs over unchanged data leave the rows of the first', async () => {
  const made = await host({ clock: fakeClock(noon) });
  const first = await made.run();
  expect(first.status).toBe('succeeded');
  const count = await rows(made);
  expect(count).toBeGreaterThan(100);
  for (let round = 2; round <= 10; round += 1) {
    // As the predecessor would have stored them: a hash by other rules, read at another time.
    await made.query(`update raw.raw_event set payload_hash = 'other',
      payload_json = payload_json || '{"fetched_at":"2026-03-01T00:00:00+08:00"}' where ${round} = 5`);
    const { status, datasets } = await made.run();
    expect(status).toBe('succeeded');
    expect(Object.values(datasets).reduce((sum, { written }) => sum + written, 0)).toBe(0);
  }
  expect(await rows(made)).toBe(count);
});

test('a value the source changed is one new row; the old one stays and coverage says so', async () => {
  const clock = fakeClock(noon);
  const made = await host({ clock, metrics: ['heart_rate', 'sleep'] });
  await made.run();
  const before = await rows(made);
  editHeartRate(made);
  await made.run();
  const found = await made.query<{ n: number; resting: string[] }>(
    `select count(*)::int as n, array_agg(payload_json->'data'->>'restingHeartRate' order by ingested_at) as resting
     from raw.raw_event where payload_json->>'metric_type' = 'heart_rate' and payload_json->>'metric_date' = '2026-03-17'`,
  );
  expect(await rows(made)).toBe(before + 1);
  expect(found[0]).toMatchObject({ n: 2 });
  expect(found[0]?.resting[1]).toBe('99');
  expect(found[0]?.resting[0]).not.toBe('99');
  const coverage = await coverageOf(made.host, {
    connection: 'garmin',
    timeZone: 'Asia/Shanghai',
    now: clock.now(),
  });
  expect(coverage.totals.revisions).toBe(1);
  const cells = coverage.datasets.find(({ dataset }) => dataset === 'heart_rate')?.cells;
  expect(cells?.find(({ day }) => day === '2026-03-17')).toMatchObject({ state: 'ok', revisions: 1 });
});

test('a value that changes and changes back is two rows, and the ledger holds the first digest again', async () => {
  const made = await host({ clock: fakeClock(noon), metrics: ['heart_rate'] });
  const day = '2026-03-17';
  const digest = async () => {
    const sql = `select digest, revisions from app.slice_ledger where dataset = 'heart_rate' and day = '${day}'`;
    return (await made.query<{ digest: string; revisions: number }>(sql))[0];
  };
  const run = async () => (await made.run()).datasets['heart_rate']?.written;
  await run();
  const first = await digest();
  const undo = editHeartRate(made);
  expect(await run()).toBe(1);
  const second = await digest();
  undo();
  expect(await run()).toBe(0);
  expect(first).toEqual({ digest: expect.stringMatching(/^[0-9a-f]{16}$/), revisions: 0 });
  expect(second).toEqual({ digest: expect.not.stringContaining(first?.digest ?? ''), revisions: 1 });
  expect(await digest()).toEqual({ digest: first?.digest, revisions: 2 });
  const stored = await made.query<{ digest: string }>(
    `select right(external_id, 16) as digest from raw.raw_event
     where payload_json->>'metric_date' = '${day}' order by ingested_at`,
  );
  expect(stored.map((row) => row.digest)).toEqual([first?.digest, second?.digest]);
});

test('one dataset answering 500 for ever: the other 31 complete, its days fail with the reason, or are left for the next run', async () => {
  const made = await host({ clock: fakeClock(noon) });
  made.simulator.answer(/dailyStress/, { status: 500, body: { message: 'no' } });
  const summary = await made.run();
  expect(summary.status).toBe('partial');
  for (const [dataset, counts] of Object.entries(summary.datasets)) {
    const unread = counts.failed + counts.notAsked;
    expect({ dataset, unread }).toEqual({ dataset, unread: dataset === 'stress' ? 10 : 0 });
  }
  // Five days in a row, and those that were under way beside them; then the dataset is left alone.
  expect(summary.datasets['stress']?.failed).toBeGreaterThanOrEqual(5);
  expect(summary.datasets['stress']?.notAsked).toBeGreaterThan(0);
  const ledger = await made.query<{ outcome: string; code: string; message: string }>(
    `select distinct on (error_code) outcome, error_code as code, error_message as message
     from app.slice_ledger where dataset = 'stress' order by error_code`,
  );
  expect(ledger).toContainEqual({
    outcome: 'failed',
    code: 'transient',
    message: expect.stringContaining('500'),
  });
  const [health] = await made.host.connections.health(['garmin']);
  expect(health).toMatchObject({ lastStatus: 'error', lastErrorCode: 'slices_failed' });
  const line = made.lines
    .map((text) => JSON.parse(text) as Record<string, unknown>)
    .find(({ msg }) => msg === 'slice failed');
  expect(line).toMatchObject({
    metric_type: 'stress',
    date: expect.stringMatching(/^2026-03-\d\d$/),
    status: 500,
  });

  made.simulator.forgetRequests();
  await made.run();
  expect(made.simulator.requests.some(({ path }) => path.includes('dailyStress'))).toBe(true);
});

test('once the dataset answers again, its failed days are read and health is ok', async () => {
  const made = await host({ clock: fakeClock(noon), metrics: ['stress', 'sleep'] });
  const undo = made.simulator.answer(/dailyStress/, { status: 503 });
  await made.run();
  undo();
  const { status, datasets } = await made.run();
  expect({ status, failed: datasets['stress']?.failed }).toEqual({ status: 'succeeded', failed: 0 });
  const left = await made.query(`select 1 from app.slice_ledger where outcome = 'failed'`);
  expect(left).toEqual([]);
  expect((await made.host.connections.health(['garmin']))[0]).toMatchObject({
    lastStatus: 'ok',
    lastErrorCode: null,
  });
});

test('a rate limit ends the run, is remembered, and nothing is asked before its time', async () => {
  const clock = fakeClock(noon);
  const made = await host({ clock, metrics: ['sleep', 'stress'] });
  const undo = made.simulator.answer(/dailySleepData/, { status: 429, headers: { 'Retry-After': '900' } });
  const summary = await made.run();
  expect(summary).toMatchObject({ status: 'failed', error: { code: 'rate_limited', retryAfterMs: 900_000 } });
  undo();
  made.simulator.forgetRequests();
  clock.advance({ hours: 0.1 });
  expect((await made.run()).error).toMatchObject({ code: 'rate_limited' });
  expect(made.simulator.requests).toEqual([]);
  clock.advance({ hours: 0.2 });
  expect((await made.run()).status).toBe('succeeded');
});

test('training_readiness and recovery_time cost one request a day', async () => {
  const made = await host({ clock: fakeClock(noon), metrics: ['training_readiness', 'recovery_time'] });
  await made.run();
  const asked = made.simulator.requests.filter(({ path }) => path.includes('trainingreadiness'));
  expect(asked.length).toBe(10);
});

test('no credentials: the run is an error with the remedy, and nothing is asked of the source', async () => {
  const made = await host({ clock: fakeClock(noon), connection: { config: {} } });
  const summary = await made.run();
  expect(summary).toMatchObject({ status: 'failed', error: { code: 'needs_user' } });
  expect((await made.host.connections.health(['garmin']))[0]).toMatchObject({
    lastStatus: 'error',
    lastErrorMessage: expect.stringMatching(/GARMIN_EMAIL|GARMIN_TOKEN_DIR/),
  });
});

/** All that a row says, but for its own ids and when it was read. */
function saidBy(made: TestHost): Promise<{ metric: string }[]> {
  return made.query(
    `select source_id, external_id, occurred_at, payload_hash, payload_json - 'fetched_at' as payload,
       payload_json->>'metric_type' as metric
     from raw.raw_event order by external_id`,
  );
}

test('the same answers of either region are stored as the same rows', async () => {
  // One a granularity: a day, a range, a snapshot.
  const metrics = ['sleep', 'resting_heart_rate', 'devices'];
  const clock = fakeClock(noon);
  const china = await host({ clock, metrics });
  const { config } = china.connection;
  const other = await host({ clock, connection: { config: { ...config, isChina: false } } });
  expect((await china.run({}, { config: { ...config, isChina: true } })).status).toBe('succeeded');
  china.simulator.forgetRequests();
  expect((await other.run()).status).toBe('succeeded');
  // Both read from the one simulator.
  expect(china.simulator.requests).not.toEqual([]);
  expect(other.simulator.requests).toEqual([]);
  const stored = await saidBy(china);
  expect(new Set(stored.map(({ metric }) => metric))).toEqual(new Set(metrics));
  expect(stored.length).toBeGreaterThan(metrics.length);
  expect(await saidBy(other)).toEqual(stored);
});

/** Every string inside a value that is long enough to be a secret. */
function secretsIn(value: unknown): string[] {
  if (typeof value === 'string') return value.length >= 12 ? [value] : [];
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(secretsIn) : [];
}

/** Every row of every table, by table. */
async function allRows(made: TestHost): Promise<Record<string, unknown[]>> {
  const tables = await made.query<{ name: string }>(
    `select table_schema || '.' || table_name as name from information_schema.tables
     where table_schema in ('raw', 'app') order by 1`,
  );
  const all = tables.map(async ({ name }) => [name, await made.query(`select * from ${name}`)] as const);
  return Object.fromEntries(await Promise.all(all));
}

test('no password, e-mail or token is in any table or log line, and no token in a file', async () => {
  const folder = temporaryFolder();
  onTestFinished(() => folder.remove());
  const tokenDir = join(folder.path, 'tokens');
  const password = randomBytes(24).toString('hex');
  const email = `canary-${randomBytes(8).toString('hex')}@example.com`;
  const simulator = { email, password };
  const made = await host({ clock: fakeClock(noon), simulator, connection: { tokenDir } });
  const config = { ...made.connection.config, email, password };
  // The first run signs in and saves tokens; the others are answered with all that nobody may see.
  expect((await made.run({}, { config })).status).toBe('succeeded');
  const fields = await made.query<{ field: string }>('select field from app.connector_session');
  const saved = fields.map(({ field }) => made.host.sessions.load({ connection: 'garmin', field }));
  const kept = (await Promise.all(saved)).flatMap(secretsIn);
  // Whose session it is stands beside it as an account_ref, which every row has too.
  // When it was saved is no secret either, and may be the very millisecond the row was written.
  const issued = kept.filter((value) => !/^([0-9a-f]{12}|\d{4}-\d\d-\d\dT[\d:.]+Z)$/.test(value));
  const canaries = [password, email, encodeURIComponent(email), ...issued];
  expect(canaries.length).toBeGreaterThanOrEqual(3 + 4);
  const echo = canaries.join(' ');
  made.simulator.answer(/dailySleepData/, { status: 400, body: { message: echo } });
  made.simulator.answer(/dailyStress/, { status: 400, headers: { 'WWW-Authenticate': `Bearer ${echo}` } });
  const location = `http://127.0.0.1:9/?${new URLSearchParams({ email, password, echo }).toString()}`;
  made.simulator.answer(/dailyHeartRate/, { status: 302, headers: { Location: location } });
  made.simulator.answer(/respiration/, { status: 200, body: `not JSON: ${echo}` });
  const onlyDatasets = ['sleep', 'stress', 'heart_rate', 'respiration'];
  const { datasets } = await made.run({ onlyDatasets }, { config });
  const failed = Object.entries(datasets).filter((entry) => entry[1].failed > 0);
  expect(failed.map(([name]) => name).toSorted()).toEqual(onlyDatasets.toSorted());
  made.simulator.answer(/socialProfile/, { status: 500, body: { message: echo } });
  expect(await made.run({}, { config })).toMatchObject({ status: 'failed', error: { code: 'transient' } });

  const tables = await allRows(made);
  const filled = Object.keys(tables).filter((name) => tables[name]?.length !== 0);
  const ours = [
    'app.connection_state',
    'app.connector_health',
    'app.run',
    'app.slice_ledger',
    'raw.raw_event',
  ];
  expect(filled).toEqual(expect.arrayContaining(ours));
  expect(made.lines.filter((line) => line.includes('slice failed'))).not.toEqual([]);
  for (const [where, held] of Object.entries({ ...tables, log: made.lines })) {
    const text = JSON.stringify(held);
    expect({ where, found: canaries.filter((canary) => text.includes(canary)) }).toEqual({
      where,
      found: [],
    });
  }
  expect(existsSync(tokenDir)).toBe(false);
});

test('a sink that cannot be opened is a failed run with the reason, and health says so', async () => {
  const made = await host({ metrics: ['sleep'], connection: { sink: 'elsewhere' } });
  const summary = await made.run();
  expect(summary).toMatchObject({ status: 'failed', error: { message: expect.stringMatching(/elsewhere/) } });
  expect(await made.query('select status from app.run')).toEqual([{ status: 'failed' }]);
  expect((await made.host.connections.health(['garmin']))[0]).toMatchObject({ lastStatus: 'error' });
});

test('two runs of one connection at once: the second is told that one is under way', async () => {
  const made = await host({ clock: fakeClock(noon), metrics: ['sleep'] });
  // The run that began waits for the source until it is stopped, and cannot end before the other asks.
  made.simulator.answer(/sleep/i, { delayMs: 60_000 });
  const stop = new AbortController();
  const both = [made.run({ signal: stop.signal }), made.run({ signal: stop.signal })];
  await expect(Promise.race(both)).rejects.toMatchObject({ code: 'already_running' });
  stop.abort();
  const ended = (await Promise.allSettled(both)).filter(({ status }) => status === 'fulfilled');
  expect(ended).toMatchObject([{ value: { status: 'interrupted' } }]);
});

test('an interrupted run records nothing of the slice at work, and the next run completes the rest', async () => {
  const made = await host({ clock: fakeClock(noon), metrics: ['sleep', 'stress', 'devices'] });
  const stop = new AbortController();
  made.host.bus.once('slice:finished', () => stop.abort(new DOMException('stop', 'AbortError')));
  expect((await made.run({ signal: stop.signal })).status).toBe('interrupted');
  const known = await made.query<{ n: number }>('select count(*)::int as n from app.slice_ledger');
  expect(known[0]?.n).toBeLessThan(5);
  expect((await made.run()).status).toBe('succeeded');
  const coverage = await coverageOf(made.host, {
    connection: 'garmin',
    timeZone: 'Asia/Shanghai',
    now: Date.parse(noon),
  });
  expect(coverage.totals).toMatchObject({ gap: 0, failed: 0 });
});
