import { createServer } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { sha256 } from '@on-the-way/core';
import type { RawEvent, SinkWriter } from '@on-the-way/sdk';
import http from '../../plugins/http/src/index.ts';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { settingAside } from '../src/set-aside.ts';
import { healthEvent, startContractApi, type ContractApi } from './contract-api.ts';
import { fakeClock } from './test-host.ts';

// A worker that posts, and what of a batch is stored by the host it posts to.
const path = '/v1/ingest/connector-health';
const { signal } = new AbortController();
let api: ContractApi;
let writer: SinkWriter;

/** Writes again while the host sheds load: tests share its process, so that their own work makes it look busy. */
async function untilTaken<T>(write: () => Promise<T>): Promise<T> {
  for (let tries = 0; ; tries += 1) {
    try {
      return await write();
    } catch (error) {
      if (!/Too much is asked/.test(String(error)) || tries === 50) throw error;
      await delay(50);
    }
  }
}

beforeAll(async () => {
  api = await startContractApi({ clock: fakeClock('2026-11-23T12:00:00+08:00') });
  const log = { debug() {}, info() {}, warn() {} };
  const posting = await http.open({ config: http.config.parse({ url: `${api.url}${path}` }), log });
  writer = { ...posting, write: (batch, options) => untilTaken(() => posting.write(batch, options)) };
});
afterEach(() => api.query('truncate raw.raw_event, app.request_audit'));
afterAll(async () => {
  await writer.close();
  await api.close();
});

interface Posted {
  readonly source_id: string;
  readonly occurred_at: string;
}

function eventOf(externalId: string, data = '{"value":1}'): RawEvent {
  const { payload, ...event } = healthEvent({ data: '@data@' }) as unknown as Posted & { payload: object };
  const text = JSON.stringify(payload).replace('"@data@"', () => data);
  return {
    sourceId: event.source_id,
    externalId,
    occurredAt: event.occurred_at,
    payload: text,
    payloadHash: sha256(text),
    requestId: '0b3f6f1e-6f7a-4f0e-9a46-5b1f0c1d2e3f',
  };
}

const batchOf = (name: string, count: number): RawEvent[] =>
  Array.from({ length: count }, (_, at) => eventOf(`${name} ${at}`));

async function stored(): Promise<string[]> {
  const rows = await api.query<{ id: string }>('select external_id as id from raw.raw_event order by id');
  return rows.map(({ id }) => id);
}

test.each([
  ['NUL', String.raw`"\u0000"`],
  ['half a character', String.raw`"\ud800"`],
  ['a number beyond a double', '1e400'],
  ['nesting 10,000 deep', '['.repeat(10_000) + ']'.repeat(10_000)],
])('%s in one event refuses the batch by its name, and nothing of it is stored', async (_, data) => {
  const writing = writer.write([eventOf('a'), eventOf('bad', data), eventOf('c')], { signal });
  await expect(writing).rejects.toMatchObject({
    code: 'bad_data',
    message: expect.stringMatching(/take bad, but: INVALID_ARGUMENT: items\[1\]: /),
  });
  expect(await stored()).toEqual([]);
  const audit = await api.query('select status, error_code from app.request_audit');
  expect(audit).toEqual([{ status: 'error', error_code: 'INVALID_ARGUMENT' }]);
});

test('of a batch with an event that is refused, that one is set aside and the rest is written', async () => {
  const batch = batchOf('e', 9).with(4, eventOf('bad', String.raw`"\u0000"`));
  const letters = { add: async () => undefined };
  const { rows } = await settingAside(writer, { letters, connection: 'c', runId: 'r' }).write(batch, {
    signal,
  });
  expect(rows.map(({ outcome }) => outcome)).toEqual(
    batch.map((_, at) => (at === 4 ? 'set_aside' : 'written')),
  );
  expect(await stored()).toHaveLength(8);
});

test('a page of a proxy on the way sets nothing aside', async () => {
  const proxy = createServer((_, response) => response.writeHead(400).end('<title>Bad Request</title>'));
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
  const log = { debug() {}, info() {}, warn() {} };
  const posting = await http.open({ config: http.config.parse({ url }), log });
  const added: unknown[] = [];
  const letters = { add: async (letter: unknown) => void added.push(letter) };
  const aside = settingAside(posting, { letters, connection: 'c', runId: 'r' });
  await expect(aside.write(batchOf('e', 3), { signal })).rejects.toMatchObject({ code: 'transient' });
  expect(added).toEqual([]);
  await posting.close();
  proxy.closeAllConnections();
  await new Promise((resolve) => proxy.close(resolve));
});

