import { randomUUID } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { ConnectorError } from '@on-the-way/sdk';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { translateError } from '../../plugins/postgres/src/translate-error.ts';
import { isUnreachable, openDatabase, type Database } from '../src/storage/database.ts';
import { beginHostLife } from '../src/storage/host-life.ts';
import { migrate } from '../src/storage/migrate.ts';
import { startContractApi, type ContractApi } from './contract-api.ts';
import { startFaultProxy, type FaultProxy } from './fault-proxy.ts';
import { otw, temporaryFolder } from './otw.ts';
import { startOwnPostgres, type OwnPostgres } from './own-postgres.ts';
import { scriptedPlugin, startScriptedSource } from './scripted-source.ts';

// What a request may wait here; the defaults are for networks, not for tests.
const waitMs = 800;
const refusalWaitMs = 300;
const path = '/v1/ingest/manual-signal';
let server: OwnPostgres;
let proxy: FaultProxy;
let admin: Database;
let api: ContractApi;

beforeAll(async () => {
  // What is killed is Postgres, not the machine: the system keeps what was written without a flush.
  server = await startOwnPostgres(['max_connections = 20', 'fsync = off']);
  proxy = await startFaultProxy(server.port);
  await migrate(server.url, 'Asia/Shanghai');
  admin = openDatabase(server.url, 'Asia/Shanghai');
  api = await startContractApi({
    databaseUrl: proxy.through(server.url),
    ingestLimits: { waitMs, refusalWaitMs },
  });
});
afterEach(async () => {
  // Whatever still hangs on a connection that lost something ends with it.
  await proxy.set({ kind: 'reset' });
  await proxy.set({ kind: 'none' });
});
afterAll(async () => {
  await admin.destroy();
  await proxy.close();
  await server.remove();
});

const eventOf = (externalId: string, value = 1) => ({
  source_id: 'ios_manual',
  external_id: externalId,
  occurred_at: '2026-02-26T00:00:00+08:00',
  payload: { value },
});

interface Told {
  readonly status: number;
  readonly code: unknown;
  readonly retryAfter: string | null;
  readonly idempotent: unknown;
  readonly message: unknown;
  readonly requestId: string | null;
  readonly tookMs: number;
}

/** One request, answered or not asked again. */
async function ask(to: string, body?: object | string): Promise<Told> {
  const began = performance.now();
  const headers = { 'content-type': 'application/json' };
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  const response = await fetch(`${api.url}${to}`, body ? { method: 'POST', headers, body: text } : {});
  const { code, idempotent, message } = (await response.json()) as Record<string, unknown>;
  const tookMs = performance.now() - began;
  const [retryAfter, requestId] = ['retry-after', 'x-request-id'].map((name) => response.headers.get(name));
  return {
    status: response.status,
    code,
    retryAfter: retryAfter!,
    idempotent,
    message,
    requestId: requestId!,
    tookMs,
  };
}

const send = (externalId: string): Promise<Told> => ask(path, eventOf(externalId));

const unavailable = { status: 503, code: 'DEPENDENCY_UNAVAILABLE', retryAfter: '5' };

async function query<Row>(sql: string): Promise<Row[]> {
  return (await admin.raw<{ rows: Row[] }>(sql)).rows;
}

/** Sends until one is taken; for when the database has come back. */
async function recovered(): Promise<void> {
  const id = randomUUID();
  await vi.waitFor(async () => expect((await send(id)).status).toBe(200), { timeout: 15_000, interval: 50 });
}

test('through eight crashes of the database under load, every answer of success has its row and its audit', async () => {
  const answered: string[] = [];
  const refused: Told[] = [];
  let over = false;
  async function load(): Promise<void> {
    while (!over) {
      const answer = await send(randomUUID());
      if (answer.status === 200) answered.push(String(answer.requestId));
      else {
        refused.push(answer);
        // A client that is told to come back does not come back at once.
        await setTimeout(20);
      }
    }
  }
  const clients = Array.from({ length: 16 }, load);
  for (let crash = 0; crash < 8; crash += 1) {
    const before = answered.length;
    await vi.waitFor(() => expect(answered.length).toBeGreaterThan(before + 50), { timeout: 20_000 });
    await server.restart();
  }
  await recovered();
  over = true;
  await Promise.all(clients);
  expect(refused.length).toBeGreaterThan(8);
  expect(
    refused.filter(({ status, retryAfter }) => status !== 503 || !/^[15]$/.test(retryAfter ?? '')),
  ).toEqual([]);
  const rows = await query<{ request: string; rows: number }>(`
    select request_id as request, count(*)::int as rows from raw.raw_event join app.request_audit using (request_id)
    where raw_event.source_id = 'ios_manual' and status = 'ok' group by request_id`);
  const stored = new Map(rows.map(({ request, rows: count }) => [request, count]));
  expect(answered.filter((requestId) => stored.get(requestId) !== 1)).toEqual([]);
});

