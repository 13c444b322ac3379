import { createHash, randomUUID } from 'node:crypto';
import { ConnectorError } from '@on-the-way/sdk';
import type { RawEvent, SinkWriter, WriteResult } from '@on-the-way/sdk';
import fc from 'fast-check';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { createTestDatabase } from '../../../host/test/postgres.ts';
import type { TestDatabase } from '../../../host/test/postgres.ts';
import { startCuttingProxy, type CuttingProxy } from './cutting-proxy.ts';
import sink from './index.ts';
import { quoted } from './stage.ts';
import { createRawEventTable } from './test-table.ts';

// The one round trip of a batch: the stage, the merge, and what becomes of them when something goes wrong.
const log = { debug: () => {}, info: () => {}, warn: () => {} };
const never = new AbortController().signal;
const writers: SinkWriter[] = [];
let database: TestDatabase;
let admin: pg.Client;
let proxy: CuttingProxy;

async function open(connectionString = database.url): Promise<SinkWriter> {
  const writer = await sink.open({ config: sink.config.parse({ connectionString }), log });
  writers.push(writer);
  return writer;
}

beforeAll(async () => {
  database = await createTestDatabase();
  await createRawEventTable(database.url);
  admin = new pg.Client(database.url);
  await admin.connect();
  proxy = await startCuttingProxy(database.url);
});
afterEach(async () => {
  await Promise.all(writers.splice(0).map((writer) => writer.close()));
  await admin.query('TRUNCATE raw.raw_event');
});
afterAll(async () => {
  await proxy.close();
  await admin.end();
  await database.drop();
});

const requestId = randomUUID();

function eventOf(externalId: string, payload = `{"id":${JSON.stringify(externalId)}}`): RawEvent {
  const payloadHash = createHash('sha256').update(payload).digest('hex');
  const occurredAt = '2026-02-26T00:00:00+08:00';
  return { sourceId: 'source', externalId, occurredAt, payload, payloadHash, requestId };
}

function eventsOf(count: number, bytes = 0): RawEvent[] {
  const note = 'x'.repeat(bytes);
  return Array.from({ length: count }, (_, at) =>
    eventOf(`${String(at).padStart(5, '0')}`, `{"at":${at},"note":"${note}"}`),
  );
}

const write = (writer: SinkWriter, batch: readonly RawEvent[]): Promise<WriteResult> =>
  writer.write(batch, { signal: never });

async function stored(): Promise<number> {
  return (await admin.query('SELECT count(*)::int AS count FROM raw.raw_event')).rows[0].count;
}

