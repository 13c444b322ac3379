import { afterEach, expect, test } from 'vitest';
import { coverageOf } from '../src/coverage.ts';
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
  made.simulator.edit(/dailyHeartRate.*date=2026-03-17/, (body) => ({
    ...(body as object),
    restingHeartRate: 99,
  }));
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

test('one dataset answering 500 for ever: the other 31 complete, its days are failed with the reason and asked again', async () => {
  const made = await host({ clock: fakeClock(noon) });
  made.simulator.answer(/dailyStress/, { status: 500, body: { message: 'no' } });
  const summary = await made.run();
  expect(summary.status).toBe('partial');
  for (const [dataset, counts] of Object.entries(summary.datasets)) {
    expect({ dataset, failed: counts.failed }).toEqual({ dataset, failed: dataset === 'stress' ? 10 : 0 });
  }
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

test.each([true, false])('both regions store the same shape (isChina %s)', async (isChina) => {
  const made = await host({ clock: fakeClock(noon), metrics: ['sleep'] });
  const config = { ...made.connection.config, isChina };
  expect((await made.run({}, { config })).status).toBe('succeeded');
});

test('no secret reaches rows, ledger, log or tokens left readable by others', async () => {
  const made = await host({ clock: fakeClock(noon), metrics: ['sleep'] });
  made.simulator.answer(/dailySleepData/, { status: 400, body: 'simulated simulated simulated' });
  await made.run();
  const stored = JSON.stringify([
    await made.query('select * from raw.raw_event'),
    await made.query('select * from app.slice_ledger'),
    await made.query('select * from app.run'),
    await made.query('select * from app.connector_health'),
    made.lines,
  ]);
  expect(stored).not.toContain('runner@example.com');
  expect(stored).not.toMatch(/"password":"simulated"|Bearer /);
});

test('two runs of one connection at once: the second is told that one is under way', async () => {
  const made = await host({ clock: fakeClock(noon), metrics: ['sleep'] });
  const both = await Promise.allSettled([made.run(), made.run()]);
  const refused = both.filter(({ status }) => status === 'rejected');
  expect(refused).toHaveLength(1);
  expect(refused[0]).toMatchObject({ reason: { code: 'already_running' } });
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
