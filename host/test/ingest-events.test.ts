import { envelopeOf } from '@on-the-way/core';
import { rawJson } from '@on-the-way/sdk';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { healthEvent, refusal, startContractApi, type ContractApi } from './contract-api.ts';
import { fakeClock } from './test-host.ts';

// What another host's connectors read, of any source.
const path = '/v1/ingest/events';
let api: ContractApi;

beforeAll(async () => {
  api = await startContractApi({ clock: fakeClock('2026-11-23T12:00:00+08:00') });
});
afterEach(() => api.query('truncate raw.raw_event, app.request_audit'));
afterAll(() => api.close());

const identity = {
  connector: 'steps',
  service: 'step_counter',
  source: 'step_counter',
  version: '1.2.3',
  accountRef: '79a6123c2db3',
  timeZone: 'Europe/Berlin',
};
const read = { at: Date.parse('2026-11-23T10:00:00+08:00'), requestId: 'r' };

/** As a host makes it of what a connector said. */
function made(data: string, at = read.at) {
  return envelopeOf(identity, 'steps', { day: '2026-11-22', data: rawJson(data) }, { ...read, at });
}

/** As that host posts it. */
function bodyOf({ sourceId, externalId, occurredAt, payload }: ReturnType<typeof made>): string {
  const [source, id, at] = [sourceId, externalId, occurredAt].map((text) => JSON.stringify(text));
  return `{"source_id":${source},"external_id":${id},"occurred_at":${at},"payload":${payload}}`;
}

async function stored(): Promise<Record<string, unknown>[]> {
  return api.query(
    `select source_id, external_id, (payload_json->'data')::text as data, payload_hash from raw.raw_event order by 1, 2`,
  );
}

test('an event of a source that nobody declared is stored as the host that made it would, and audited', async () => {
  const event = made('{"steps":9007199254740993,"km":1.10}');
  expect(await api.post(path, bodyOf(event))).toMatchObject({ status: 200, body: { idempotent: false } });
  const row = {
    source_id: 'step_counter',
    external_id: event.externalId,
    data: '{"km": 1.10, "steps": 9007199254740993}',
    payload_hash: event.payloadHash,
  };
  expect(await stored()).toEqual([row]);
  const audit = await api.query('select source_id, external_id, status from app.request_audit');
  expect(audit).toEqual([{ source_id: row.source_id, external_id: row.external_id, status: 'ok' }]);
});

test('read again at another time it is unchanged; under its key something else is a conflict', async () => {
  await api.post(path, bodyOf(made('{"steps":1}')));
  const again = made('{"steps":1}', read.at + 3_600_000);
  expect(await api.post(path, bodyOf(again))).toMatchObject({ status: 200, body: { idempotent: true } });
  const other = { ...again, payload: again.payload.replace('"steps":1', '"steps":2') };
  expect(await api.post(path, bodyOf(other))).toMatchObject({
    status: 409,
    body: refusal('DUPLICATE_IDEMPOTENCY_KEY'),
  });
});

test('events of several sources go in one batch, each checked as its source is', async () => {
  const steps = JSON.parse(bodyOf(made('{"steps":1}'))) as object;
  const bad = healthEvent({ timezone: 'Europe/Berlin' });
  const { status, body } = await api.post(`${path}/batch`, [steps, healthEvent(), bad]);
  expect(status).toBe(207);
  expect(body['items']).toMatchObject([{ status: 'ok' }, { status: 'ok' }, refusal('INVALID_TIMEZONE')]);
  expect(await stored()).toMatchObject([
    { source_id: 'garmin_connect_health' },
    { source_id: 'step_counter' },
  ]);
});

