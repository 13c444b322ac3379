import formats from 'ajv-formats';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { listen, type ApiServer } from '../src/http/server.ts';
import { healthEvent } from './contract-api.ts';
import { scriptedPlugin, startScriptedSource, type ScriptedSource } from './scripted-source.ts';
import { createTestHost, type TestHost } from './test-host.ts';

// Every path that /openapi.json lists is called on a running host, and every answer fits what is said of it.
const mediaType = z.looseObject({ schema: z.record(z.string(), z.unknown()) });
const operation = z.strictObject({
  operationId: z.string(),
  summary: z.string().min(1),
  tags: z.array(z.string()).length(1),
  security: z.array(z.record(z.string(), z.array(z.string()))),
  parameters: z.array(
    z.strictObject({
      name: z.string(),
      in: z.enum(['path', 'query']),
      required: z.boolean(),
      schema: z.record(z.string(), z.unknown()),
    }),
  ),
  requestBody: z.strictObject({ required: z.boolean(), content: z.record(z.string(), mediaType) }).optional(),
  responses: z.record(
    z.string().regex(/^([1-5]\d\d|[45]XX)$/),
    z.union([
      z.strictObject({ $ref: z.literal('#/components/responses/Refusal') }),
      z.strictObject({ description: z.string().min(1), content: z.record(z.string(), mediaType) }),
    ]),
  ),
});
const description = z.strictObject({
  openapi: z.literal('3.1.0'),
  info: z.strictObject({ title: z.string(), version: z.string(), description: z.string() }),
  tags: z.array(z.strictObject({ name: z.string() })),
  paths: z.record(z.string().startsWith('/'), z.partialRecord(z.enum(['get', 'post', 'delete']), operation)),
  components: z.looseObject({ schemas: z.looseObject({ Refusal: z.record(z.string(), z.unknown()) }) }),
});

let source: ScriptedSource;
let made: TestHost;
let server: ApiServer;
let described: z.output<typeof description>;
/** Ids that paths are filled in with. */
let ids: Readonly<Record<'run' | 'event' | 'signal' | 'letter' | 'backfill', string>>;

beforeAll(async () => {
  source = await startScriptedSource();
  const config = { origin: source.origin, datasets: { steps: {} } };
  made = await createTestHost({
    connection: { plugin: scriptedPlugin, config, windowDays: 1, backfillDays: 1 },
  });
  server = await listen(made.host.app, { host: '127.0.0.1', port: 0 });
  described = description.parse(await (await fetch(`${server.url}/openapi.json`)).json());
  const { runId } = await made.run();
  await call({ method: 'POST', path: '/v1/ingest/manual-signal', body: signalEvent('first') });
  const [event] = await made.query<{ id: string }>('select raw_id as id from raw.raw_event limit 1');
  const [signal] = await made.query<{ id: string }>(
    'select signal_event_id as id from app.signal_event limit 1',
  );
  const [letter] = await made.query<{ id: string }>(
    `insert into app.dead_letter (connection, source_id, external_id, occurred_at, payload, payload_hash, error_code, error_message)
     values ('garmin', 'scripted', 'letter', '2026-02-26T00:00:00+08:00', convert_to('{}', 'UTF8'), 'x', 'conflict', 'was taken')
     returning dead_letter_id as id`,
  );
  const [backfill] = await made.query<{ id: string }>(
    `insert into app.backfill (connection, from_day, to_day, cancelled_at)
     values ('garmin', '2026-02-20', '2026-02-22', now()) returning backfill_id as id`,
  );
  ids = {
    run: runId,
    event: event?.id ?? '',
    signal: signal?.id ?? '',
    letter: letter?.id ?? '',
    backfill: backfill?.id ?? '',
  };
});
afterAll(async () => {
  await made.host.scheduler.stop();
  await server.close();
  await made.close();
  await source.close();
});

interface Call {
  readonly method: string;
  readonly path: string;
  readonly body?: unknown;
}

interface Answered {
  readonly status: number;
  readonly type: string;
  readonly body: unknown;
}

async function call({ method, path, body }: Call): Promise<Answered> {
  const stop = new AbortController();
  const response = await fetch(`${server.url}${path}`, {
    method,
    signal: stop.signal,
    ...(body !== undefined && {
      body: JSON.stringify(body),
      headers: { 'content-type': 'application/json' },
    }),
  });
  const type = (response.headers.get('content-type') ?? '').replace(/;.*/, '');
  // A stream has no end to wait for.
  if (type === 'text/event-stream') stop.abort();
  const text = type === 'text/event-stream' ? '' : await response.text();
  return { status: response.status, type, body: type === 'application/json' ? JSON.parse(text) : text };
}

