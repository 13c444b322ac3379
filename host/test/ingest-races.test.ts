import { connect } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { freeSpaceBounds } from '../src/config/variables.ts';
import { listen, type ApiServer } from '../src/http/server.ts';
import { startFaultProxy, type FaultProxy } from './fault-proxy.ts';
import { otw, temporaryFolder } from './otw.ts';
import { createTestHost, type TestHost } from './test-host.ts';
import { createMigratedDatabase, type TestDatabase } from './postgres.ts';

let database: TestDatabase;
let proxy: FaultProxy;
let testHost: TestHost;
let api: ApiServer;

beforeAll(async () => {
  database = await createMigratedDatabase();
  proxy = await startFaultProxy(Number(new URL(database.url).port));
  testHost = await createTestHost({ databaseUrl: proxy.through(database.url) });
  api = await listen(testHost.host.app, { host: '127.0.0.1', port: 0 });
});
afterAll(async () => {
  await api.close();
  await testHost.close();
  await proxy.close();
  await database.drop();
});

interface Answer {
  readonly status: number;
  readonly code?: string;
  readonly raw_id?: string;
  readonly idempotent?: boolean;
  readonly retryAfter: string | null;
}

const bodyOf = (externalId: string, value = 61) =>
  JSON.stringify({
    source_id: 'signal_random_connector',
    external_id: externalId,
    occurred_at: '2026-02-26T10:10:06+08:00',
    payload: { value, seed: 's', generator_version: '1' },
  });

async function post(body: string, base = api.url): Promise<Answer> {
  const response = await fetch(`${base}/v1/ingest/connector-signal`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body,
  });
  const said = (await response.json()) as Omit<Answer, 'status' | 'retryAfter'> & { status: string };
  return { ...said, status: response.status, retryAfter: response.headers.get('retry-after') };
}

const rowsOf = (externalId: string) =>
  testHost.query<{ raw_id: string; value: number }>(
    `select raw_id, (payload_json ->> 'value')::int as value from raw.raw_event where external_id = '${externalId}'`,
  );
const auditOf = (externalId: string) =>
  testHost.query<{ status: string; error_code: string | null; lines: number }>(
    `select status, error_code, count(*)::int as lines from app.request_audit
     where external_id = '${externalId}' group by 1, 2 order by 1 desc`,
  );

test('fifty posts of one new event at once: one is new, the others learn that it is there', async () => {
  const answers = await Promise.all(Array.from({ length: 50 }, () => post(bodyOf('same'))));
  expect(answers.map(({ status }) => status)).toEqual(Array(50).fill(200));
  expect(answers.filter(({ idempotent }) => idempotent === false)).toHaveLength(1);
  expect(new Set(answers.map((answer) => answer.raw_id)).size).toBe(1);
  expect(await rowsOf('same')).toMatchObject([{ raw_id: answers[0]?.raw_id }]);
  expect(await auditOf('same')).toEqual([{ status: 'ok', error_code: null, lines: 50 }]);
});

test('fifty posts with one key and fifty payloads: one is stored, the others are conflicts', async () => {
  const answers = await Promise.all(Array.from({ length: 50 }, (_, value) => post(bodyOf('other', value))));
  const taken = answers.findIndex(({ status }) => status === 200);
  const refused = answers.filter((_, index) => index !== taken);
  expect(refused.map(({ status, code }) => `${status} ${code}`)).toEqual(
    Array(49).fill('409 DUPLICATE_IDEMPOTENCY_KEY'),
  );
  expect(await rowsOf('other')).toEqual([{ raw_id: answers[taken]?.raw_id, value: taken }]);
  expect(await auditOf('other')).toEqual([
    { status: 'ok', error_code: null, lines: 1 },
    { status: 'error', error_code: 'DUPLICATE_IDEMPOTENCY_KEY', lines: 49 },
  ]);
});

