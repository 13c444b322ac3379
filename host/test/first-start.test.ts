import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { otw, startOtw, temporaryFolder, type Running } from './otw.ts';

// What a stranger does first: start with no configuration at all. Every name as it is on the wire.
const folder = temporaryFolder();
const env = { OTW_DATA_DIR: folder.path };
let host: Running;
let address: string;

async function get(path: string): Promise<{ status: number; body: Record<string, unknown> }> {
  const response = await fetch(address + path);
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}

beforeAll(async () => {
  host = startOtw(['start'], { env });
  address = (await host.said(/serving on (http:\/\/127\.0\.0\.1:\d+)/))[1] ?? '';
  await host.said(/Look around/);
});

afterAll(async () => {
  host.process.kill('SIGKILL');
  await host.finished;
  folder.remove();
});

test('a start without configuration says that it is simulated, in log, API and summary', async () => {
  expect(host.stderr()).toMatch(/simulated Garmin account, invented data/);
  const { body } = await get('/v1/connections');
  expect(body).toMatchObject({ items: [{ name: 'garmin', simulated: true }] });
});

test('the first run begins by itself, after the host is serving', () => {
  expect(host.stderr()).toMatch(/serving on [^]*run started/);
  expect(host.stderr()).not.toMatch(/run started[^]*serving on /);
});

test("the demo's ten days of all 32 datasets have an outcome each", async () => {
  const { stdout, code } = await otw(['coverage', 'garmin', '--json'], { env });
  expect(code).toBe(0);
  const coverage = JSON.parse(stdout) as {
    datasets: { dataset: string; cells: { state: string }[] }[];
    totals: Record<string, number>;
  };
  expect(coverage.datasets).toHaveLength(32);
  expect(coverage.datasets.every(({ cells }) => cells.length === 10)).toBe(true);
  expect(coverage.totals).toMatchObject({ failed: 0, gap: 0 });
  expect(coverage.totals['ok']).toBeGreaterThan(100);
});

test('otw coverage draws the grid, otw query counts rows, while the host is up', async () => {
  const grid = await otw(['coverage', 'garmin'], { env });
  expect(grid.stdout).toMatch(/sleep +.*■/);
  const sql = `select payload_json->>'metric_type' as metric, count(*)::int as n from raw.raw_event group by 1`;
  const { stdout } = await otw(['query', sql, '--json'], { env });
  const { rows } = JSON.parse(stdout) as { rows: { metric: string; n: number }[] };
  expect(rows.length).toBeGreaterThan(25);
});

test('otw query refuses to write', async () => {
  const { code, stderr } = await otw(['query', 'delete from raw.raw_event'], { env });
  expect(code).toBe(1);
  expect(stderr).toMatch(/read-only transaction/);
  const two = await otw(['query', 'commit; delete from raw.raw_event'], { env });
  expect(two.code).toBe(1);
});

test('otw query runs as a role that can select and nothing else', async () => {
  const program = await otw(['query', `copy (select 1) to program 'id'`], { env });
  expect(program).toMatchObject({ code: 1, stderr: expect.stringMatching(/permission denied|read-only/) });
  const sneaky = `do $$ begin reset role; execute $c$copy (select 1) to program 'id'$c$; end $$`;
  expect(await otw(['query', sneaky], { env })).toMatchObject({ code: 1 });
  const files = await otw(['query', `select pg_read_file('/etc/passwd')`], { env });
  expect(files).toMatchObject({ code: 1, stderr: expect.stringMatching(/permission denied/) });
});

test('otw query keeps text that looks like a number as it is', async () => {
  const sql = `select '007' as agent, 7 as seven, 9007199254740993 as big`;
  const { stdout } = await otw(['query', sql, '--json'], { env });
  expect(stdout.trim()).toBe('{"rows":[{"agent":"007","seven":7,"big":"9007199254740993"}]}');
});

test('wrong usage ends with 2 and says what was expected', async () => {
  expect(await otw(['runs', 'nobody'], { env })).toMatchObject({
    code: 2,
    stderr: expect.stringMatching(/garmin/),
  });
  const future = await otw(['run', 'garmin', '--from', '2199-01-01'], { env });
  expect(future).toMatchObject({ code: 2, stderr: expect.stringMatching(/up to today/) });
  expect(await otw(['stat'], { env })).toMatchObject({
    code: 2,
    stderr: expect.stringMatching(/Did you mean/),
  });
});

test('GET /v1/health/connector says ok, in the shape of the contract', async () => {
  const { status, body } = await get('/v1/health/connector');
  expect(status).toBe(200);
  expect(body).toMatchObject({
    status: 'ok',
    last_run_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+08:00$/),
    last_status: 'ok',
    success_count: 1,
    failure_count: 0,
    connections: [{ name: 'garmin', last_status: 'ok' }],
  });
});

