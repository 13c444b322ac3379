import { startGarminSimulator, type GarminSimulator } from '@on-the-way/garmin-simulator';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { otw, startOtw, temporaryFolder, type Running } from './otw.ts';
import { createTestDatabase, type TestDatabase } from './postgres.ts';

// Two hosts on one database, as in the compose file: each a process with a data directory, and so a key, of its own.
const folders = { api: temporaryFolder(), worker: temporaryFolder() };
let database: TestDatabase;
let simulator: GarminSimulator;
let hosts: Record<'api' | 'worker', Running>;
const address = { api: '', worker: '' };

function environment(role: 'api' | 'worker'): Record<string, string> {
  return {
    DATABASE_URL: database.url,
    OTW_DATA_DIR: folders[role].path,
    GARMIN_EMAIL: 'runner@example.com',
    GARMIN_PASSWORD: 'simulated',
    GARMIN_API_ORIGIN: simulator.origin,
    GARMIN_METRICS: 'sleep,devices',
    GARMIN_BACKFILL_DAYS: '3',
  };
}

async function ask(role: 'api' | 'worker', path: string, method = 'GET') {
  const response = await fetch(address[role] + path, { method });
  return { status: response.status, text: await response.text() };
}

async function addressOf(host: Running): Promise<string> {
  return (await host.said(/serving on (http:\/\/127\.0\.0\.1:\d+)/))[1] ?? '';
}

beforeAll(async () => {
  database = await createTestDatabase();
  simulator = await startGarminSimulator();
  // The worker signs in and saves a session before the api, which has another key, starts.
  const worker = startOtw(['start', '--role', 'worker'], { env: environment('worker') });
  await worker.said(/"msg":"run finished"/);
  const api = startOtw(['start'], { env: { ...environment('api'), OTW_ROLE: 'api' } });
  hosts = { api, worker };
  address.worker = await addressOf(worker);
  address.api = await addressOf(api);
});

afterAll(async () => {
  for (const { process, finished } of Object.values(hosts)) {
    process.kill('SIGKILL');
    await finished;
  }
  await simulator.close();
  await database.drop();
  for (const folder of Object.values(folders)) folder.remove();
});

test('the run of the worker is seen through the api', async () => {
  const { status, text } = await ask('api', '/v1/runs');
  expect(status).toBe(200);
  expect(JSON.parse(text)).toMatchObject({ items: [{ trigger: 'schedule', status: 'succeeded' }] });
});

test('the worker answers whether it is well, and nothing else', async () => {
  expect((await ask('worker', '/v1/health/live')).status).toBe(200);
  expect((await ask('worker', '/v1/health/ready')).status).toBe(200);
  expect((await ask('worker', '/metrics')).text).toMatch(/^otw_runs_total\{.*\} 1$/m);
  for (const path of ['/v1/runs', '/v1/connections', '/v1/health/connector', '/openapi.json'])
    expect([path, (await ask('worker', path)).status]).toEqual([path, 404]);
  expect((await ask('worker', '/v1/connections/garmin/run', 'POST')).status).toBe(404);
});

test('the api checks no source, and says who does when it is asked for it', async () => {
  const { status, text } = await ask('api', '/v1/connections/garmin/check', 'POST');
  expect(status).toBe(409);
  expect(JSON.parse(text)).toMatchObject({
    code: 'WRONG_ROLE',
    message: expect.stringMatching(/role api.*worker/),
  });
});

test('a run that the api is asked for is begun by the worker, under the id that the api told', async () => {
  const { status, text } = await ask('api', '/v1/connections/garmin/run', 'POST');
  expect(status).toBe(202);
  const { run_id: id } = JSON.parse(text) as { run_id: string };
  await vi.waitFor(
    async () => {
      const { run } = JSON.parse((await ask('api', `/v1/runs/${id}`)).text) as { run: unknown };
      expect(run).toMatchObject({ status: 'succeeded', trigger: 'person' });
    },
    { timeout: 20_000, interval: 50 },
  );
  expect(hosts.api.stderr()).not.toMatch(/run started/);
});

test('both are on the list of hosts, each with its role', async () => {
  const { text } = await ask('api', '/v1/hosts');
  const { items } = JSON.parse(text) as { items: { role: string }[] };
  expect(items.map(({ role }) => role).toSorted()).toEqual(['api', 'worker']);
});

test('otw health asks the host of its environment, and says in one line what it found', async () => {
  const asked = (['api', 'worker'] as const).map(async (role) => {
    const env = { ...environment(role), API_PORT: new URL(address[role]).port };
    expect(await otw(['health'], { env })).toMatchObject({ code: 0, stdout: `${address[role]} is ready\n` });
  });
  await Promise.all(asked);
});

test('otw health ends with 69 where nobody answers, with 2 for an address that is none', async () => {
  const env = { DATABASE_URL: database.url, API_PORT: '9' };
  const [away, elsewhere, nowhere] = await Promise.all([
    otw(['health'], { env }),
    otw(['health', '--url', 'http://127.0.0.1:9', '--json'], { env }),
    otw(['health', '--url', 'ftp://nowhere'], { env }),
  ]);
  expect(away).toMatchObject({ code: 69, stderr: expect.stringMatching(/^Expected .*127\.0\.0\.1:9 .+\n$/) });
  expect(elsewhere).toMatchObject({ code: 69, stdout: expect.stringMatching(/"ready":false/) });
  expect(nowhere).toMatchObject({ code: 2 });
});

test('both stop when they are told to', async () => {
  for (const { process } of Object.values(hosts)) process.kill('SIGTERM');
  for (const { finished } of Object.values(hosts)) expect((await finished).code).toBe(0);
});

test('a role that is none stops the start with its name and the ones there are', async () => {
  const { code, stderr } = await otw(['start'], { env: { OTW_ROLE: 'scheduler' } });
  expect([code, stderr]).toEqual([
    78,
    'OTW_ROLE: expected all, api or worker, found "scheduler"; for example OTW_ROLE=api\n',
  ]);
});
