import { request as httpRequest, type IncomingMessage, type OutgoingHttpHeaders } from 'node:http';
import { writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { healthEvent, refusal, startContractApi, untilTaken, type ContractApi } from './contract-api.ts';
import { otw, temporaryFolder } from './otw.ts';
import { fakeClock } from './test-host.ts';

const manual = '/v1/ingest/manual-signal';
let api: ContractApi;
let count = 0;

beforeAll(async () => {
  api = await startContractApi({ clock: fakeClock('2026-11-23T12:00:00+08:00') });
});
afterAll(async () => api.close());

function event(change: Readonly<Record<string, unknown>> = {}): Record<string, unknown> {
  count += 1;
  const at = '2026-11-23T11:00:00+08:00';
  return {
    source_id: 'ios_manual',
    external_id: `body-${count}`,
    occurred_at: at,
    payload: { value: 1 },
    ...change,
  };
}

interface Sent {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly body: Readonly<Record<string, unknown>>;
}

/** A request whose body is written by hand; `ended` resolves with the answer. */
function open(path: string, headers: OutgoingHttpHeaders) {
  const { promise: ended, resolve, reject } = Promise.withResolvers<Sent>();
  const request = httpRequest(
    `${api.url}${path}`,
    { method: 'POST', headers, agent: false },
    async (response) => {
      const text = Buffer.concat(await response.toArray()).toString();
      const body = JSON.parse(text) as Sent['body'];
      resolve({ status: response.statusCode ?? 0, headers: response.headers, body });
    },
  );
  request.on('error', reject);
  return { request, ended };
}

function send(body: string | Buffer, headers: OutgoingHttpHeaders = {}, path = manual): Promise<Sent> {
  return untilTaken(() => {
    const { request, ended } = open(path, { 'content-type': 'application/json', ...headers });
    request.end(body);
    return ended;
  });
}

interface AuditRow {
  readonly source_id: string | null;
  readonly external_id: string | null;
  readonly status: string;
  readonly error_code: string | null;
  readonly message: string | null;
  readonly received_at: Date;
}

async function auditOf(requestId: unknown): Promise<AuditRow[]> {
  const sql = 'select * from app.request_audit where request_id = ?';
  return (await api.host.database.raw<{ rows: AuditRow[] }>(sql, [String(requestId)])).rows;
}

async function counts(): Promise<{ events: number; audits: number }> {
  const [row] = await api.query<{ events: number; audits: number }>(
    'select (select count(*)::int from raw.raw_event) as events, (select count(*)::int from app.request_audit) as audits',
  );
  return row!;
}

describe('the content type', () => {
  test.each([
    'application/json',
    'Application/JSON',
    'application/json; charset=utf-8',
    'application/json;charset="UTF-8"',
    'application/json; charset=UTF8',
    'application/json ;',
  ])('%s is taken', async (type) => {
    expect(await send(JSON.stringify(event()), { 'content-type': type })).toMatchObject({ status: 200 });
  });

  test.each([
    'text/plain',
    'application/x-www-form-urlencoded',
    'multipart/form-data',
    'application/jsonp',
    'application/json; charset=utf-16',
    'application/json; charset=latin1',
    'application/json, text/plain',
    'application/ld+json',
    'application/x-ndjson',
    '',
    'json',
  ])('"%s" is refused with 415', async (type) => {
    const answer = await send(JSON.stringify(event()), { 'content-type': type });
    expect(answer).toMatchObject({ status: 415, body: refusal('INVALID_ARGUMENT') });
  });

  test('must be there', async () => {
    const { request, ended } = open(manual, {});
    request.end(JSON.stringify(event()));
    expect((await ended).status).toBe(415);
  });
});

describe('the encoding', () => {
  const encodings = { gzip: gzipSync, deflate: deflateSync, br: brotliCompressSync };
  test.each(Object.entries(encodings))('%s is taken', async (encoding, compress) => {
    const answer = await send(compress(JSON.stringify(event())), { 'content-encoding': encoding });
    expect(answer).toMatchObject({ status: 200, body: { idempotent: false } });
  });

  test.each(Object.entries(encodings))(
    '%s that is cut short, or none at all, is refused with 400',
    async (encoding, compress) => {
      const whole = compress(JSON.stringify(event({ payload: { value: 1, note: 'n'.repeat(200) } })));
      for (const body of [whole.subarray(0, whole.length - 6), Buffer.from('{"plain":1}')]) {
        const answer = await send(body, { 'content-encoding': encoding });
        expect(answer).toMatchObject({ status: 400, body: refusal('INVALID_ARGUMENT') });
        expect(answer.body['message']).not.toMatch(/Z_|BUF|zlib|unexpected|header|decod/i);
      }
    },
  );

  test.each(['compress', 'zip', 'gzip, gzip', 'utf-8'])('%s is refused with 415', async (encoding) => {
    const answer = await send(JSON.stringify(event()), { 'content-encoding': encoding });
    expect(answer).toMatchObject({ status: 415, body: refusal('INVALID_ARGUMENT') });
  });

  test.each(Object.entries(encodings))(
    '%s that grows beyond the limit is refused with 413',
    async (encoding, compress) => {
      const answer = await send(compress(Buffer.alloc(20 * 1024 * 1024, 32)), {
        'content-encoding': encoding,
      });
      expect(answer).toMatchObject({ status: 413, body: refusal('INVALID_ARGUMENT') });
    },
  );
});

describe('the body', () => {
  test('that is empty is refused with 400', async () => {
    expect(await send('')).toMatchObject({ status: 400, body: refusal('INVALID_ARGUMENT') });
    expect(await send('', { 'transfer-encoding': 'chunked' })).toMatchObject({ status: 400 });
    expect(await send('  ')).toMatchObject({ status: 400 });
  });

  test('that is declared too long is refused with 413 before it is sent', async () => {
    const { request, ended } = open(manual, {
      'content-type': 'application/json',
      'content-length': '9999999',
    });
    request.flushHeaders();
    expect(await ended).toMatchObject({ status: 413, body: refusal('INVALID_ARGUMENT') });
    request.destroy();
  });

  test('that turns out too long is refused with 413', async () => {
    const { request, ended } = open(manual, {
      'content-type': 'application/json',
      'transfer-encoding': 'chunked',
    });
    request.end(Buffer.alloc(1_200_000, 32));
    expect(await ended).toMatchObject({ status: 413 });
  });

  test('with a number that is out of range by digits that no double holds is refused with 422', async () => {
    const text = (value: string) => JSON.stringify(event({ payload: { value: '@' } })).replace('"@"', value);
    for (const value of ['100.00000000000000000001', '-1e-400'])
      expect(await send(text(value))).toMatchObject({ status: 422, body: refusal('INVALID_ARGUMENT') });
    expect(await send(text('99.99999999999999999999'))).toMatchObject({ status: 200 });
  });

  test('with a field nobody knows is refused with 422 that names it', async () => {
    const outer = await api.post(manual, event({ valu: 1 }));
    expect(outer).toMatchObject({ status: 422, body: { message: 'body: Expected no field "valu"' } });
    const inner = await api.post(manual, event({ payload: { value: 1, valu: 1 } }));
    expect(inner).toMatchObject({ status: 422, body: { message: 'payload: Expected no field "valu"' } });
  });

  test('of a client that goes away in the middle leaves a line in the audit alone, and no error', async () => {
    const before = await counts();
    const { hostname, port } = new URL(api.url);
    for (const tail of ['', '{"source_id":"ios_manual"', JSON.stringify(event()).slice(0, -1)]) {
      const socket = connect(Number(port), hostname);
      const head = `POST ${manual} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n`;
      await new Promise<void>((sent) => socket.write(head + tail, () => sent()));
      socket.destroy();
    }
    expect((await api.post(manual, event())).status).toBe(200);
    expect((await counts()).events).toBe(before.events + 1);
    await vi.waitFor(async () => expect((await counts()).audits).toBeGreaterThan(before.audits + 1));
    expect(api.lines.filter((line) => line.includes(manual) && !line.includes('Too much is asked'))).toEqual(
      [],
    );
  });

  test('with a chunk that is none is refused, and audited under the id it is refused with', async () => {
    const { hostname, port } = new URL(api.url);
    const socket = connect(Number(port), hostname);
    const head = `POST ${manual} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked`;
    socket.write(`${head}\r\n\r\n5\r\n{"a":\r\n`);
    // The head has come when this is answered.
    await api.get('/v1/runs');
    socket.write('no chunk\r\n');
    const answer = Buffer.concat(await socket.toArray()).toString();
    expect(answer).toMatch(/^HTTP\/1\.1 400 /);
    const id = /x-request-id: (\S+)/i.exec(answer)?.[1];
    await vi.waitFor(async () =>
      expect(await auditOf(id)).toMatchObject([{ status: 'error', error_code: 'INVALID_ARGUMENT' }]),
    );
  });

  test('is refused when all bodies together hold too much, and taken when they do not any more', async () => {
    const headers = { 'content-type': 'application/x-ndjson', 'transfer-encoding': 'chunked' };
    const held = Array.from({ length: 5 }, () => open(`${manual}/batch`, headers));
    for (const { request } of held) {
      request.write(`${JSON.stringify(event())}\n`);
      request.write(Buffer.alloc(15 * 1024 * 1024, 32));
    }
    // Five times 15 MiB are more than 64 MiB.
    const first = await Promise.race(held.map(({ ended }) => ended));
    expect(first).toMatchObject({
      status: 503,
      body: refusal('OVERLOADED'),
      headers: { 'retry-after': '1' },
    });
    for (const { request } of held) request.end();
    const statuses = (await Promise.all(held.map(({ ended }) => ended))).map(({ status }) => status);
    expect(statuses.toSorted()).toEqual([200, 200, 200, 200, 503]);
    expect(await send(JSON.stringify(event()))).toMatchObject({ status: 200 });
  });

  test('of slow senders that announce much keeps nobody out', async () => {
    const headers = { 'content-type': 'application/x-ndjson', 'content-length': 16 * 1024 * 1024 };
    const slow = Array.from({ length: 6 }, () => open(`${manual}/batch`, headers));
    for (const { request, ended } of slow) {
      request.write(' ');
      ended.catch(() => undefined);
    }
    expect(await send(JSON.stringify(event()))).toMatchObject({ status: 200 });
    for (const { request } of slow) request.destroy();
  });
});

describe('the audit', () => {
  const received = new Date('2026-11-23T12:00:00+08:00');

  test('has one line for a request that was taken, under the id the row has', async () => {
    const posted = event();
    const { body, headers } = await api.post(manual, posted);
    const id = headers.get('x-request-id');
    const [row] = await api.query<{ request_id: string }>(
      `select request_id from raw.raw_event where raw_id = '${JSON.stringify(body['raw_id']).slice(1, -1)}'`,
    );
    expect(row?.request_id).toBe(id);
    expect(await auditOf(id)).toEqual([
      expect.objectContaining({
        source_id: 'ios_manual',
        external_id: posted['external_id'],
        status: 'ok',
        error_code: null,
        message: null,
        received_at: received,
      }),
    ]);
  });

  const taken = { source_id: 'ios_manual', external_id: 'audited', occurred_at: '2026-11-23T11:00:00+08:00' };
  const json = { 'content-type': 'application/json' };
  test.each<[number, string, string, string, OutgoingHttpHeaders, boolean]>([
    [415, 'INVALID_ARGUMENT', manual, '{}', { 'content-type': 'text/plain' }, false],
    [413, 'INVALID_ARGUMENT', manual, 'x'.repeat(1_200_000), json, false],
    [400, 'INVALID_ARGUMENT', manual, '{', json, false],
    [400, 'INVALID_ARGUMENT', manual, '', json, false],
    [422, 'INVALID_ARGUMENT', manual, JSON.stringify({ ...taken, payload: { value: 101 } }), json, true],
    [
      422,
      'INVALID_ARGUMENT',
      `${manual}?a=1`,
      JSON.stringify({ ...taken, payload: { value: 1 } }),
      json,
      false,
    ],
    [
      409,
      'DUPLICATE_IDEMPOTENCY_KEY',
      manual,
      JSON.stringify({ ...taken, payload: { value: 2 } }),
      json,
      true,
    ],
    [404, 'NOT_FOUND', '/v1/ingest/nobody', '{}', json, false],
    [422, 'INVALID_ARGUMENT', `${manual}/batch`, '[]', json, false],
    [
      422,
      'UNSUPPORTED_METRIC_TYPE',
      '/v1/ingest/connector-health',
      JSON.stringify({ ...healthEvent({ metric_type: 'x' }), external_id: 'audited' }),
      json,
      true,
    ],
    [
      422,
      'INVALID_TIMEZONE',
      '/v1/ingest/connector-health',
      JSON.stringify({ ...healthEvent({ timezone: 'Europe/Berlin' }), external_id: 'audited' }),
      json,
      true,
    ],
  ])('has one line for a refusal with %i %s', async (status, code, path, body, headers, hasIds) => {
    await api.post(manual, { ...taken, payload: { value: 1 } });
    const answer = await send(body, headers, path);
    expect(answer).toMatchObject({ status, body: { code } });
    const { message, request_id: id } = answer.body;
    // Whoever sends such a thing is to blame, not the host.
    expect(api.lines.filter((line) => line.includes('"level":50'))).toEqual([]);
    expect(await auditOf(id)).toEqual([
      expect.objectContaining({
        status: 'error',
        error_code: code,
        message,
        received_at: received,
        external_id: hasIds ? 'audited' : null,
      }),
    ]);
  });
});

describe('what fails in writing', () => {
  test('is 500 RAW_WRITE_FAILED without a word of why, is audited, and told in the log', async () => {
    await api.query(`create function public.refuse() returns trigger language plpgsql as
      $$ begin if new.external_id = 'refused' then raise exception 'secret detail'; end if; return new; end $$`);
    await api.query(
      'create trigger refuse before insert on raw.raw_event for each row execute function public.refuse()',
    );
    const answer = await api.post(manual, event({ external_id: 'refused' }));
    expect(answer).toMatchObject({ status: 500, body: refusal('RAW_WRITE_FAILED') });
    expect(JSON.stringify(answer.body)).not.toMatch(/secret detail|trigger|SQLSTATE|P0001/);
    expect(await auditOf(answer.body['request_id'])).toMatchObject([
      { status: 'error', error_code: 'RAW_WRITE_FAILED', external_id: 'refused', source_id: 'ios_manual' },
    ]);
    expect(api.lines.some((line) => line.includes('event could not be written'))).toBe(true);
    await api.query('drop trigger refuse on raw.raw_event');
  });
});

describe('a batch', () => {
  const path = `${manual}/batch`;
  const lines = { 'content-type': 'application/x-ndjson' };
  const ofLines = (texts: readonly string[]) => send(texts.join('\n'), lines, path);

  test('answers for each item in order, each with a verdict, an id and a line in the audit of its own', async () => {
    const [first, second] = [event(), event()];
    const texts = [
      JSON.stringify(first),
      '{',
      JSON.stringify(event({ payload: { value: 'x' } })),
      JSON.stringify(first),
      JSON.stringify({ ...first, payload: { value: 2 } }),
      JSON.stringify(second),
    ];
    const { status, body } = await ofLines(texts);
    expect(status).toBe(207);
    const items = body['items'] as Record<string, unknown>[];
    expect(items.map((item) => item['idempotent'] ?? item['code'])).toEqual([
      false,
      'INVALID_ARGUMENT',
      'INVALID_ARGUMENT',
      true,
      'DUPLICATE_IDEMPOTENCY_KEY',
      false,
    ]);
    expect(items[0]?.['raw_id']).toBe(items[3]?.['raw_id']);
    for (const index of [1, 2, 4]) {
      const item = items[index]!;
      expect(item).toEqual(refusal(String(item['code'])));
      expect(await auditOf(item['request_id'])).toMatchObject([
        { status: 'error', error_code: item['code'], message: item['message'] },
      ]);
    }
    const audits = await api.query<{ ids: number }>(
      `select count(distinct request_id)::int as ids from app.request_audit where external_id in ('${String(first['external_id'])}', '${String(second['external_id'])}')`,
    );
    expect(audits).toEqual([{ ids: 4 }]);
  });

  test('may be lines or an array, and is 200 when all of it is stored', async () => {
    const texts = [event(), event()].map((one) => JSON.stringify(one));
    const fresh = await ofLines([...texts, '']);
    expect(fresh).toMatchObject({
      status: 200,
      body: { status: 'ok', items: [{ status: 'ok', idempotent: false }, { idempotent: false }] },
    });
    const again = await send(`[${texts.join()}]`, { 'content-type': 'application/json' }, path);
    expect(again).toMatchObject({
      status: 200,
      body: { items: [{ idempotent: true }, { idempotent: true }] },
    });
    expect(await send(texts[0]!, { 'content-type': 'application/ndjson' }, path)).toMatchObject({
      status: 200,
    });
  });

  test('of 1000 is stored, in few transactions', async () => {
    const { status, body } = await ofLines(Array.from({ length: 1000 }, () => JSON.stringify(event())));
    expect([status, (body['items'] as unknown[]).length]).toEqual([200, 1000]);
    const rows = await api.query<{ times: number }>(
      `select count(distinct ingested_at)::int as times from (select ingested_at from raw.raw_event order by ingested_at desc limit 1000) as last`,
    );
    expect(rows[0]?.times).toBeLessThan(20);
  });

  test.each([
    ['none', 422, '[]', 'application/json'],
    ['none', 422, '\n\n', 'application/x-ndjson'],
    ['more than 1000', 422, `[${Array<string>(1001).fill('{}').join()}]`, 'application/json'],
    ['more than 1000', 422, Array<string>(1001).fill('{}').join('\n'), 'application/x-ndjson'],
    ['what is no array', 400, '{}', 'application/json'],
    ['an array that does not end', 400, '[{}', 'application/json'],
  ])('of %s is refused with %i', async (_name, status, body, type) => {
    expect(await send(body, { 'content-type': type }, path)).toMatchObject({
      status,
      body: refusal('INVALID_ARGUMENT'),
    });
  });

  test('that is an array with an item that is not JSON is refused whole, and nothing of it is stored', async () => {
    const before = await counts();
    const answer = await send(`[${JSON.stringify(event())},{"a":}]`, {}, path);
    expect(answer).toMatchObject({ status: 400, body: refusal('INVALID_ARGUMENT') });
    expect(await counts()).toEqual({ events: before.events, audits: before.audits + 1 });
  });

  test('holds items of the size that a single request may have, and refuses larger ones by themselves', async () => {
    const note = 'n'.repeat(1_200_000);
    const { status, body } = await ofLines([
      JSON.stringify(event({ payload: { value: 1, note } })),
      JSON.stringify(event()),
    ]);
    expect(status).toBe(207);
    expect(body['items']).toMatchObject([
      { code: 'INVALID_ARGUMENT', message: expect.stringMatching(/bytes/) as unknown },
      { status: 'ok' },
    ]);
    expect(await send(Buffer.alloc(16 * 1024 * 1024 + 1, 10), lines, path)).toMatchObject({ status: 413 });
  });

  test('for a contract nobody serves is 404', async () => {
    expect(await send('[]', {}, '/v1/ingest/nobody/batch')).toMatchObject({
      status: 404,
      body: refusal('NOT_FOUND'),
    });
  });
});

test('the description has a path for each contract with the schema that validates', async () => {
  const { body } = await api.get('/openapi.json');
  const paths = body['paths'] as unknown as Record<
    string,
    { post: { requestBody: { content: Record<string, { schema: unknown }> } } }
  >;
  const names = Object.keys(paths).filter((path) => path.startsWith('/v1/ingest/'));
  const contracts = ['connector-health', 'manual-signal', 'connector-signal', 'random-signal', 'events'];
  expect(names.toSorted()).toEqual(
    contracts.flatMap((name) => [`/v1/ingest/${name}`, `/v1/ingest/${name}/batch`]).toSorted(),
  );
  expect(paths[manual]?.post.requestBody.content['application/json']?.schema).toMatchObject({
    properties: {
      source_id: { const: 'ios_manual' },
      payload: { properties: { value: { minimum: 0, maximum: 100 } } },
    },
  });
});

test('a host whose contracts cannot be served as configured does not start', async () => {
  const folder = temporaryFolder();
  for (const name of ['one', 'two']) {
    const plugin = `import { defineConnector } from '@on-the-way/sdk';
import { z } from 'zod';
export default defineConnector({
  name: '${name}', version: '1.0.0', description: 'Declares a contract.', source: '${name}', config: z.object({}),
  login: async () => undefined, account: () => 'me', datasets: {},
  ingest: { same: { description: 'The same.', source: 's', externalIdLength: 8, payload: z.object({}) } },
});`;
    writeFileSync(join(folder.path, `${name}.mjs`), plugin);
  }
  const config = { ingest: { plugins: ['./one.mjs', './two.mjs'] }, connections: {} };
  const path = join(folder.path, 'otw.config.json');
  writeFileSync(path, JSON.stringify(config));
  const env = { DATABASE_URL: api.databaseUrl, OTW_DATA_DIR: folder.path };
  const { code, stderr } = await otw(['start', '--config', path], { env });
  expect(stderr).toMatch(/ingest\.plugins: expected every contract to be declared by one plugin/);
  expect(code).toBe(78);
  folder.remove();
});

test.each([
  ['with a key that nobody knows', 401, { headers: { authorization: 'Bearer otw_x' } }],
  ['from another site', 403, { headers: { origin: 'http://evil.test' } }],
  ['to another host', 421, { headers: { host: 'evil.test' } }],
  ['that expects what nobody can', 417, { headers: { expect: 'wonders' } }],
  ['to a path that is not served', 404, { path: `${manual}/else` }],
  ['to a path that is none', 400, { path: '/v1/ingest/%zz' }],
  ['by another method', 404, { method: 'PUT' }],
])('a request to store something %s is refused with %i, and audited', async (_what, status, asked) => {
  const {
    path = manual,
    method = 'POST',
    headers = {},
  }: { path?: string; method?: string; headers?: object } = asked;
  const answer = Promise.withResolvers<IncomingMessage>();
  const request = httpRequest(`${api.url}${path}`, { method, agent: false, headers: { ...headers } });
  request.on('response', answer.resolve).on('error', answer.reject).end();
  const response = await answer.promise;
  const body = JSON.parse(Buffer.concat(await response.toArray()).toString()) as Sent['body'];
  expect(response.statusCode).toBe(status);
  expect(await auditOf(response.headers['x-request-id'])).toMatchObject([
    { status: 'error', error_code: body['code'], message: body['message'], source_id: null },
  ]);
});