const signalEvent = (id: string) => ({
  source_id: 'ios_manual',
  external_id: id,
  occurred_at: '2026-02-26T08:30:00+08:00',
  payload: { value: 72.5 },
});
const randomEvent = {
  source_id: 'signal_random_connector',
  external_id: 'random',
  occurred_at: '2026-02-26T09:00:00+08:00',
  payload: { value: 41, seed: 'seed-7', generator_version: '1' },
};

/** What the signal connector of another host read. */
const readSignal = {
  source_id: 'signal_random_connector',
  external_id: 'signal::79a6123c2db3::random_signal::2026-02-26::6f2b1c0d9e8a7b65',
  occurred_at: '2026-02-26T00:00:00+08:00',
  payload: {
    connector: 'signal',
    connector_version: '0.1.0',
    account_ref: '79a6123c2db3',
    metric_type: 'random_signal',
    metric_date: '2026-02-26',
    timezone: 'Asia/Shanghai',
    fetched_at: '2026-02-26T10:10:06+08:00',
    data: { value: 41, seed: 'seed-7', generator_version: '1', number: 1 },
  },
};

/** One call that goes well for each operation, in an order in which they do. */
const calls: Readonly<Record<string, () => Partial<Call>>> = {
  'get /openapi.json': () => ({}),
  'get /metrics': () => ({}),
  'get /v1/hosts': () => ({}),
  'get /v1/events': () => ({ path: '/v1/events?connection=garmin' }),
  'get /v1/health/live': () => ({}),
  'get /v1/health/ready': () => ({}),
  'get /v1/health/connector': () => ({}),
  'get /v1/connections': () => ({}),
  'get /v1/connections/{name}': () => ({}),
  'get /v1/connections/{name}/datasets': () => ({}),
  'get /v1/connections/{name}/coverage': () => ({}),
  'get /v1/connections/{name}/revisions': () => ({}),
  'post /v1/connections/{name}/check': () => ({}),
  'post /v1/connections/{name}/pause': () => ({}),
  'post /v1/connections/{name}/resume': () => ({}),
  'post /v1/connections/{name}/run': () => ({ body: { from: '2026-02-26', to: '2026-02-26' } }),
  'post /v1/connections/{name}/backfills': () => ({ body: { from: '2026-02-24', to: '2026-02-25' } }),
  'get /v1/connections/{name}/backfills': () => ({}),
  'get /v1/connections/{name}/backfills/{id}': () => ({
    path: `/v1/connections/garmin/backfills/${ids.backfill}`,
  }),
  'post /v1/connections/{name}/backfills/{id}/cancel': () => ({
    path: `/v1/connections/garmin/backfills/${ids.backfill}/cancel`,
  }),
  'post /v1/connections/{name}/reset': () => ({ body: { datasets: ['steps'], dry_run: true } }),
  'get /v1/runs': () => ({ path: '/v1/runs?limit=1&status=succeeded' }),
  'get /v1/runs/{id}': () => ({ path: `/v1/runs/${ids.run}` }),
  'get /v1/raw-events': () => ({ path: '/v1/raw-events?limit=1' }),
  'get /v1/raw-events/{id}': () => ({ path: `/v1/raw-events/${ids.event}` }),
  'post /v1/ingest/connector-health': () => ({ body: healthEvent() }),
  'post /v1/ingest/connector-health/batch': () => ({ body: [healthEvent()] }),
  'post /v1/ingest/manual-signal': () => ({ body: signalEvent('one') }),
  'post /v1/ingest/manual-signal/batch': () => ({ body: [signalEvent('one'), signalEvent('two')] }),
  'post /v1/ingest/connector-signal': () => ({ body: randomEvent }),
  'post /v1/ingest/connector-signal/batch': () => ({ body: [randomEvent, { not: 'an event' }] }),
  'post /v1/ingest/random-signal': () => ({ body: readSignal }),
  'post /v1/ingest/random-signal/batch': () => ({ body: [readSignal, { not: 'an event' }] }),
  'post /v1/ingest/events': () => ({ body: { ...readSignal, source_id: 'another' } }),
  'post /v1/ingest/events/batch': () => ({ body: [readSignal, healthEvent(), { not: 'an event' }] }),
  'get /v1/poc/signals': () => ({ path: '/v1/poc/signals?limit=5' }),
  'get /v1/poc/daily-summary': () => ({ path: '/v1/poc/daily-summary?date=2026-02-26' }),
  'post /v1/annotation': () => ({
    body: { target_type: 'signal_event', target_id: ids.signal, label: 'mood', value: 'good' },
  }),
  'get /v1/dead-letters': () => ({}),
  'get /v1/dead-letters/{id}': () => ({ path: `/v1/dead-letters/${ids.letter}` }),
  'post /v1/dead-letters/{id}/replay': () => ({ path: `/v1/dead-letters/${ids.letter}/replay`, body: {} }),
  'delete /v1/dead-letters/{id}': () => ({ path: `/v1/dead-letters/${ids.letter}` }),
};

