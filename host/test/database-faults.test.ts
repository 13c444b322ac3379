import { randomUUID } from 'node:crypto';
import { ConnectorError, type RawEvent, type SinkWriter } from '@on-the-way/sdk';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import sinkPostgres from '../../plugins/postgres/src/index.ts';
import { translateError } from '../../plugins/postgres/src/translate-error.ts';
import { apiErrorOf, ApiError } from '../src/http/api-error.ts';
import { createFreeSpace } from '../src/ingest/free-space.ts';
import { createIngestWriter } from '../src/ingest/group-writer.ts';
import type { IngestWriter } from '../src/ingest/ports.ts';
import { createLog } from '../src/log.ts';
import { createRedactor } from '../src/redact.ts';
import { isUnreachable, openDatabase, type Database } from '../src/storage/database.ts';
import { migrate } from '../src/storage/migrate.ts';
import { startFaultProxy, type FaultProxy } from './fault-proxy.ts';
import { startOwnPostgres, type OwnPostgres } from './own-postgres.ts';

// What a request may wait here; the default is for networks, not for tests.
const waitMs = 800;
const silent = { debug() {}, info() {}, warn() {} };
let server: OwnPostgres;
let proxy: FaultProxy;
let admin: Database;
let sink: Promise<SinkWriter> | undefined;
let writer: IngestWriter;

async function openSink(): Promise<SinkWriter> {
  const config = sinkPostgres.config.parse({ connectionString: proxy.through(server.url) });
  return sinkPostgres.open({ config, log: silent });
}

beforeAll(async () => {
  // What is killed is Postgres, not the machine: the system keeps what was written without a flush.
  server = await startOwnPostgres(['max_connections = 20', 'fsync = off']);
  proxy = await startFaultProxy(server.port);
  await migrate(server.url, 'Asia/Shanghai');
  admin = openDatabase(server.url, 'Asia/Shanghai');
  writer = createIngestWriter({
    sink: () => {
      sink ??= openSink();
      sink.catch(() => (sink = undefined));
      return sink;
    },
    freeSpace: createFreeSpace({ folder: undefined, minFreeMb: 0 }),
    log: createLog({ redactor: createRedactor(), level: 'silent', pretty: false, write: () => undefined }),
    limits: { waitMs },
  });
});
afterEach(async () => {
  // Whatever still hangs on a connection that lost something ends with it.
  await proxy.set({ kind: 'reset' });
  await proxy.set({ kind: 'none' });
});
afterAll(async () => {
  await writer.close();
  await (await sink)?.close();
  await admin.destroy();
  await proxy.close();
  await server.remove();
});

function eventOf(externalId: string): RawEvent {
  const occurredAt = '2026-02-26T00:00:00+08:00';
  const identity = { sourceId: 'faults', externalId, requestId: randomUUID() };
  return { ...identity, occurredAt, payload: '{"value":1}', payloadHash: 'h' };
}

/** How the event was answered: taken, there before, or what a request would be told. */
async function send(event: RawEvent): Promise<'written' | 'unchanged' | 'conflict' | ApiError> {
  try {
    return (await writer.write(event, Date.now())).outcome;
  } catch (error) {
    if (ConnectorError.is(error) && error.code === 'transient')
      return new ApiError(503, 'DEPENDENCY_UNAVAILABLE', error.message, 5);
    return error instanceof ApiError ? error : apiErrorOf(error);
  }
}

const unavailable = { status: 503, code: 'DEPENDENCY_UNAVAILABLE', retryAfterSeconds: 5 };

async function query<Row>(sql: string): Promise<Row[]> {
  return (await admin.raw<{ rows: Row[] }>(sql)).rows;
}

/** Sends until one is taken; for when the database has come back. */
async function recovered(): Promise<void> {
  const event = eventOf(randomUUID());
  await vi.waitFor(async () => expect(['written', 'unchanged']).toContain(await send(event)), {
    timeout: 15_000,
    interval: 50,
  });
}