test('of batches that come together, each is stored whole or refused whole', async () => {
  const batches = Array.from({ length: 6 }, (_, batch) => ({
    name: `together ${batch}`,
    body: Array.from({ length: 900 }, (_item, index) => bodyOf(`together ${batch} ${index}`)).join('\n'),
  }));
  const stored = await Promise.all(
    batches.map(async ({ name, body }) => {
      const headers = { 'content-type': 'application/x-ndjson' };
      const path = `${api.url}/v1/ingest/connector-signal/batch`;
      const response = await fetch(path, { method: 'POST', headers, body });
      await response.text();
      if (response.status !== 200) {
        expect([response.status, response.headers.get('retry-after')]).toEqual([503, '1']);
      }
      return { name, rows: response.status === 200 ? 900 : 0 };
    }),
  );
  for (const { name, rows } of stored) {
    const sql = `select count(*)::int as rows from raw.raw_event where external_id like '${name} %'`;
    expect([name, await testHost.query(sql)]).toEqual([name, [{ rows }]]);
  }
});

test('a client that goes away after its request finds the event there when it comes back', async () => {
  const body = bodyOf('gone');
  const { hostname, port, host } = new URL(api.url);
  const head = `POST /v1/ingest/connector-signal HTTP/1.1\r\nHost: ${host}\r\nContent-Type: application/json`;
  await Promise.all(
    Array.from({ length: 10 }, async () => {
      const socket = connect(Number(port), hostname);
      const text = `${head}\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
      await new Promise((resolve) => socket.write(text, resolve));
      socket.destroy();
    }),
  );
  // A request that came through whole is worked on whether or not somebody waits for the answer.
  await vi.waitFor(async () => expect(await auditOf('gone')).not.toEqual([]));
  expect(await post(body)).toMatchObject({ status: 200, idempotent: true });
  expect(await rowsOf('gone')).toHaveLength(1);
});

test('while the database is away every request is told when to come back, and nothing else is harmed', async () => {
  await proxy.set({ kind: 'down' });
  const answers = await Promise.all([post(bodyOf('away')), post(bodyOf('away')), post('{"malformed":')]);
  const away = { status: 503, code: 'DEPENDENCY_UNAVAILABLE', retryAfter: '5' };
  expect(answers).toMatchObject([away, away, { status: 400, code: 'INVALID_ARGUMENT' }]);
  const [live, ready] = await Promise.all(
    ['live', 'ready'].map((name) => fetch(`${api.url}/v1/health/${name}`)),
  );
  expect([live?.status, ready?.status, ready?.headers.get('retry-after')]).toEqual([200, 503, '5']);
  await proxy.set({ kind: 'none' });
  expect(await post(bodyOf('away'))).toMatchObject({ status: 200, idempotent: false });
  const readyAgain = await fetch(`${api.url}/v1/health/ready`);
  expect(readyAgain.status).toBe(200);
});

test('when the audit cannot be written, the event is not stored', async () => {
  await testHost.query('alter table app.request_audit rename to away');
  const answer = await post(bodyOf('no audit'));
  await testHost.query('alter table app.away rename to request_audit');
  expect(answer).toMatchObject({ status: 500, code: 'RAW_WRITE_FAILED' });
  expect(await rowsOf('no audit')).toEqual([]);
});

test('a disk that is nearly full stops ingestion, runs and readiness', async () => {
  const full = await createTestHost({ databaseUrl: database.url, minFreeMb: 1e12 });
  const fullApi = await listen(full.host.app, { host: '127.0.0.1', port: 0 });
  const refused = { status: 503, code: 'DEPENDENCY_UNAVAILABLE', retryAfter: '30' };
  expect(await post(bodyOf('full'), fullApi.url)).toMatchObject(refused);
  const ready = await fetch(`${fullApi.url}/v1/health/ready`);
  expect([ready.status, ready.headers.get('retry-after')]).toEqual([503, '30']);
  expect(await full.run()).toMatchObject({
    status: 'failed',
    error: { code: 'transient', message: expect.stringContaining('make room') },
    requests: 0,
  });
  await fullApi.close();
  await full.close();
});

test('a host does not start on a disk that is nearly full', async () => {
  const folder = temporaryFolder();
  const { code, stderr } = await otw(['start'], {
    env: { OTW_DATA_DIR: join(folder.path, 'data'), OTW_MIN_FREE_MB: String(freeSpaceBounds.max) },
  });
  folder.remove();
  expect(code).toBe(69);
  expect(stderr).toMatch(/Expected \d+ MB free .* found \d+ MB: make room .* OTW_MIN_FREE_MB/);
});
