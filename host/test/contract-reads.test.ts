import type { JsonValue } from '@on-the-way/sdk';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { refusal, startContractApi, type ContractApi } from './contract-api.ts';
import { startFaultProxy } from './fault-proxy.ts';
import { createTestDatabase } from './postgres.ts';
import { fakeClock } from './test-host.ts';

const now = '2026-02-26T10:10:06+08:00';
const stamp = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?\+08:00$/;
const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

let api: ContractApi;
beforeAll(async () => {
  api = await startContractApi({ clock: fakeClock(now), metrics: ['sleep'] });
});
afterAll(async () => api.close());

type Signal = Readonly<Record<string, JsonValue>>;

async function signals(limit = 500): Promise<Signal[]> {
  const { status, body } = await api.get(`/v1/poc/signals?limit=${limit}`);
  expect(status).toBe(200);
  return body['items'] as unknown as Signal[];
}

async function post(contract: 'manual' | 'connector', occurredAt: string, value: number): Promise<string> {
  const isManual = contract === 'manual';
  const { body } = await api.post(`/v1/ingest/${contract}-signal`, {
    source_id: isManual ? 'ios_manual' : 'signal_random_connector',
    external_id: `${contract} ${occurredAt}`,
    occurred_at: occurredAt,
    payload: isManual ? { value } : { value, seed: 's', generator_version: '1' },
  });
  return body['raw_id'] as string;
}

function annotate(change: Readonly<Record<string, unknown>>) {
  return api.post('/v1/annotation', {
    target_type: 'signal_event',
    target_id: '00000000-0000-4000-8000-000000000000',
    label: 'quality_tag',
    value: 'suspect_outlier',
    ...change,
  });
}

describe('health', () => {
  test('live names the service and the time', async () => {
    expect(await api.get('/v1/health/live')).toMatchObject({
      status: 200,
      body: { status: 'ok', service: 'api-service', time: now },
    });
  });

  test('connector has its old fields on top: never, then ok with the time of the run, then error', async () => {
    const old = ['status', 'last_run_at', 'last_status', 'success_count', 'failure_count'];
    const { body: before } = await api.get('/v1/health/connector');
    expect(Object.keys(before)).toEqual([...old, 'connections']);
    expect(before).toMatchObject({
      status: 'ok',
      last_run_at: null,
      last_status: 'never',
      success_count: 0,
      failure_count: 0,
    });
    await api.run();
    const ok = { last_run_at: now, last_status: 'ok', success_count: 1, failure_count: 0 };
    expect((await api.get('/v1/health/connector')).body).toMatchObject({
      ...ok,
      connections: [{ name: 'garmin', ...ok }],
    });
    await api.run({}, { config: { email: 'runner@example.com', password: 'wrong', nothing: 'such' } });
    expect((await api.get('/v1/health/connector')).body).toMatchObject({
      last_status: 'error',
      success_count: 1,
      failure_count: 1,
    });
  });
});