describe('what a network or a database does to a request', () => {
  test('connections that have gone silent hold none longer than its limit, and are not used again', async () => {
    await recovered();
    await proxy.set({ kind: 'black-hole' });
    const batch = [eventOf('silent in a batch'), eventOf('bad in a batch', 101)];
    const bad = ask(path, eventOf('bad', 101));
    const writes = await Promise.all([send('silent'), ask(`${path}/batch`, batch)]);
    for (const write of writes) {
      expect(write).toMatchObject(unavailable);
      expect(write.tookMs).toBeLessThan(waitMs + 1_500);
    }
    // A refusal stands whether or not the audit can have it.
    expect(await bad).toMatchObject({ status: 422, code: 'INVALID_ARGUMENT' });
    expect((await bad).tookMs).toBeLessThan(refusalWaitMs + 1_500);
    await vi.waitFor(() => expect(api.lines.join('')).toContain('refused request could not be audited'));
    await proxy.set({ kind: 'none' });
    expect(await send('silent')).toMatchObject({ status: 200, idempotent: false });
  });

  test('reads that get no connection are told so, as writes are', async () => {
    await proxy.set({ kind: 'reset' });
    await proxy.set({ kind: 'black-hole' });
    const note = { target_type: 'signal_event', target_id: randomUUID(), label: 'a', value: 'b' };
    const answers = await Promise.all([
      ...['/v1/poc/signals', '/v1/health/connector', '/v1/runs'].map((read) => ask(read)),
      ask('/v1/annotation', note),
    ]);
    expect(answers).toMatchObject(answers.map(() => unavailable));
  });

  test('when the answer to the commit is lost, the event is there, and sending it again says so', async () => {
    await recovered();
    await proxy.set({ kind: 'swallow-replies', from: 'app.request_audit' });
    const answer = await send('lost answer');
    expect(answer).toMatchObject({ ...unavailable, message: expect.stringContaining('stored or not') });
    await proxy.set({ kind: 'none' });
    expect(await send('lost answer')).toMatchObject({ status: 200, idempotent: true });
    // What comes too late must not make the audit say that nothing was stored.
    const line = { requestId: String(answer.requestId), sourceId: null, externalId: null, message: 'away' };
    const late = {
      ...line,
      receivedAt: Date.now(),
      status: 'error',
      errorCode: 'DEPENDENCY_UNAVAILABLE',
    } as const;
    await api.host.ingestWriter.refuse(late);
    const rows = await query(`select status from app.request_audit where external_id = 'lost answer'`);
    expect(rows).toEqual([{ status: 'ok' }, { status: 'ok' }]);
  });

  test('a database that stands still is waited for no longer than the limit, and used again when it goes on', async () => {
    await recovered();
    server.signal('SIGSTOP');
    const answer = await send('frozen').finally(() => server.signal('SIGCONT'));
    expect(answer).toMatchObject(unavailable);
    await recovered();
    expect(await send('frozen')).toMatchObject({ status: 200 });
  });

  test('a slow network costs time alone', async () => {
    await recovered();
    await proxy.set({ kind: 'latency', ms: 30 });
    expect(await send('slow')).toMatchObject({ status: 200 });
  });

  test('a database that is down, or has no connection left, says so at once', async () => {
    await proxy.set({ kind: 'down' });
    expect(await send('down')).toMatchObject(unavailable);
    await proxy.set({ kind: 'reset' });
    const others = Array.from({ length: 20 }, () => new pg.Client(server.url));
    const opened = await Promise.allSettled(others.map((client) => client.connect()));
    expect(opened.some(({ status }) => status === 'rejected')).toBe(true);
    await proxy.set({ kind: 'none' });
    const answer = await send('down');
    await Promise.all(others.map((client) => client.end()));
    expect(answer).toMatchObject(unavailable);
    await recovered();
  });

  test.each([
    ['a full disk', '53100', unavailable],
    ['a database gone read-only', '25006', unavailable],
    ['a fault of its own', 'XX000', { status: 500, code: 'RAW_WRITE_FAILED' }],
  ])('%s is told as what it is, to a batch as to one, and leaves nothing', async (_, state, expected) => {
    await query(`
      create function app.fail() returns trigger language plpgsql as 'begin raise sqlstate ''${state}''; end';
      create trigger fail before insert on app.request_audit execute function app.fail()`);
    const id = `state ${state}`;
    const answers = [await send(id), await ask(`${path}/batch`, [eventOf(id), eventOf(`${id} bad`, 101)])];
    const refused = await ask(path, eventOf(id, 101));
    await query('drop function app.fail() cascade');
    expect(answers).toMatchObject([expected, expected]);
    expect(answers[1]?.message).toContain('stored already is found unchanged');
    expect(refused).toMatchObject({ status: 422 });
    expect(await query(`select 1 from raw.raw_event where external_id = '${id}'`)).toEqual([]);
  });
});