const ajv = new Ajv2020({ strict: true, allErrors: true, allowUnionTypes: true });
formats.default(ajv);

function operations() {
  return Object.entries(described.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, found]) => ({ name: `${method} ${path}`, method, path, ...found })),
  );
}

/** What the answer has against what is said of it; nothing where it fits. */
function misfit(name: string, { status, type, body }: Answered): unknown {
  const found = operations().find((candidate) => candidate.name === name);
  const said = found?.responses[String(status)];
  if (!said || '$ref' in said) return `${name}: ${status} is not described: ${JSON.stringify(body)}`;
  const media = said.content[type];
  if (!media) return `${name}: ${type} is not described`;
  return ajv.validate(media.schema, body) ? undefined : `${name}: ${ajv.errorsText()}`;
}

describe('/openapi.json', () => {
  test('lists the operations this test calls, and no others', () => {
    expect(
      operations()
        .map(({ name }) => name)
        .toSorted(),
    ).toEqual(Object.keys(calls).toSorted());
  });

  test('has schemas that compile, operation ids that are unique, and every parameter of a path', () => {
    const all = operations();
    const schemas = all.flatMap(({ parameters, requestBody, responses }) => [
      ...parameters.map(({ schema }) => schema),
      ...Object.values(requestBody?.content ?? {}).map(({ schema }) => schema),
      ...Object.values(responses).flatMap((said) =>
        '$ref' in said ? [] : Object.values(said.content).map(({ schema }) => schema),
      ),
    ]);
    for (const schema of schemas) expect(() => ajv.compile(schema)).not.toThrow();
    expect(new Set(all.map(({ operationId }) => operationId)).size).toBe(all.length);
    for (const { path, parameters } of all) {
      const named = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
      const own = parameters.filter((parameter) => parameter.in === 'path');
      expect([path, own.map(({ name, required }) => [name, required])]).toEqual([
        path,
        named.map((name) => [name, true]),
      ]);
    }
  });

  test('says of every path which scope it needs, and of health/live that it needs none', () => {
    const open = operations().filter(({ security }) => security.length === 0);
    expect(open.map(({ path }) => path)).toEqual(['/v1/health/live']);
    for (const { security } of operations()) {
      const scopes = security.flatMap((one) => one['key'] ?? []);
      expect(scopes.every((scope) => ['read', 'ingest', 'admin'].includes(scope))).toBe(true);
    }
  });

  test('says which queries and bodies are taken', () => {
    const run = described.paths['/v1/connections/{name}/run']?.post?.requestBody;
    expect(run?.required).toBe(false);
    const validRun = ajv.compile(run?.content['application/json']?.schema ?? false);
    expect(validRun({ from: '2026-02-26', datasets: ['steps'] })).toBe(true);
    expect(validRun({ force: true })).toBe(false);
    const limit = described.paths['/v1/runs']?.get?.parameters.find(({ name }) => name === 'limit');
    expect(limit).toMatchObject({ in: 'query', required: false });
    expect(limit?.schema).toEqual({ type: 'integer', minimum: 1, maximum: 200, default: 50 });
    const health = described.paths['/v1/ingest/connector-health/batch']?.post?.requestBody?.content;
    const line = health?.['application/x-ndjson']?.schema;
    expect(line).toMatchObject({ type: 'string', contentMediaType: 'application/x-ndjson' });
    const validLine = ajv.compile(line?.['contentSchema'] as object);
    expect(validLine(healthEvent())).toBe(true);
    expect(validLine(healthEvent({ timezone: 'Europe/Berlin' }))).toBe(false);
    expect(validLine(healthEvent({}, { external_id: 'x'.repeat(129) }))).toBe(false);
    expect(ajv.compile(health?.['application/json']?.schema ?? false)([healthEvent()])).toBe(true);
  });
});

test('every answer fits what is said of it', { timeout: 60_000 }, async () => {
  const misfits: unknown[] = [];
  for (const [name, make] of Object.entries(calls)) {
    const [method = '', template = ''] = name.split(' ');
    const path = template.replace('{name}', 'garmin');
    const answered = await call({ method: method.toUpperCase(), path, ...make() });
    misfits.push(misfit(name, answered) ?? []);
  }
  expect(misfits.flat()).toEqual([]);
});

