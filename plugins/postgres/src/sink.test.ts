import { createHash, randomUUID } from 'node:crypto';
import { ConnectorError } from '@on-the-way/sdk';
import type { RawEvent, RequestAudit, SinkWriter, WrittenRow } from '@on-the-way/sdk';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createTestDatabase } from '../../../host/test/postgres.ts';
import type { TestDatabase } from '../../../host/test/postgres.ts';
import sink from './index.ts';
import { createRawEventTable } from './test-table.ts';

const log = { debug: () => {}, info: () => {}, warn: () => {} };
const never = new AbortController().signal;
let database: TestDatabase;
let admin: pg.Client;
let writer: SinkWriter;

const open = (config: object) => sink.open({ config: sink.config.parse(config), log });

beforeAll(async () => {
  database = await createTestDatabase();
  await createRawEventTable(database.url);
  admin = new pg.Client(database.url);
  await admin.connect();
});
beforeEach(async () => {
  writer = await open({ connectionString: database.url });
});
afterEach(async () => {
  await writer.close();
  await admin.query('TRUNCATE raw.raw_event, app.request_audit');
});
afterAll(async () => {
  await admin.end();
  await database.drop();
});

function eventOf(externalId: string, changes: Partial<RawEvent> = {}): RawEvent {
  const payload = changes.payload ?? `{"id":${JSON.stringify(externalId)}}`;
  return {
    sourceId: 'source',
    externalId,
    occurredAt: '2026-02-26T00:00:00+08:00',
    payload,
    payloadHash: createHash('sha256').update(payload).digest('hex'),
    requestId: randomUUID(),
    ...changes,
  };
}

async function count(): Promise<number> {
  return (await admin.query('SELECT count(*)::int AS count FROM raw.raw_event')).rows[0].count;
}

async function failure(batch: readonly RawEvent[], by = writer): Promise<ConnectorError> {
  const error: unknown = await by.write(batch, { signal: never }).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!ConnectorError.is(error)) throw new Error('expected a ConnectorError', { cause: error });
  return error;
}