test('a run that loses its database says so in one sentence, without statements', async () => {
  await recovered();
  const source = await startScriptedSource();
  const folder = temporaryFolder();
  const config = { origin: source.origin, datasets: { steps: {} } };
  const file = join(folder.path, 'otw.config.json');
  writeFileSync(file, JSON.stringify({ connections: { rv: { plugin: scriptedPlugin, config } } }));
  source.hold = async (request) => {
    if (request.startsWith('steps')) await proxy.set({ kind: 'down' });
  };
  const { code, stderr } = await otw(['run', 'rv', '--config', file], {
    env: { DATABASE_URL: proxy.through(server.url), OTW_DATA_DIR: folder.path },
  });
  await proxy.set({ kind: 'none' });
  await source.close();
  folder.remove();
  expect(code).toBe(69);
  expect(stderr).toMatch(/^Expected the database to be reachable, but: .+\. Check that it runs\n$/);
  expect(stderr).not.toMatch(/select|update|insert/);
});

test('a host that ends while it says that it lives takes itself off the list, however slow the network', async () => {
  const hostId = randomUUID();
  const warnings: string[] = [];
  const life = await beginHostLife(
    { hostId, isNew: true },
    {
      databaseUrl: proxy.through(server.url),
      timeZone: 'Asia/Shanghai',
      role: 'all',
      version: '0.0.0',
      warn: (message) => warnings.push(message),
      onWake: () => undefined,
    },
  );
  // Longer than from one sign of life to the next.
  await proxy.set({ kind: 'latency', ms: 1_200 });
  await life?.end();
  await proxy.set({ kind: 'none' });
  expect(warnings).toEqual([]);
  expect(await query(`select from app.host where host_id = '${hostId}'`)).toEqual([]);
});

test('what goes wrong in the database is told without the statement', async () => {
  const failing = admin.raw('select ?::int from pg_class', ['no number']);
  await expect(failing).rejects.toThrow(/^invalid input syntax/);
  const inTransaction = admin.transaction((transaction) => transaction.raw('select 1 / ?::int', [0]));
  await expect(inTransaction).rejects.toThrow(/^division by zero$/);
});

test('a host whose last commit was never answered ends in less time than a stop may take', async () => {
  await recovered();
  await proxy.set({ kind: 'swallow-replies', from: 'app.request_audit' });
  await Promise.all([send('last'), send('last')]);
  const began = performance.now();
  await api.close();
  expect(performance.now() - began).toBeLessThan(7_000);
});

test('the host and its sink agree on when the database is away', () => {
  const messages = [
    'timeout expired',
    'timeout exceeded when trying to connect',
    'Connection terminated unexpectedly',
    'Connection terminated due to connection timeout',
    'Client has encountered a connection error and is not queryable',
    'Client was closed and is not queryable',
    'Query read timeout',
  ];
  for (const message of messages) {
    // What pg says by itself has no code.
    const error = new Error(message);
    expect([message, isUnreachable(error)]).toEqual([message, true]);
    expect(translateError(error)).toMatchObject({ code: 'transient' });
  }
  const states = '08006 40001 40P01 53100 53200 53300 55P03 57P01 57P03 58030 25006 22P05 23505 42P01 XX000';
  for (const code of states.split(' ')) {
    const error = Object.assign(new Error('no'), { code, severity: 'ERROR' });
    const translated = translateError(error);
    const transient = ConnectorError.is(translated) && translated.code === 'transient';
    expect([code, isUnreachable(error)]).toEqual([code, transient]);
  }
});