test('every refusal fits what is said of it', async () => {
  const valid = ajv.compile(described.components.schemas.Refusal);
  const refused = [
    await call({ method: 'GET', path: '/v1/nothing' }),
    await call({ method: 'GET', path: '/v1/runs?limit=0' }),
    await call({ method: 'GET', path: '/v1/connections/nobody/coverage' }),
    await call({ method: 'POST', path: '/v1/connections/garmin/run', body: { force: true } }),
    await call({ method: 'POST', path: '/v1/ingest/manual-signal', body: {} }),
  ];
  expect(refused.map(({ status }) => status)).toEqual([404, 422, 404, 422, 422]);
  expect(refused.filter(({ body }) => !valid(body))).toEqual([]);
});

/** Parts of an address, as they are written in one, that break what does not look at them. */
const hostile = `
  %00 a%00b %ED%A0%80 %zz % %0A %C2%85 %F0%9F%92%A9 %EF%BF%BF ' %5C $1 %3F
  0 -1 1e9 99999999999999999999 NaN null true __proto__
  0000-01-01 0001-01-01 0005-01-01 0099-12-31 1901-12-31 1902-01-01 2200-12-31 2201-01-01
  9999-12-31 2026-02-30 -2026-02-26 2026-02-26T00:00:00Z infinity today
  00000000-0000-0000-0000-000000000000 ffffffff-ffff-ffff-ffff-ffffffffffff`
  .trim()
  .split(/\s+/)
  .concat('', `1${'0'.repeat(400)}`, 'a'.repeat(4096));

const forgedCursors = [
  '0000-02-26T10:00:00Z',
  '0001-01-01T00:00:00Z',
  '2026-02-26T10:00:00+23:59',
  '2026-02-26T10:00:00-16:00',
  '9999-12-31T23:59:59.999999-15:59',
  '2026-02-26 10:00:00Z',
  'infinity',
].map((at) => Buffer.from(`${at} 00000000-0000-0000-0000-000000000000`).toString('base64url'));

/** Every address that a value can stand in: each parameter of each path, each with the others left as they are. */
function addresses(value: string): (readonly [method: string, path: string])[] {
  const filled = (path: string): string => path.replace('{name}', 'garmin');
  const all = operations().flatMap(({ method, path, parameters }) =>
    parameters.map(({ name, in: place }) => {
      if (place === 'path') return [method, path.replace(`{${name}}`, value)] as const;
      return [method, `${filled(path)}?${name}=${value}`] as const;
    }),
  );
  const days = ['/v1/raw-events', '/v1/connections/garmin/coverage'];
  return [
    ...all,
    ...days.map((path) => ['get', `${path}?from=${value}&to=${value}`] as const),
    ['post', `/v1/ingest/${value}`],
    ['post', `/v1/ingest/${value}/batch`],
    ['get', `/v1/${value}`],
    ['get', `/v1/runs?${value}`],
  ];
}

test('no value of any parameter of any path is an error of the host', { timeout: 60_000 }, async () => {
  const failed: unknown[] = [];
  for (const value of [...hostile, ...forgedCursors]) {
    for (const [method, path] of addresses(value)) {
      const { status, body } = await call({ method: method.toUpperCase(), path });
      if (status >= 500) failed.push([method, path.slice(0, 100), body]);
    }
    const day = decodeURIComponent(/%(?![0-7])/.test(value) ? 'x' : value);
    for (const body of [
      { from: day, to: day },
      { to: day, datasets: [day] },
    ]) {
      const { status } = await call({ method: 'POST', path: '/v1/connections/garmin/run', body });
      if (![202, 409, 422].includes(status)) failed.push(['run', body, status]);
    }
  }
  expect(failed).toEqual([]);
  expect(made.lines.filter((line) => line.includes('request failed'))).toEqual([]);
});

test('days are those of 1902 to 2200, the last not before the first, and refusals say so', async () => {
  const messageOf = async (query: string): Promise<unknown> => {
    const { status, body } = await call({ method: 'GET', path: `/v1/raw-events?${query}` });
    return status === 422 ? (body as { message: unknown }).message : status;
  };
  const bounds = 'expected a day from 1902-01-01 to 2200-12-31';
  expect(await messageOf('from=1901-12-31')).toBe(`from: ${bounds}`);
  expect(await messageOf('to=9999-12-31')).toBe(`to: ${bounds}`);
  expect(await messageOf('from=1902-01-01&to=2200-12-31')).toBe(200);
  const wrongOrder = 'from: expected a day up to 2026-02-25, found 2026-02-26';
  expect(await messageOf('from=2026-02-26&to=2026-02-25')).toBe(wrongOrder);
  expect(await messageOf('source_id=%00')).toBe('source_id: expected text without control characters');
});