describe('what becomes of an event', () => {
  test('new, unchanged and in conflict are counted, and told in the order of the batch', async () => {
    await writer.write([eventOf('b'), eventOf('c')], { signal: never });
    const other = eventOf('c', { payload: '{"other":true}' });
    const result = await writer.write([other, eventOf('a'), eventOf('b')], { signal: never });
    expect(result).toMatchObject({ written: 1, unchanged: 1, conflicts: [other] });
    expect(result.rows.map((row) => row.outcome)).toEqual(['conflict', 'written', 'unchanged']);
    const { rows } = await admin.query(
      `SELECT raw_id, payload_json ->> 'other' AS other FROM raw.raw_event ORDER BY external_id`,
    );
    expect(rows.map((row) => row.raw_id)).toEqual([1, 2, 0].map((index) => result.rows[index]?.rawId));
    expect(rows[2].other).toBeNull();
  });

  test('writing a batch twice leaves one row a key, with the first row id and time', async () => {
    const batch = [eventOf('b'), eventOf('a')];
    const first = await writer.write(batch, { signal: never });
    const second = await writer.write(batch, { signal: never });
    expect(second).toMatchObject({ written: 0, unchanged: 2, conflicts: [] });
    expect(second.rows.map((row) => row.rawId)).toEqual(first.rows.map((row) => row.rawId));
    expect(second.rows.map((row) => row.ingestedAt)).toEqual(first.rows.map((row) => row.ingestedAt));
    expect(await count()).toBe(2);
  });

  test('another occurredAt is a conflict, another spelling of the same instant is not', async () => {
    const first = eventOf('a', { occurredAt: '2026-02-26T00:00:00.0000010+08:00' });
    await writer.write([first], { signal: never });
    const same = { ...first, occurredAt: '2026-02-25T16:00:00.000001Z' };
    const other = { ...first, occurredAt: '2026-02-25T16:00:00.000002Z' };
    const result = await writer.write([same, other], { signal: never });
    expect(result.rows.map((row) => row.outcome)).toEqual(['unchanged', 'conflict']);
  });

  test('within a batch the first of a key wins', async () => {
    const other = eventOf('a', { payload: '{}' });
    const result = await writer.write([eventOf('a'), other, eventOf('a')], { signal: never });
    expect(result.rows.map((row) => row.outcome)).toEqual(['written', 'conflict', 'unchanged']);
    expect(new Set(result.rows.map((row) => row.rawId)).size).toBe(1);
    expect(await count()).toBe(1);
  });

  test('what another program stored with a hash of its own is the same when it says the same', async () => {
    const stored = '{"big":9007199254740993,"value":1.0,"how":"a","data":{"b":[1e2],"a":null}}';
    await writer.write([eventOf('a', { payload: stored }), eventOf('list', { payload: '["how",1]' })], {
      signal: never,
    });
    const notCompared = ['how'];
    const again = (payload: string, more: Partial<RawEvent> = {}) =>
      eventOf('a', { payload, notCompared, ...more });
    const same = '{"data":{"a":null,"b":[100]},"value":1,"big":9007199254740993}';
    const batch = [
      again(same),
      again(`{"how":"b",${same.slice(1)}`),
      again(same.replace('993', '992')),
      again(same, { notCompared: [] }),
      again(same, { occurredAt: '2026-02-26T00:00:01+08:00' }),
      eventOf('list', { payload: '["how", 1]', notCompared }),
      eventOf('list', { payload: '[1]', notCompared }),
    ];
    const { rows } = await writer.write(batch, { signal: never });
    const outcomes = 'unchanged unchanged conflict conflict conflict unchanged conflict';
    expect(rows.map(({ outcome }) => outcome).join(' ')).toBe(outcomes);
    expect(await failure([again(same), again('{"a":"\\u0000"}')])).toMatchObject({ code: 'bad_data' });
  });

  test('the same id of another source is another event, and an empty batch is nothing', async () => {
    await writer.write([eventOf('a'), eventOf('a', { sourceId: 'other' })], { signal: never });
    expect(await count()).toBe(2);
    expect(await writer.write([], { signal: never })).toEqual({
      written: 0,
      unchanged: 0,
      conflicts: [],
      rows: [],
    });
  });

  test('ingestedAt carries the offset of the zone', async () => {
    const zoned = await open({ connectionString: database.url, timeZone: 'Asia/Kathmandu' });
    const inZone = await zoned.write([eventOf('a')], { signal: never });
    await zoned.close();
    const inServers = await writer.write([eventOf('a')], { signal: never });
    expect(inZone.rows[0]?.ingestedAt).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?\+05:45$/);
    const { rows } = await admin.query(`SELECT to_char(now(), 'TZH:TZM') AS offset`);
    expect(inServers.rows[0]?.ingestedAt?.slice(-6)).toBe(rows[0].offset);
    expect(Date.parse(inServers.rows[0]?.ingestedAt ?? '')).toBe(
      Date.parse(inZone.rows[0]?.ingestedAt ?? ''),
    );
  });

  test('a batch of more than one statement is stored whole', async () => {
    const batch = Array.from({ length: 12_001 }, (_, index) => eventOf(`e${index}`));
    const first = await writer.write(batch, { signal: never });
    const second = await writer.write(batch.toReversed(), { signal: never });
    expect([first.written, second.unchanged, await count()]).toEqual([12_001, 12_001, 12_001]);
    expect(second.rows.at(-1)?.rawId).toBe(first.rows[0]?.rawId);
  });
});

