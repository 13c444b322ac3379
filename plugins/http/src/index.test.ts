import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { RawEvent, SinkWriter } from '@on-the-way/sdk';
import { afterEach, beforeEach, expect, test } from 'vitest';
import sink from './index.ts';

// A double of the ingest API: real HTTP, the contract's answers, no database.
let server: Server;
let writer: SinkWriter;
let known: Map<string, string>;
let bodies: string[];
let next: { status: number; body: string; headers?: Record<string, string> } | undefined;

const signal = new AbortController().signal;
const log = { debug() {}, info() {}, warn() {} };

function event(externalId: string, payload = '{"data":1}'): RawEvent {
  return {
    sourceId: 'garmin_connect_health',
    externalId,
    occurredAt: '2026-02-26T00:00:00+08:00',
    payload,
    payloadHash: payload,
    requestId: '0b3f6f1e-6f7a-4f0e-9a46-5b1f0c1d2e3f',
  };
}

function answerTo(text: string): { status: number; body: string } {
  const { external_id: id, payload } = JSON.parse(text) as { external_id: string; payload: unknown };
  const before = known.get(id);
  const now = JSON.stringify(payload);
  if (before !== undefined && before !== now) {
    return { status: 409, body: '{"status":"error","code":"DUPLICATE_IDEMPOTENCY_KEY","message":"taken"}' };
  }
  known.set(id, now);
  const idempotent = before !== undefined;
  return {
    status: 200,
    body: JSON.stringify({ status: 'ok', raw_id: id, ingested_at: '2026-02-26T00:00:01+08:00', idempotent }),
  };
}

beforeEach(async () => {
  known = new Map();
  bodies = [];
  next = undefined;
  server = createServer(async (request, response) => {
    const chunks = await Array.fromAsync(request as AsyncIterable<Buffer>);
    const text = Buffer.concat(chunks).toString('utf8');
    bodies.push(text);
    const { status, body, headers } = { headers: {}, ...(next ?? answerTo(text)) };
    response.writeHead(status, headers).end(body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const config = sink.config.parse({ url: `http://127.0.0.1:${port}/v1/ingest/connector-health` });
  writer = await sink.open({ config, log });
});

afterEach(async () => {
  await writer.close();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

test('new, unchanged and conflict are told apart, event by event', async () => {
  await writer.write([event('a')], { signal });
  const result = await writer.write([event('a'), event('b'), event('a', '{"data":2}')], { signal });
  expect(result).toMatchObject({ written: 1, unchanged: 1, conflicts: [{ externalId: 'a' }] });
  expect(result.rows.map(({ outcome }) => outcome)).toEqual(['unchanged', 'written', 'conflict']);
});

test('the payload is sent digit for digit', async () => {
  await writer.write([event('a', '{"big":9007199254740993,"long":1.10}')], { signal });
  expect(bodies[0]).toContain('"payload":{"big":9007199254740993,"long":1.10}}');
});

test.each([
  [503, 'transient'],
  [429, 'transient'],
  [422, 'bad_data'],
  [401, 'config'],
  [404, 'config'],
])('HTTP %i is a %s error that names the event and not its payload', async (status, code) => {
  next = { status, body: '{"status":"error","code":"X","message":"no"}', headers: { 'retry-after': '7' } };
  const writing = writer.write([event('a', '{"secret":"canary"}')], { signal });
  await expect(writing).rejects.toMatchObject({
    code,
    status,
    message: expect.stringContaining('a, but: X: no'),
  });
  await expect(writing).rejects.not.toThrow(/canary/);
});

test('an answer that is not of the ingest API is refused, not taken for stored', async () => {
  next = { status: 200, body: '<html>welcome</html>' };
  await expect(writer.write([event('a')], { signal })).rejects.toMatchObject({ code: 'bad_data' });
});

test('a host that is away is transient, an abort stays an abort', async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  await expect(writer.write([event('a')], { signal })).rejects.toMatchObject({ code: 'transient' });
  const aborted = AbortSignal.abort(new DOMException('stop', 'AbortError'));
  await expect(writer.write([event('a')], { signal: aborted })).rejects.toMatchObject({ name: 'AbortError' });
});

test('a misspelt key of the configuration is refused', () => {
  const { error } = sink.config.safeParse({ url: 'http://127.0.0.1:1', timeoutSecond: 5 });
  expect(error?.issues).toMatchObject([{ code: 'unrecognized_keys', keys: ['timeoutSecond'] }]);
});