test('through eight crashes of the database under load, every answer of success has its row and its audit', async () => {
  const answered: RawEvent[] = [];
  const refused: ApiError[] = [];
  let over = false;
  async function load(): Promise<void> {
    while (!over) {
      const event = eventOf(randomUUID());
      const answer = await send(event);
      if (answer instanceof ApiError) refused.push(answer);
      else answered.push(event);
      // A client that is told to come back does not come back at once.
      if (answer instanceof ApiError) await new Promise((resolve) => setTimeout(resolve, 20));
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
  for (const refusal of refused) expect(refusal).toMatchObject(unavailable);
  const rows = await query<{ request: string; rows: number }>(`
    select request_id as request, count(*)::int as rows from raw.raw_event join app.request_audit using (request_id)
    where raw_event.source_id = 'faults' and status = 'ok' group by request_id`);
  const stored = new Map(rows.map(({ request, rows: count }) => [request, count]));
  expect(answered.filter(({ requestId }) => stored.get(requestId) !== 1)).toEqual([]);
});

describe('what a network or a database does to a request', () => {
  test('a connection that has gone silent holds it no longer than its limit, and is not used again', async () => {
    await recovered();
    await proxy.set({ kind: 'black-hole' });
    const began = performance.now();
    expect(await send(eventOf('silent'))).toMatchObject(unavailable);
    expect(performance.now() - began).toBeLessThan(waitMs + 1_000);
    await proxy.set({ kind: 'none' });
    expect(await send(eventOf('silent'))).toBe('written');
  });

  test('when the answer to the commit is lost, the event is there, and sending it again says so', async () => {
    await recovered();
    const event = eventOf('lost answer');
    await proxy.set({ kind: 'swallow-replies', from: 'app.request_audit' });
    const answer = await send(event);
    expect(answer).toMatchObject({ ...unavailable, message: expect.stringContaining('stored or not') });
    await proxy.set({ kind: 'none' });
    expect(await send({ ...event, requestId: randomUUID() })).toBe('unchanged');
    const rows = await query(`select status from app.request_audit where external_id = 'lost answer'`);
    expect(rows).toEqual([{ status: 'ok' }, { status: 'ok' }]);
  });

  test('a refusal after an answer that was lost does not make the audit say that nothing was stored', async () => {
    await recovered();
    const event = eventOf('refused late');
    await proxy.set({ kind: 'swallow-replies', from: 'app.request_audit' });
    await send(event);
    await proxy.set({ kind: 'none' });
    const { requestId, sourceId, externalId } = event;
    const line = { requestId, sourceId, externalId, receivedAt: Date.now(), message: 'away' } as const;
    await writer.refuse({ ...line, status: 'error', errorCode: 'DEPENDENCY_UNAVAILABLE' });
    const rows = await query(`select status from app.request_audit where external_id = 'refused late'`);
    expect(rows).toEqual([{ status: 'ok' }]);
  });

  test('a database that stands still is waited for no longer than the limit, and used again when it goes on', async () => {
    await recovered();
    server.signal('SIGSTOP');
    const answer = await send(eventOf('frozen')).finally(() => server.signal('SIGCONT'));
    expect(answer).toMatchObject(unavailable);
    await recovered();
    expect(['written', 'unchanged']).toContain(await send(eventOf('frozen')));
  });

  test('a slow network costs time alone', async () => {
    await recovered();
    await proxy.set({ kind: 'latency', ms: 30 });
    expect(await send(eventOf('slow'))).toBe('written');
  });

  test('a database that is down, or has no connection left, says so at once', async () => {
    await proxy.set({ kind: 'down' });
    expect(await send(eventOf('down'))).toMatchObject(unavailable);
    await proxy.set({ kind: 'reset' });
    const others = Array.from({ length: 20 }, () => new pg.Client(server.url));
    const opened = await Promise.allSettled(others.map((client) => client.connect()));
    expect(opened.some(({ status }) => status === 'rejected')).toBe(true);
    await proxy.set({ kind: 'none' });
    const answer = await send(eventOf('down'));
    await Promise.all(others.map((client) => client.end()));
    expect(answer).toMatchObject({ ...unavailable, message: expect.stringContaining('53300') });
    await recovered();
  });

  test.each([
    ['a full disk', '53100', unavailable],
    ['a database gone read-only', '25006', unavailable],
    ['a fault of its own', 'XX000', { status: 500 }],
  ])('%s is told as what it is, and leaves nothing', async (_, state, expected) => {
    await query(`
      create function app.fail() returns trigger language plpgsql as 'begin raise sqlstate ''${state}''; end';
      create trigger fail before insert on app.request_audit execute function app.fail()`);
    const answer = await send(eventOf(`state ${state}`));
    await query('drop function app.fail() cascade');
    expect(answer).toMatchObject(expected);
    expect(await query(`select 1 from raw.raw_event where external_id = 'state ${state}'`)).toEqual([]);
  });
});

test('the host and its sink agree on when the database is away', () => {
  const states = '08006 40001 40P01 53100 53200 53300 55P03 57P01 57P03 58030 25006 22P05 23505 42P01 XX000';
  for (const code of states.split(' ')) {
    const error = Object.assign(new Error('no'), { code, severity: 'ERROR' });
    const translated = translateError(error);
    const transient = ConnectorError.is(translated) && translated.code === 'transient';
    expect([code, isUnreachable(error)]).toEqual([code, transient]);
  }
});