describe('what is stored', () => {
  test('numbers are kept digit for digit, text as it is', async () => {
    const payload =
      '{"a":9007199254740993,"b":1e400,"c":-0,"d":0.10000000000000000000001,"e":"\\u20ac 😀 \\\\ \\" {,}"}';
    await writer.write([eventOf('{"quoted", \\id} 😀', { payload })], { signal: never });
    const { rows } = await admin.query(`
      SELECT external_id AS id, payload_json -> 'a' #>> '{}' AS a, length(payload_json ->> 'b') AS b,
        payload_json ->> 'c' AS c, payload_json ->> 'd' AS d, payload_json ->> 'e' AS e FROM raw.raw_event`);
    expect(rows).toEqual([
      {
        id: '{"quoted", \\id} 😀',
        a: '9007199254740993',
        b: 401,
        // jsonb holds numeric, which has no negative zero.
        c: '0',
        d: '0.10000000000000000000001',
        e: '€ 😀 \\ " {,}',
      },
    ]);
  });

  test('a megabyte of text comes through, twenty times in a batch', async () => {
    const batch = Array.from({ length: 20 }, (_, index) =>
      eventOf(`e${index}`, { payload: JSON.stringify({ text: '€'.repeat(350_000) }) }),
    );
    expect(await writer.write(batch, { signal: never })).toMatchObject({ written: 20 });
    const { rows } = await admin.query(
      `SELECT DISTINCT length(payload_json ->> 'text') AS length FROM raw.raw_event`,
    );
    expect(rows).toEqual([{ length: 350_000 }]);
  });
});

describe('a batch that cannot be stored leaves nothing', () => {
  test.each([
    ['an escaped NUL', { payload: '{"secret":"\\u0000"}' }],
    ['an escaped lone surrogate', { payload: '{"secret":"\\ud800"}' }],
    ['a lone surrogate', { payload: '{"secret":"\ud800"}' }],
    ['text that is not JSON', { payload: '{"secret":' }],
    ['JSON nested too deep', { payload: '['.repeat(50_000) + ']'.repeat(50_000) }],
    ['a day that is none', { occurredAt: '2026-02-30T00:00:00Z' }],
    ['a time without offset', { occurredAt: '2026-02-26T00:00:00' }],
    ['a word for a time', { occurredAt: 'now' }],
    ['a request id that is none', { requestId: 'secret' }],
  ])('%s is bad data, named by its id', async (_, changes) => {
    const batch = ['a', 'b', 'poison', 'd', 'e'].map((id) => eventOf(id, id === 'poison' ? changes : {}));
    const error = await failure(batch);
    expect(error.code).toBe('bad_data');
    expect(error.message).toContain('external_id "poison"');
    expect(`${error.message} ${JSON.stringify(error.cause)} ${String(error.cause)}`).not.toContain('secret');
    expect(await count()).toBe(0);
  });

  test.each([
    ['with a NUL', 'po\0ison'],
    ['with a lone surrogate', 'poison\ud800'],
    ['too long for the index', `poison${Array.from({ length: 300 }, randomUUID).join('')}`],
  ])('an id %s is bad data', async (_, id) => {
    const error = await failure([eventOf('a'), eventOf(id)]);
    expect(error.code).toBe('bad_data');
    expect(error.message).toContain('external_id "po');
    expect(await count()).toBe(0);
  });

  test('an aborted write, before it and while it waits', async () => {
    await expect(writer.write([eventOf('a')], { signal: AbortSignal.abort() })).rejects.toThrow('aborted');
    await admin.query('BEGIN; LOCK TABLE raw.raw_event IN ACCESS EXCLUSIVE MODE');
    const controller = new AbortController();
    const write = writer.write([eventOf('a')], { signal: controller.signal });
    setTimeout(() => controller.abort(), 100);
    await expect(write).rejects.toThrow('aborted');
    await admin.query('COMMIT');
    expect(await count()).toBe(0);
    expect(await writer.write([eventOf('a')], { signal: never })).toMatchObject({ written: 1 });
  });

  test('a row swallowed by a trigger is noticed', async () => {
    await admin.query(`
      CREATE FUNCTION swallow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
      CREATE TRIGGER swallow BEFORE INSERT ON raw.raw_event FOR EACH ROW
        WHEN (NEW.external_id = 'b') EXECUTE FUNCTION swallow()`);
    const error = await failure([eventOf('a'), eventOf('b')]);
    await admin.query('DROP TRIGGER swallow ON raw.raw_event');
    expect(error).toMatchObject({ code: 'source', message: expect.stringContaining('Expected 2 events') });
    expect(await count()).toBe(0);
  });
});