describe('a source with contracts is checked by them', () => {
  const signal = (source_id: string, payload: unknown, more = {}) => ({
    source_id,
    external_id: 'one',
    occurred_at: '2026-11-23T11:00:00+08:00',
    payload,
    ...more,
  });
  const random = { value: 41, seed: 's', generator_version: '1' };

  test('and stored by their rules', async () => {
    expect(await api.post(path, signal('ios_manual', { value: 1 }))).toMatchObject({ status: 200 });
    const moved = signal('ios_manual', { value: 1, note: 'x' });
    expect(await api.post(path, moved)).toMatchObject({ status: 409 });
    expect(await api.post(path, signal('signal_random_connector', random))).toMatchObject({ status: 200 });
    const list = healthEvent({ data: [1] });
    expect(await api.post(path, list)).toMatchObject({ status: 200 });
    expect(await stored()).toMatchObject([{ data: '{"value": [1]}' }, { data: null }, { data: null }]);
  });

  test.each([
    ['ios_manual', { value: 101 }, {}, /^payload\.value: .* \(contract manual-signal\)$/],
    ['ios_manual', { any: 'thing' }, {}, /\(contract manual-signal\)$/],
    [
      'ios_manual',
      { value: 1 },
      { occurred_at: '2026-11-23T13:00:00+08:00' },
      /minutes ahead .*manual-signal/,
    ],
    [
      'signal_random_connector',
      { ...random, value: 101 },
      {},
      /^source_id: .* one of the contracts .*connector-signal\); .*\(contract random-signal\)$/,
    ],
  ])('so that %s with %j is refused, and the contract is named', async (source, payload, more, message) => {
    expect(await api.post(path, signal(source, payload, more))).toMatchObject({
      status: 422,
      body: { code: 'INVALID_ARGUMENT', message: expect.stringMatching(message) as unknown },
    });
    expect(await stored()).toEqual([]);
  });
});

test.each([
  ['a payload that is no object', { payload: [1] }, /^payload: /],
  ['no source', { source_id: '' }, /^source_id: /],
  ['a source with a line break', { source_id: 'a\nb' }, /^source_id: .*control/],
  ['a source of 513 bytes', { source_id: 's'.repeat(513) }, /^source_id: /],
  ['a key of 513 bytes', { external_id: '步'.repeat(171) }, /^external_id: .*512 bytes/],
  ['a time without offset', { occurred_at: '2026-11-22T00:00:00' }, /^occurred_at: /],
  ['a member that nobody knows', { more: 1 }, /more/],
])('%s is refused', async (_, change, message) => {
  const body = { ...(JSON.parse(bodyOf(made('{}'))) as object), ...change };
  expect(await api.post(path, body)).toMatchObject({
    status: 422,
    body: { code: 'INVALID_ARGUMENT', message: expect.stringMatching(message) as unknown },
  });
});

test('an event that is posted to the contract of another source hears where it belongs', async () => {
  expect(await api.post('/v1/ingest/connector-health', bodyOf(made('{}')))).toMatchObject({
    status: 422,
    body: {
      code: 'INVALID_ARGUMENT',
      message: expect.stringMatching(/^source_id: .*\/v1\/ingest\/events$/) as unknown,
    },
  });
});

test('what a source says is to come is taken', async () => {
  const body = { ...(JSON.parse(bodyOf(made('{}'))) as object), occurred_at: '2027-01-01T00:00:00Z' };
  expect(await api.post(path, body)).toMatchObject({ status: 200 });
});

test('a day beyond all that can be shown and asked for is refused', async () => {
  const event = { ...made('1'), occurredAt: '9999-12-31T23:59:59-12:00' };
  const { status, body } = await api.post(path, bodyOf(event));
  expect([status, JSON.stringify(body)]).toEqual([422, expect.stringContaining('before 2200-12-31')]);
});

test('the longest keys fit into the index of the table', async () => {
  const longest = { source_id: '源'.repeat(170), external_id: '键'.repeat(170) };
  const body = { ...(JSON.parse(bodyOf(made('{}'))) as object), ...longest };
  expect(await api.post(path, body)).toMatchObject({ status: 200 });
});