describe('v0.1.0’s reads', () => {
  test('signals are listed newest first, with the members old clients know', async () => {
    const older = await post('connector', '2026-02-20T09:00:00+08:00', 41);
    const newer = await post('manual', '2026-02-21T09:00:00+08:00', 72.5);
    expect(await signals()).toEqual([
      {
        signal_event_id: newer,
        event_id: 'manual 2026-02-21T09:00:00+08:00',
        source_type: 'manual',
        value_num: 72.5,
        occurred_at: '2026-02-21T09:00:00+08:00',
        is_valid: true,
        tags_json: [],
      },
      expect.objectContaining({ signal_event_id: older, source_type: 'connector', value_num: 41 }),
    ]);
    expect(await signals(1)).toHaveLength(1);
  });

  test('times keep their fractions, whatever zone they were written in', async () => {
    const id = await post('manual', '2026-02-23T01:00:00.123456Z', 7);
    const found = (await signals()).find(({ signal_event_id: signal }) => signal === id);
    expect(found).toMatchObject({ occurred_at: '2026-02-23T09:00:00.123456+08:00' });
    const { body } = await annotate({ target_id: id, label: 'exact', value: 'x' });
    const [row] = await api.query<{ at: string }>(
      `select to_char(created_at, 'YYYY-MM-DD"T"HH24:MI:SS.US') || '+08:00' as at from app.annotation where label = 'exact'`,
    );
    expect(body['created_at']).toBe(row?.at.replace('.000000', ''));
    await api.query(`delete from raw.raw_event where raw_id = '${id}'`);
    await api.query(`delete from app.annotation where label = 'exact'`);
  });

  test('fifty are listed when no limit is given', async () => {
    await api.query(
      `insert into raw.raw_event (source_id, external_id, occurred_at, payload_json, payload_hash, request_id)
       select 'ios_manual', 'many ' || n, '2025-01-01', '{"value": 1}', 'h', gen_random_uuid() from generate_series(1, 60) n`,
    );
    expect((await api.get('/v1/poc/signals')).body['items']).toHaveLength(50);
    expect(await signals(500)).toHaveLength(62);
  });

  test.each([
    'limit=0',
    'limit=501',
    'limit=-1',
    'limit=ten',
    'limit=1.5',
    'limit=',
    'limit=1&limit=2',
    'page=1',
  ])('signals?%s is 422', async (query) => {
    expect(await api.get(`/v1/poc/signals?${query}`)).toMatchObject({
      status: 422,
      body: refusal('INVALID_ARGUMENT'),
    });
  });

  test('the summary of a day without signals is zeros', async () => {
    expect(await api.get('/v1/poc/daily-summary?date=2020-02-29')).toMatchObject({
      status: 200,
      body: {
        status: 'ok',
        stat_date: '2020-02-29',
        event_count: 0,
        manual_count: 0,
        connector_count: 0,
        avg_value: 0,
        min_value: 0,
        max_value: 0,
      },
    });
  });

  test('a day is one in UTC, and its summary has the signals of both kinds', async () => {
    await post('manual', '2026-02-11T07:59:59+08:00', 100);
    await post('manual', '2026-02-11T08:00:00+08:00', 10);
    await post('connector', '2026-02-11T20:00:00+08:00', 25.5);
    await post('connector', '2026-02-12T07:59:59+08:00', 0.5);
    await post('manual', '2026-02-12T08:00:00+08:00', 100);
    expect((await api.get('/v1/poc/daily-summary?date=2026-02-11')).body).toEqual({
      status: 'ok',
      stat_date: '2026-02-11',
      event_count: 3,
      manual_count: 1,
      connector_count: 2,
      avg_value: 12,
      min_value: 0.5,
      max_value: 25.5,
    });
  });

  test.each([
    '',
    '?date=',
    '?date=2026-02-30',
    '?date=26.2.2026',
    '?date=0000-01-01',
    '?date=2026-02-11T00:00:00Z',
  ])('daily-summary%s is 422', async (query) => {
    expect(await api.get(`/v1/poc/daily-summary${query}`)).toMatchObject({
      status: 422,
      body: refusal('INVALID_ARGUMENT'),
    });
  });
});

