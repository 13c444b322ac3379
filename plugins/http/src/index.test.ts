import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { secretsOf, type RawEvent, type SinkWriter } from '@on-the-way/sdk';
import { afterEach, beforeEach, expect, test } from 'vitest';
import sink from './index.ts';

// A double of the ingest API: real HTTP, the contract's answers, no database.
let server: Server;
let writer: SinkWriter;
let known: Map<string, string>;
let requests: { path: string; body: string; headers: IncomingHttpHeaders }[];
/** What the next requests to a path that ends so are answered with, whatever they hold. */
let next: { path: RegExp; status: number; body: string; headers?: Record<string, string> } | undefined;

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

function answerToBatch(text: string): { status: number; body: string } {
  const answers = text.split('\n').map(answerTo);
  const status = answers.every((answer) => answer.status === 200) ? 200 : 207;
  return { status, body: `{"status":"ok","items":[${answers.map(({ body }) => body).join()}]}` };
}

async function open(path = '/v1/ingest/connector-health', more = {}): Promise<SinkWriter> {
  const { port } = server.address() as AddressInfo;
  const config = sink.config.parse({ url: `http://127.0.0.1:${port}${path}`, ...more });
  return sink.open({ config, log });
}

beforeEach(async () => {
  known = new Map();
  requests = [];
  next = undefined;
  server = createServer(async (request, response) => {
    const chunks = await Array.fromAsync(request as AsyncIterable<Buffer>);
    const body = Buffer.concat(chunks).toString('utf8');
    const path = request.url ?? '';
    requests.push({ path, body, headers: request.headers });
    const usual = path.endsWith('/batch') ? answerToBatch : answerTo;
    const answer = next?.path.test(path) === true ? next : { headers: {}, ...usual(body) };
    response.writeHead(answer.status, answer.headers).end(answer.body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  writer = await open();
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

test('the payload is sent digit for digit, by itself and in a batch, which has one line an event', async () => {
  await writer.write([event('a', '{"big":9007199254740993,"long":1.10}')], { signal });
  await writer.write([event('b', '{"big":\r\n9007199254740993}'), event('c')], { signal });
  expect(requests[0]?.body).toContain('"payload":{"big":9007199254740993,"long":1.10}}');
  expect(requests[1]?.body).toMatch(/"payload":\{"big": +9007199254740993\}\}\n\{[^\n]+$/);
});

test('several events go in one request', async () => {
  await writer.write([event('a'), event('b'), event('c')], { signal });
  expect(requests).toMatchObject([
    {
      path: '/v1/ingest/connector-health/batch',
      headers: { 'content-type': 'application/x-ndjson', 'otw-batch': 'whole' },
    },
  ]);
});

test('as many events as the other host stores at once go in one request, and more in as few as can be', async () => {
  const many = Array.from({ length: 2001 }, (_, at) => event(String(at)));
  expect(await writer.write(many, { signal })).toMatchObject({ written: 2001 });
  expect(requests.map(({ body }) => body.split('\n').length)).toEqual([1000, 1000, 1]);
});

test('a batch that is refused for one of its events is a bad_data error that names it', async () => {
  const body = '{"status":"error","code":"INVALID_TIMEZONE","message":"items[1]: payload.timezone: no"}';
  next = { path: /batch$/, status: 422, body };
  await expect(writer.write([event('a'), event('b')], { signal })).rejects.toMatchObject({
    code: 'bad_data',
    message: expect.stringContaining('b, but: INVALID_TIMEZONE'),
  });
});

test.each([
  ['half a character', '{"secret":"\ud800"}', 'has a lone surrogate in its payload'],
  ['no JSON', '{"secret":1},"external_id":{}', 'has a payload that is not JSON'],
])('%s is not posted at all, and the event is named', async (_, payload, problem) => {
  const writing = writer.write([event('a'), event('b', payload)], { signal });
  await expect(writing).rejects.toMatchObject({
    code: 'bad_data',
    message: expect.stringContaining(`external_id "b" ${problem}`),
  });
  await expect(writing).rejects.not.toThrow(/secret/);
  expect(requests).toEqual([]);
});

test('a batch that is too large for one request goes in several, in order', async () => {
  const large = `{"data":"${'x'.repeat(1_500_000)}"}`;
  await writer.write([event('a', large), event('b', large), event('c', large), event('d')], { signal });
  expect([...known.keys()]).toEqual(['a', 'b', 'c', 'd']);
  expect(requests.map(({ path }) => path.split('/').at(-1))).toEqual(['batch', 'batch']);
});

test('a host without batches is asked once, then gets event by event', async () => {
  next = { path: /batch$/, status: 404, body: '{"detail":"Not Found"}' };
  await writer.write([event('a'), event('b')], { signal });
  await writer.write([event('c'), event('d')], { signal });
  expect([...known.keys()]).toEqual(['a', 'b', 'c', 'd']);
  expect(requests.filter(({ path }) => path.endsWith('/batch'))).toHaveLength(1);
});

test('a proxy that finds a batch too large gets its events one by one', async () => {
  next = { path: /batch$/, status: 413, body: '<html>' };
  expect(await writer.write([event('a'), event('b')], { signal })).toMatchObject({ written: 2 });
});

test('an address that is no contract of the ingest API gets event by event', async () => {
  await (await open('/somewhere/else')).write([event('a'), event('b')], { signal });
  expect(requests.map(({ path }) => path)).toEqual(['/somewhere/else', '/somewhere/else']);
});

test('the key goes into the header and nowhere else', async () => {
  const apiKey = `otw_${'k'.repeat(43)}`;
  const withKey = await open('/v1/ingest/connector-health', { apiKey });
  await withKey.write([event('a')], { signal });
  expect(requests[0]?.headers.authorization).toBe(`Bearer ${apiKey}`);
  next = { path: /./, status: 401, body: '{"code":"UNAUTHENTICATED","message":"no"}' };
  await expect(withKey.write([event('b')], { signal })).rejects.not.toThrow(/kkk/);
  expect(requests.every(({ path, body }) => !`${path}${body}`.includes('kkk'))).toBe(true);
  expect(secretsOf(sink.config, { url: 'http://127.0.0.1:1', apiKey })).toEqual([apiKey]);
});

test.each([
  ['DEPENDENCY_UNAVAILABLE', 'transient'],
  ['RAW_WRITE_FAILED', 'transient'],
  ['INVALID_TIMEZONE', 'bad_data'],
])('one event of a batch refused with %s is a %s error that names it', async (refused, code) => {
  const taken = `{"status":"ok","raw_id":"a","ingested_at":"2026-02-26T00:00:01+08:00","idempotent":false}`;
  const body = `{"status":"ok","items":[${taken},{"status":"error","code":"${refused}","message":"no"}]}`;
  next = { path: /batch$/, status: 207, body };
  const writing = writer.write([event('a'), event('b')], { signal });
  await expect(writing).rejects.toMatchObject({
    code,
    message: expect.stringContaining(`b, but: ${refused}: no`),
  });
});

test('a batch that is refused as a whole may be sent again after a while, and finds what was stored', async () => {
  const body = '{"status":"error","code":"OVERLOADED","message":"no"}';
  next = { path: /batch$/, status: 503, body, headers: { 'retry-after': '7' } };
  const batch = [event('a'), event('b')];
  await expect(writer.write(batch, { signal })).rejects.toMatchObject({
    code: 'transient',
    retryAfterMs: 7000,
  });
  known.set('a', '{"data":1}');
  next = undefined;
  expect(await writer.write(batch, { signal })).toMatchObject({ written: 1, unchanged: 1 });
});

test('an answer to a batch with fewer verdicts than events is not taken for stored', async () => {
  next = { path: /batch$/, status: 200, body: '{"status":"ok","items":[]}' };
  await expect(writer.write([event('a'), event('b')], { signal })).rejects.toMatchObject({
    code: 'transient',
  });
});

test.each([
  [503, 'transient'],
  [429, 'transient'],
  [400, 'transient'],
  [408, 'transient'],
  [422, 'bad_data'],
  [413, 'bad_data'],
  [401, 'config'],
  [415, 'config'],
  [404, 'config'],
])('HTTP %i is a %s error that names the event and not its payload', async (status, code) => {
  const headers = { 'retry-after': '7' };
  next = { path: /./, status, body: '{"status":"error","code":"X","message":"no"}', headers };
  const writing = writer.write([event('a', '{"secret":"canary"}')], { signal });
  await expect(writing).rejects.toMatchObject({
    code,
    status,
    message: expect.stringContaining('a, but: X: no'),
  });
  await expect(writing).rejects.not.toThrow(/canary/);
  if (code === 'transient') await expect(writing).rejects.toMatchObject({ retryAfterMs: 7000 });
});

const page = '<!doctype html><title>welcome</title>';

test.each([
  [200, page, 'transient', 'check that `url` is the ingest API'],
  [200, '', 'transient', 'HTTP 200 and nothing that the ingest API says'],
  [200, '{"status":"ok"}', 'transient', 'HTTP 200 and nothing'],
  [204, '', 'transient', 'HTTP 204'],
  [400, page, 'transient', 'HTTP 400'],
  [408, page, 'transient', 'HTTP 408'],
  [409, page, 'transient', 'HTTP 409'],
  [422, '{"detail":"no"}', 'transient', 'HTTP 422'],
  [429, page, 'transient', 'HTTP 429'],
  [502, page, 'transient', 'HTTP 502'],
  [401, page, 'config', 'wants credentials'],
  [403, page, 'config', 'lets nobody pass'],
  [404, page, 'config', 'Nothing is served there'],
  [405, page, 'config', 'Nothing takes a POST there'],
  [407, page, 'config', 'A proxy wants credentials'],
  [413, page, 'config', 'let bodies of 2 MB pass'],
])(
  'HTTP %i with %j was not said by the ingest API: it is %s, of one event and of many',
  async (status, body, code, message) => {
    next = { path: /./, status, body };
    const error = { code, message: expect.stringContaining(message) };
    await expect(writer.write([event('a')], { signal })).rejects.toMatchObject(error);
    await expect(writer.write([event('a'), event('b')], { signal })).rejects.toMatchObject(error);
  },
);

test.each([
  ['https://other.test/v1/ingest/events?token=hidden', 'https://other.test/v1/ingest/events'],
  ['/elsewhere#hidden', '/elsewhere'],
  ['https://hidden:hidden@other.test/', 'https://other.test/'],
])('a redirect to %s is not followed, and named without what may be secret', async (location, named) => {
  for (const status of [302, 307]) {
    next = { path: /./, status, body: '', headers: { location } };
    const writing = writer.write([event('a')], { signal });
    await expect(writing).rejects.toMatchObject({
      code: 'config',
      message: expect.stringContaining(`${named}, and a key`),
    });
    await expect(writing).rejects.not.toThrow(/hidden/);
  }
  expect(requests).toHaveLength(2);
});

test('a redirect of a batch is named as the address that `url` should be', async () => {
  const location = 'https://other.test/v1/ingest/events/batch';
  next = { path: /./, status: 308, body: '', headers: { location } };
  await expect(writer.write([event('a'), event('b')], { signal })).rejects.toMatchObject({
    code: 'config',
    message: expect.stringContaining('a redirect to https://other.test/v1/ingest/events, and'),
  });
});

test('an event that is said to be stored is stored, with whatever status of success', async () => {
  const body = '{"status":"ok","raw_id":"a","ingested_at":"2026-02-26T00:00:01+08:00","idempotent":false}';
  next = { path: /./, status: 201, body };
  expect(await writer.write([event('a')], { signal })).toMatchObject({ written: 1 });
});

test('Retry-After is a number of seconds or a date', async () => {
  const body = '{"status":"error","code":"RATE_LIMITED","message":"later"}';
  const later = new Date(Date.now() + 3_600_000).toUTCString();
  next = { path: /./, status: 429, body, headers: { 'retry-after': later } };
  const { retryAfterMs } = await writer.write([event('a')], { signal }).then(
    () => ({ retryAfterMs: 0 }),
    (thrown: unknown) => thrown as { retryAfterMs: number },
  );
  expect(retryAfterMs).toBeGreaterThan(1_800_000);
  expect(retryAfterMs).toBeLessThanOrEqual(3_600_000);
});

test.each(['', '/'])(
  'a host without a path%s is given its events where it takes those of any source',
  async (path) => {
    const toHost = await open(path);
    await toHost.write([event('a')], { signal });
    await toHost.write([event('b'), event('c')], { signal });
    expect(requests.map((request) => request.path)).toEqual(['/v1/ingest/events', '/v1/ingest/events/batch']);
  },
);

test('a host that is away is transient, an abort stays an abort', async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  await expect(writer.write([event('a')], { signal })).rejects.toMatchObject({ code: 'transient' });
  const aborted = AbortSignal.abort(new DOMException('stop', 'AbortError'));
  await expect(writer.write([event('a')], { signal: aborted })).rejects.toMatchObject({ name: 'AbortError' });
});

test.each(['/v1/ingest/events?source=a', '/v1/ingest/events#a', '/v1/ingest/events/batch'])(
  'an address that ends in %s is refused before anything is posted',
  (end) => {
    const { error } = sink.config.safeParse({ url: `http://127.0.0.1:1${end}` });
    expect(error?.issues).toMatchObject([{ path: ['url'], message: expect.stringContaining('/batch') }]);
  },
);

test('a misspelt key of the configuration is refused', () => {
  const { error } = sink.config.safeParse({ url: 'http://127.0.0.1:1', timeoutSecond: 5 });
  expect(error?.issues).toMatchObject([{ code: 'unrecognized_keys', keys: ['timeoutSecond'] }]);
});