test('what is beyond 2^53 and a megabyte of text come through digit for digit', async () => {
  const text = JSON.stringify('€'.repeat(300_000));
  await writer.write([eventOf('big', '9007199254740993'), eventOf('long', text), eventOf('small', '1.10')], {
    signal,
  });
  const rows = await api.query(
    `select payload_json #>> '{data,value}' as value, length(payload_json #>> '{data,value}') as length
     from raw.raw_event order by external_id`,
  );
  expect(rows).toMatchObject([{ value: '9007199254740993' }, { length: 300_000 }, { value: '1.10' }]);
});

test('a conflict is told of its event, and the rest of the batch is stored', async () => {
  await writer.write([eventOf('a'), eventOf('b')], { signal });
  const batch = [eventOf('a'), eventOf('b', '{"value":2}'), eventOf('c')];
  const { rows } = await writer.write(batch, { signal });
  expect(rows.map(({ outcome }) => outcome)).toEqual(['unchanged', 'conflict', 'written']);
});

test('a batch is one transaction, whatever else is posted at the time', async () => {
  const batches = Array.from({ length: 6 }, (_, at) => batchOf(String(at), 700));
  const lone = Array.from({ length: 40 }, (_, at) => [eventOf(`lone ${at}`)]);
  await Promise.all([...batches, ...lone].map((batch) => writer.write(batch, { signal })));
  const rows = await api.query(
    `select count(*)::int as events, count(distinct xmin::text)::int as transactions from raw.raw_event
     where external_id not like 'lone%' group by split_part(external_id, ' ', 1)`,
  );
  expect(rows).toEqual(batches.map(() => ({ events: 700, transactions: 1 })));
});

test('two workers with the same batch at once store it once', async () => {
  const batch = batchOf('same', 300);
  const results = await Promise.all([1, 2, 3].map(() => writer.write(batch, { signal })));
  expect(results.reduce((sum, { written }) => sum + written, 0)).toBe(300);
  expect(await stored()).toHaveLength(300);
});

/** Sends so much of a batch as a worker that is killed then does; resolves when the host has seen the end of it. */
async function cutOff(batch: readonly RawEvent[], part: number): Promise<void> {
  const lines = batch.map(
    (event) =>
      `{"source_id":"${event.sourceId}","external_id":"${event.externalId}","occurred_at":"${event.occurredAt}","payload":${event.payload}}`,
  );
  const body = Buffer.from(lines.join('\n'));
  const { hostname, port, host } = new URL(api.url);
  const head = `POST ${path}/batch HTTP/1.1\r\nHost: ${host}\r\nContent-Type: application/x-ndjson\r\nOTW-Batch: whole`;
  const socket = connect(Number(port), hostname);
  socket.on('error', () => undefined);
  const sent = body.subarray(0, Math.floor(body.length * part));
  await new Promise((resolve) =>
    socket.write(
      Buffer.concat([Buffer.from(`${head}\r\nContent-Length: ${body.length}\r\n\r\n`), sent]),
      resolve,
    ),
  );
  socket.destroy();
}

test('of a worker that is killed while it posts, the batch is there whole or not at all', async () => {
  const parts = [0.1, 0.5, 0.9, 0.999];
  await Promise.all(parts.map((part, at) => cutOff(batchOf(`cut${at}`, 400), part)));
  // One that got to its end before the worker died: sent again, should the host have shed it.
  const whole = batchOf('whole', 400);
  await expect
    .poll(async () => {
      await cutOff(whole, 1);
      return (await stored()).length;
    })
    .toBe(400);
  expect((await stored()).toSorted()).toEqual(whole.map(({ externalId }) => externalId).toSorted());
});

test('another value of the header is refused, and nothing is stored', async () => {
  const headers = { 'content-type': 'application/json', 'otw-batch': 'atomic' };
  const body = JSON.stringify([healthEvent()]);
  const response = await fetch(`${api.url}${path}/batch`, { method: 'POST', headers, body });
  expect([response.status, await response.json()]).toMatchObject([422, { code: 'INVALID_ARGUMENT' }]);
  expect(await stored()).not.toContain('garmin::79a6123c2db3::sleep::2026-02-25::88432f71072e214d');
});