describe('other writers and failing servers', () => {
  test('two writers with the same events in opposite order store each once, without an error', async () => {
    const other = await open({ connectionString: database.url });
    for (let round = 0; round < 40; round += 1) {
      const batch = Array.from({ length: 50 }, (_, index) => eventOf(`${round}-${index}`));
      const results = await Promise.all([
        writer.write(batch, { signal: never }),
        other.write(batch.toReversed(), { signal: never }),
      ]);
      expect(results.map((result) => result.written + result.unchanged)).toEqual([50, 50]);
      expect(results.reduce((sum, result) => sum + result.written, 0)).toBe(50);
    }
    await other.close();
    expect(await count()).toBe(2_000);
  });

  test('a killed connection is transient, and the next write works', async () => {
    await admin.query('BEGIN; LOCK TABLE raw.raw_event IN ACCESS EXCLUSIVE MODE');
    const failing = failure([eventOf('a')]);
    const victims = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
      WHERE datname = current_database() AND wait_event_type = 'Lock'`;
    for (let killed = 0; killed === 0;) killed = (await admin.query(victims)).rowCount ?? 0;
    const error = await failing;
    await admin.query('COMMIT');
    expect(error.code).toBe('transient');
    expect(await writer.write([eventOf('a')], { signal: never })).toMatchObject({ written: 1 });
  });

  test('an idle connection that the server ends does no harm', async () => {
    await writer.write([eventOf('a')], { signal: never });
    await admin.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
      WHERE datname = current_database() AND pid <> pg_backend_pid()`);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(await writer.write([eventOf('b')], { signal: never })).toMatchObject({ written: 1 });
  });

  test('a database gone read-only is transient', async () => {
    const name = (await admin.query('SELECT current_database() AS name')).rows[0].name;
    await admin.query(`ALTER DATABASE ${name} SET default_transaction_read_only = on`);
    const readOnly = await open({ connectionString: database.url });
    const error = await failure([eventOf('a')], readOnly);
    await readOnly.close();
    await admin.query(`ALTER DATABASE ${name} RESET default_transaction_read_only`);
    expect(error).toMatchObject({ code: 'transient', message: expect.stringContaining('25006') });
  });

  test('a lost deadlock is run again', async () => {
    await admin.query(`
      CREATE SEQUENCE attempts;
      CREATE FUNCTION lose() RETURNS trigger LANGUAGE plpgsql AS
        'BEGIN IF nextval(''attempts'') = 1 THEN RAISE SQLSTATE ''40P01''; END IF; RETURN NEW; END';
      CREATE TRIGGER lose BEFORE INSERT ON raw.raw_event FOR EACH ROW EXECUTE FUNCTION lose()`);
    const result = await writer.write([eventOf('a')], { signal: never });
    await admin.query('DROP TRIGGER lose ON raw.raw_event');
    expect(result.written).toBe(1);
  });
});