test('health/live and health/ready answer', async () => {
  const { body } = await get('/v1/health/live');
  expect(body).toEqual({ status: 'ok', service: 'api-service', time: expect.stringMatching(/\+08:00$/) });
  expect((await get('/v1/health/ready')).status).toBe(200);
});

test('GET /v1/runs lists the run with its counts by dataset, and pages', async () => {
  const { body } = await get('/v1/runs?connection=garmin&limit=1');
  const [run] = body['items'] as { run_id: string; datasets: Record<string, object> }[];
  expect(Object.keys(run?.datasets ?? {})).toHaveLength(32);
  expect(body['next_cursor']).toBeNull();
  expect((await get(`/v1/runs/${run?.run_id}`)).body).toMatchObject({ run: { status: 'succeeded' } });
});

test.each([
  ['/v1/runs?limit=0', 422, 'INVALID_ARGUMENT'],
  ['/v1/runs?limit=1&limit=2', 422, 'INVALID_ARGUMENT'],
  ['/v1/runs?surprise=1', 422, 'INVALID_ARGUMENT'],
  ['/v1/runs?cursor=nonsense', 422, 'INVALID_ARGUMENT'],
  [
    `/v1/runs?cursor=${btoa('0000-01-01T00:00:00Z 0b3f6f1e-6f7a-4f0e-9a46-5b1f0c1d2e3f')}`,
    422,
    'INVALID_ARGUMENT',
  ],
  ['/v1/runs?connection=%00', 422, 'INVALID_ARGUMENT'],
  ['/v1/runs/nonsense', 404, 'NOT_FOUND'],
  ['/v1/connections/nobody', 404, 'NOT_FOUND'],
  ['/v1/nothing', 404, 'NOT_FOUND'],
])('GET %s is refused with %i in the shape of the contract', async (path, status, code) => {
  const answer = await get(path);
  expect(answer).toEqual({
    status,
    body: {
      status: 'error',
      code,
      message: expect.any(String),
      request_id: expect.stringMatching(/^[0-9a-f-]{36}$/),
    },
  });
});

test('a run from the command line shares the database with the host and changes nothing', async () => {
  const { code, stdout } = await otw(['run', 'garmin', '--json'], { env });
  expect(code).toBe(0);
  const { datasets } = JSON.parse(stdout) as { datasets: Record<string, { written: number }> };
  expect(Object.values(datasets).reduce((sum, { written }) => sum + written, 0)).toBe(0);
});

test('a second host on the same data directory ends with 73 and says who has it', async () => {
  const { code, stderr } = await otw(['start'], { env });
  expect(code).toBe(73);
  expect(stderr).toMatch(new RegExp(`in use by pid ${host.process.pid}`));
});

test('otw check and otw doctor are satisfied', async () => {
  const check = await otw(['check'], { env });
  expect(check).toMatchObject({ code: 0, stdout: expect.stringContaining('32 datasets can be read') });
  const doctor = await otw(['doctor'], { env });
  expect(doctor).toMatchObject({ code: 0, stdout: expect.not.stringContaining('failed') });
});

/** Processes of this machine whose command line or folder names the data directory. */
function processesOf(path: string): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .filter((pid) => {
      try {
        const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8');
        return command.includes(path) || readFileSync(`/proc/${pid}/environ`, 'utf8').includes(path);
      } catch {
        return false;
      }
    });
}

test.runIf(process.platform === 'linux')(
  'SIGINT ends all of it within 10 s with exit code 0, no child and no postgres left',
  async () => {
    const before = processesOf(folder.path);
    expect(before.length).toBeGreaterThan(0);
    const asked = performance.now();
    host.process.kill('SIGINT');
    expect((await host.finished).code).toBe(0);
    expect(performance.now() - asked).toBeLessThan(10_000);
    expect(processesOf(folder.path)).toEqual([]);
  },
);

test('a second start is serving again without a run: the next one is not yet due', async () => {
  host.process.kill('SIGINT');
  await host.finished;
  host = startOtw(['start'], { env });
  address = (await host.said(/serving on (http:\/\/127\.0\.0\.1:\d+)/))[1] ?? '';
  expect(await get('/v1/health/live')).toMatchObject({ status: 200, body: { status: 'ok' } });
  await host.said(/Look around/);
  // Once the next run has its time, it is settled that none begins now.
  await expect
    .poll(async () => (await get('/v1/connections/garmin')).body, { timeout: 30_000 })
    .toMatchObject({ connection: { state: 'waiting', next_run_at: expect.any(String) } });
  const { items } = (await get('/v1/runs?connection=garmin')).body as { items: { trigger: string }[] };
  // That of the first start.
  expect(items.filter(({ trigger }) => trigger === 'schedule')).toHaveLength(1);
  expect(host.stderr()).not.toContain('run started');
});

test('the data directory is private', () => {
  const mode = execFileSync('stat', ['-c', '%a', folder.path + '/demo'], { encoding: 'utf8' }).trim();
  expect(mode).toBe('700');
});