describe('annotations', () => {
  test('are added to a signal and listed with it, in their order', async () => {
    const target = await post('manual', '2026-02-22T09:00:00+08:00', 50);
    const tags = [
      { label: 'mood', value: 'fine 🏃' },
      { label: 'l'.repeat(64), value: 'v'.repeat(128) },
    ];
    for (const tag of tags) {
      expect(await annotate({ target_id: target, ...tag })).toMatchObject({
        status: 200,
        body: {
          status: 'ok',
          annotation_id: expect.stringMatching(uuid),
          created_at: expect.stringMatching(stamp),
        },
      });
    }
    const found = (await signals()).find(({ signal_event_id: id }) => id === target);
    expect(found).toMatchObject({ is_valid: true, tags_json: tags });
  });

  test('quality_tag suspect_outlier makes the signal invalid and takes it out of the summary', async () => {
    const target = await post('manual', '2026-02-15T12:00:00Z', 99);
    await post('manual', '2026-02-15T13:00:00Z', 1);
    await annotate({ target_id: target, label: 'quality_tag', value: 'checked' });
    await annotate({ target_id: target, label: 'other', value: 'suspect_outlier' });
    const before = (await api.get('/v1/poc/daily-summary?date=2026-02-15')).body;
    expect(before).toMatchObject({ event_count: 2, max_value: 99 });
    await annotate({ target_id: target });
    const found = (await signals()).find(({ signal_event_id: id }) => id === target);
    expect(found).toMatchObject({ is_valid: false, value_num: 99 });
    const after = (await api.get('/v1/poc/daily-summary?date=2026-02-15')).body;
    expect(after).toMatchObject({ event_count: 1, max_value: 1 });
  });

  test('an unknown target is 400 INVALID_ARGUMENT, and so is a row that is no signal', async () => {
    expect(await annotate({})).toMatchObject({ status: 400, body: refusal('INVALID_ARGUMENT') });
    const none = '00000000-0000-0000-0000-000000000000';
    expect(await annotate({ target_id: none })).toMatchObject({ status: 400 });
    const [other] = await api.query<{ raw_id: string }>(
      `select raw_id from raw.raw_event where source_id = 'garmin_connect_health' limit 1`,
    );
    expect(await annotate({ target_id: other?.raw_id })).toMatchObject({ status: 400 });
  });

  test.each([
    { target_type: 'raw_event' },
    { target_id: 'none' },
    { target_id: 5 },
    { label: '' },
    { label: 'l'.repeat(65) },
    { value: '' },
    { value: 'v'.repeat(129) },
    { value: 1 },
    { value: undefined },
    { note: 'unknown member' },
  ])('%j is 422', async (change) => {
    expect(await annotate(change)).toMatchObject({ status: 422, body: refusal('INVALID_ARGUMENT') });
  });

  test('malformed JSON is 400', async () => {
    expect(await api.post('/v1/annotation', '{')).toMatchObject({
      status: 400,
      body: refusal('INVALID_ARGUMENT'),
    });
  });
});

test('without its database a host answers 503 DEPENDENCY_UNAVAILABLE, and lives', async () => {
  const database = await createTestDatabase();
  const proxy = await startFaultProxy(Number(new URL(database.url).port));
  const cut = await startContractApi({ databaseUrl: proxy.through(database.url) });
  try {
    await proxy.set({ kind: 'down' });
    const event = {
      source_id: 'ios_manual',
      external_id: 'away',
      occurred_at: '2026-02-20T09:00:00+08:00',
      payload: { value: 1 },
    };
    for (const answered of [
      await cut.post('/v1/ingest/manual-signal', event),
      await cut.get('/v1/poc/signals'),
      await cut.get('/v1/health/ready'),
    ]) {
      expect(answered).toMatchObject({ status: 503, body: refusal('DEPENDENCY_UNAVAILABLE') });
      expect(Number(answered.headers.get('retry-after'))).toBeGreaterThan(0);
    }
    expect(await cut.get('/v1/health/live')).toMatchObject({ status: 200 });
  } finally {
    await cut.close();
    await proxy.close();
    await database.drop();
  }
});

test('every timestamp that was answered has the offset of the zone', () => {
  const texts = api.answers.flatMap(
    ({ body }) => JSON.stringify(body).match(/"\d{4}-\d\d-\d\dT[^"]*"/g) ?? [],
  );
  expect(texts.length).toBeGreaterThan(50);
  expect(texts.filter((text) => !text.endsWith('+08:00"'))).toEqual([]);
});