describe('with an audit', () => {
  const lineOf = (event: RawEvent, row: WrittenRow | undefined): RequestAudit => ({
    requestId: event.requestId,
    sourceId: event.sourceId,
    externalId: event.externalId,
    receivedAt: Date.parse('2026-02-26T10:10:06.5+08:00'),
    status: row?.outcome === 'conflict' ? 'error' : 'ok',
    errorCode: row?.outcome ?? null,
    message: null,
  });
  const audited = (batch: readonly RawEvent[]) =>
    writer.writeAudited?.(batch, {
      signal: never,
      audit: (rows) => batch.map((event, index) => lineOf(event, rows[index])),
    });
  const lines = async () =>
    (await admin.query('SELECT * FROM app.request_audit ORDER BY external_id, error_code')).rows;

  test('each event has its line, which says what became of it', async () => {
    await writer.write([eventOf('b')], { signal: never });
    const result = await audited([eventOf('b'), eventOf('a'), eventOf('b', { payload: '{}' })]);
    expect(result?.rows.map((row) => row.outcome)).toEqual(['unchanged', 'written', 'conflict']);
    expect(await lines()).toMatchObject([
      { external_id: 'a', error_code: 'written', status: 'ok', received_at: new Date(1772071806500) },
      { external_id: 'b', error_code: 'conflict', status: 'error' },
      { external_id: 'b', error_code: 'unchanged', status: 'ok' },
    ]);
  });

  test('a refusal without an event is kept, whatever text was sent with it', async () => {
    const sent = eventOf('a');
    const line = {
      ...lineOf(sent, undefined),
      externalId: `\0\ud800${'x'.repeat(1_000_000)}`,
      sourceId: null,
    };
    await writer.writeAudited?.([], { signal: never, audit: () => [line] });
    expect(await lines()).toMatchObject([
      { source_id: null, external_id: `\ufffd\ufffd${'x'.repeat(510)}`, request_id: sent.requestId },
    ]);
  });

  test('when the audit cannot be kept, nothing is stored, and the connection goes on', async () => {
    await admin.query('ALTER TABLE app.request_audit RENAME TO away');
    const error = await audited([eventOf('a')])?.catch((thrown: unknown) => thrown);
    await admin.query('ALTER TABLE app.away RENAME TO request_audit');
    expect(error).toMatchObject({ code: 'config', message: expect.stringContaining('42P01') });
    expect(await count()).toBe(0);
    expect(await audited([eventOf('a')])).toMatchObject({ written: 1 });
  });

  test('a bad event leaves neither rows nor lines', async () => {
    const batch = [eventOf('a'), eventOf('poison', { payload: '{"a":' })];
    await expect(audited(batch)).rejects.toMatchObject({ code: 'bad_data' });
    expect([await count(), (await lines()).length]).toEqual([0, 0]);
  });
});

describe('opening', () => {
  test("takes SQLAlchemy's scheme too", async () => {
    const other = await open({
      connectionString: database.url.replace('postgresql:', 'postgresql+psycopg:'),
    });
    expect(await other.write([eventOf('a')], { signal: never })).toMatchObject({ written: 1 });
    await other.close();
  });

  test('a database without the table is a matter of configuration, with what to do', async () => {
    const empty = await createTestDatabase();
    await expect(open({ connectionString: empty.url })).rejects.toMatchObject({
      code: 'config',
      message: expect.stringContaining('otw start'),
    });
    await createRawEventTable(empty.url);
    const client = new pg.Client(empty.url);
    await client.connect();
    await client.query('ALTER TABLE raw.raw_event DROP CONSTRAINT raw_event_source_id_external_id_key');
    await expect(open({ connectionString: empty.url })).rejects.toThrow('no unique index');
    await client.query('ALTER TABLE raw.raw_event DROP COLUMN payload_hash');
    await expect(open({ connectionString: empty.url })).rejects.toThrow('payload_hash is missing');
    await client.end();
    await empty.drop();
  });

  test('no message shows the connection string', async () => {
    const wrong = database.url.replace(/:[^:@/]+@/, ':wrong-secret@');
    const refused = wrong.replace(/@127.0.0.1:\d+/, '@127.0.0.1:1');
    const cases = [
      [wrong, 'config'],
      [refused, 'transient'],
      [wrong.replace('postgresql', 'mysql'), 'config'],
      ['postgresql://u:wrong-secret%@[/x', 'config'],
    ] as const;
    for (const [connectionString, code] of cases) {
      const error = await open({ connectionString }).catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({ name: 'ConnectorError', code });
      expect(`${String(error)} ${JSON.stringify(error)}`).not.toContain('wrong-secret');
    }
  });
});