describe('what becomes of an event', () => {
  const keys = ['a', 'b', 'c', 'd', 'e', 'f'];
  const anEvent = fc.record({ key: fc.constantFrom(...keys), value: fc.integer({ min: 0, max: 2 }) });
  const padding = Array.from({ length: 60 }, (_, at) => ({ key: `padding ${at}`, value: 0 }));

  test('is the same however many there are, in whatever order, and whether they are probed for or sent', async () => {
    const writer = await open();
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.array(anEvent, { maxLength: 12 }), fc.boolean()), { maxLength: 5 }),
        async (batches) => {
          await admin.query('TRUNCATE raw.raw_event');
          const known = new Map<string, { readonly value: number; readonly rawId: string | undefined }>();
          for (const [few, isPadded] of batches) {
            // With many that are there already, what comes next is probed for.
            const batch = isPadded ? [...few, ...padding] : few;
            const { rows, conflicts } = await write(
              writer,
              batch.map(({ key, value }) => eventOf(key, `{"value":${value}}`)),
            );
            const expected = batch.map(({ key, value }, at) => {
              const before = known.get(key);
              if (before === undefined) known.set(key, { value, rawId: rows[at]?.rawId });
              const outcome = before === undefined ? 'written' : undefined;
              return {
                outcome: outcome ?? (before?.value === value ? 'unchanged' : 'conflict'),
                rawId: known.get(key)?.rawId,
              };
            });
            expect(rows).toMatchObject(expected);
            expect(conflicts).toHaveLength(expected.filter(({ outcome }) => outcome === 'conflict').length);
          }
          expect(await stored()).toBe(known.size);
        },
      ),
      { numRuns: 40 },
    );
  });

  test('of events with one key the first that was sent wins, however long each is', async () => {
    const writer = await open();
    for (let round = 0; round < 4; round += 1) {
      const batch = Array.from({ length: 800 }, (_, at) => {
        const note = createHash('sha512').update(`${round} ${at}`).digest('hex');
        return eventOf(`${round} ${at % 400}`, `{"at":${at},"note":"${note.repeat(1 + ((at * 7) % 13))}"}`);
      });
      const { rows } = await write(writer, batch);
      expect(rows.map(({ outcome }) => outcome)).toEqual([
        ...Array<string>(400).fill('written'),
        ...Array<string>(400).fill('conflict'),
      ]);
    }
  });

  test('any text comes through a batch of any size as it is', async () => {
    const writer = await open();
    const text = fc.string({ unit: 'binary', maxLength: 40 }).filter((id) => !id.includes('\0'));
    const special = fc.constantFrom(
      '\\',
      '\\.',
      '\\N',
      '\n',
      '\r\n',
      '\t',
      '\\\\n',
      "'",
      "''",
      '\u001F',
      '😀',
    );
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(fc.oneof(text, special), { minLength: 1, maxLength: 60 }),
        async (ids) => {
          await admin.query('TRUNCATE raw.raw_event');
          const batch = ids.map((id) => ({ ...eventOf(`id ${id}`), sourceId: `source ${id}` }));
          expect(await write(writer, batch)).toMatchObject({ written: ids.length });
          const { rows } = await admin.query(
            `SELECT source_id, external_id, payload_json ->> 'id' AS said, raw_id FROM raw.raw_event ORDER BY raw_id`,
          );
          const inOrder = batch.toSorted((a, b) => (a.sourceId < b.sourceId ? -1 : 1));
          expect(rows.map((row) => [row.source_id, row.external_id, row.said])).toEqual(
            inOrder.map(({ sourceId, externalId }) => [sourceId, externalId, externalId]),
          );
          expect(await write(writer, batch)).toMatchObject({ unchanged: ids.length });
        },
      ),
      { numRuns: 60 },
    );
  });

  test('a constant in SQL is what the driver makes of it, whatever text it is', () => {
    const text = fc.oneof(fc.string({ unit: 'binary' }), fc.stringMatching(/^['\\\\a$;-]*$/));
    fc.assert(
      fc.property(text, (value) => {
        expect(quoted(value).trim()).toBe(pg.escapeLiteral(value).trim());
      }),
    );
  });

  test('ids of rows are UUIDv7, of the time of writing, in the order of the keys', async () => {
    const before = Date.now();
    const writer = await open();
    const { rows } = await write(writer, eventsOf(5_000));
    const ids = rows.map(({ rawId }) => rawId);
    expect(ids.toSorted()).toEqual(ids);
    expect(new Set(ids.map((id) => id[14] + (id[19] ?? '').replace(/[89ab]/, 'v')))).toEqual(new Set(['7v']));
    const times = ids.map((id) => Number.parseInt(id.replace('-', '').slice(0, 12), 16));
    expect(times[0]).toBeGreaterThanOrEqual(before);
    // Each millisecond has room for 4096.
    expect(times.at(-1)).toBeLessThanOrEqual(Date.now() + 1);
  });
});

describe('what is read again', () => {
  test('is asked for by its keys and not sent, once most of a batch was there', async () => {
    const writer = await open(proxy.url);
    const batch = eventsOf(500, 1_000);
    const first = await write(writer, batch);
    const sentFor = async (events: readonly RawEvent[]) => {
      proxy.arm();
      const result = await write(writer, events);
      return { result, sent: proxy.passed.toServer };
    };
    const merged = await sentFor(batch);
    const probed = await sentFor(batch);
    expect(merged.sent).toBeGreaterThan(500_000);
    expect(probed.sent).toBeLessThan(120_000);
    expect(probed.result).toEqual(merged.result);
    expect(probed.result.rows.map(({ rawId }) => rawId)).toEqual(first.rows.map(({ rawId }) => rawId));
    // What is not found that way is sent, and compared as ever.
    const changed = batch.map((event, at) => (at % 10 === 0 ? { ...event, payloadHash: 'other' } : event));
    changed[5] = eventOf(batch[5]!.externalId, '{}');
    changed.push(eventOf('new'));
    const mixed = await sentFor(changed);
    expect(mixed.result).toMatchObject({ written: 1, unchanged: 499, conflicts: [changed[5]] });
    expect(mixed.sent).toBeLessThan(220_000);
    expect(await sentFor(eventsOf(60).map((event) => ({ ...event, sourceId: 'new' })))).toMatchObject({
      result: { written: 60 },
    });
    expect((await sentFor(batch)).sent).toBeGreaterThan(500_000);
  });

  test('is sent where a key holds what would stand between the keys', async () => {
    const writer = await open();
    const batch = [...eventsOf(60), eventOf('half \u001F half')];
    for (const expected of [{ written: 61 }, { unchanged: 61 }, { unchanged: 61 }])
      expect(await write(writer, batch)).toMatchObject(expected);
  });
});

describe('when something goes wrong', () => {
  test.each([40, 5_000])(
    'one event of %d that cannot be stored is named, and nothing else is lost with it',
    async (count) => {
      const writer = await open();
      const batch = eventsOf(count);
      const at = Math.floor(count * 0.7);
      const tooLong = Array.from({ length: 300 }, randomUUID).join('');
      for (const poison of [
        eventOf('poison', '{"a":"\\u0000"}'),
        { ...eventOf('poison'), occurredAt: '2026-02-30T00:00:00Z' },
        { ...eventOf('poison'), requestId: 'none' },
        eventOf(`poison ${tooLong}`),
      ]) {
        const error: unknown = await write(writer, batch.with(at, poison)).catch((thrown: unknown) => thrown);
        if (!ConnectorError.is(error)) throw new Error('expected a ConnectorError', { cause: error });
        expect([error.code, error.message]).toEqual(['bad_data', expect.stringContaining('"poison')]);
        expect(await stored()).toBe(0);
      }
      expect(await write(writer, batch)).toMatchObject({ written: count });
    },
  );

  test('a connection that is lost at any byte of the exchange costs nothing and stores nothing twice', async () => {
    const batch = eventsOf(300, 100);
    const exchanged = { toServer: 0, toClient: 0 };
    const whole = await open(proxy.url);
    proxy.arm();
    await write(whole, batch);
    Object.assign(exchanged, proxy.passed);
    expect(exchanged.toServer).toBeGreaterThan(30_000);
    const cuts = fc.record({
      direction: fc.constantFrom('toServer' as const, 'toClient' as const),
      share: fc.double({ min: 0, max: 1, noNaN: true }),
    });
    await fc.assert(
      fc.asyncProperty(cuts, async ({ direction, share }) => {
        await admin.query('TRUNCATE raw.raw_event');
        const writer = await open(proxy.url);
        proxy.arm({ direction, after: 1 + Math.floor(share * (exchanged[direction] - 1)) });
        let last: WriteResult | undefined;
        // Cut behind the last byte, it is the next write that meets it.
        for (let tries = 0; tries < 3; tries += 1) {
          const result = await write(writer, batch).catch((error: unknown) => error);
          proxy.arm();
          if (ConnectorError.is(result)) expect(result.code).toBe('transient');
          else expect((last = result as WriteResult)).toHaveProperty('conflicts', []);
        }
        expect(last).toMatchObject({ written: 0, unchanged: 300, conflicts: [] });
        expect(await stored()).toBe(300);
        await writers.pop()?.close();
      }),
      { numRuns: 25 },
    );
  });

  test('a session without what was prepared in it, as a pooler lends them, is prepared anew', async () => {
    const writer = await open();
    await write(writer, eventsOf(40));
    const { rows } = await admin.query(
      `SELECT oid::regprocedure AS name FROM pg_proc WHERE proname LIKE 'otw\\_merge%'`,
    );
    for (const { name } of rows) await admin.query(`DROP FUNCTION ${name}`);
    expect(rows.length).toBeGreaterThan(0);
    expect(await write(writer, eventsOf(45))).toMatchObject({ written: 5, unchanged: 40 });
    expect(await write(writer, eventsOf(46))).toMatchObject({ written: 1, unchanged: 45 });
  });

  test('a write that is aborted while the server works is stopped there, and its connection not used again', async () => {
    const writer = await open();
    await write(writer, eventsOf(1));
    await admin.query('BEGIN; LOCK TABLE raw.raw_event IN ACCESS EXCLUSIVE MODE');
    const controller = new AbortController();
    const writing = writer.write(eventsOf(50), { signal: controller.signal });
    const waiting = `SELECT count(*)::int AS count FROM pg_locks WHERE NOT granted AND relation = 'raw.raw_event'::regclass`;
    const waiters = async () => (await admin.query(waiting)).rows[0].count;
    await expect.poll(waiters).toBe(1);
    controller.abort(new Error('enough'));
    await expect(writing).rejects.toThrow('enough');
    expect(await waiters()).toBe(0);
    await admin.query('COMMIT');
    expect(await stored()).toBe(1);
    expect(await write(writer, eventsOf(2))).toMatchObject({ written: 1, unchanged: 1 });
  });
});

test('a write that finds all connections in use waits for one, however long that takes', async () => {
  const writer = await open();
  await admin.query('BEGIN; LOCK TABLE raw.raw_event IN ACCESS EXCLUSIVE MODE');
  const stop = new AbortController();
  const writes = Array.from({ length: 6 }, (_, at) => write(writer, [eventOf(`waits ${at}`)]));
  const given = writer.write([eventOf('given up')], { signal: stop.signal });
  stop.abort(new Error('enough'));
  await expect(given).rejects.toThrow('enough');
  const waiting = `SELECT count(*)::int AS count FROM pg_locks WHERE NOT granted AND relation = 'raw.raw_event'::regclass`;
  await expect.poll(async () => (await admin.query(waiting)).rows[0].count).toBe(4);
  await admin.query('COMMIT');
  expect((await Promise.all(writes)).map(({ written }) => written)).toEqual(Array(6).fill(1));
});

test('many writers with the same keys in different orders and sizes store each once, without an error', async () => {
  const several = await Promise.all([open(), open(), open()]);
  for (let round = 0; round < 6; round += 1) {
    const batch = Array.from({ length: 400 }, (_, at) => eventOf(`${round} ${at}`));
    const orders = [
      batch,
      batch.toReversed(),
      batch.toSorted((a, b) => (a.payloadHash < b.payloadHash ? -1 : 1)),
    ];
    const results = await Promise.all(
      several.flatMap((writer, at) => {
        const events = orders[at] ?? [];
        return [
          write(writer, events),
          write(writer, events.slice(100, 120)),
          write(writer, events.slice(200)),
        ];
      }),
    );
    const sums = results.map(({ written, unchanged }) => written + unchanged);
    expect(sums).toEqual([400, 20, 200, 400, 20, 200, 400, 20, 200]);
    expect(results.reduce((sum, { written }) => sum + written, 0)).toBe(400);
  }
  expect(await stored()).toBe(2_400);
});
