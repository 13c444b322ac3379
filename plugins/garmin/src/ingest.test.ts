import type { IngestProblem, JsonValue } from '@on-the-way/sdk';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { datasetNames } from './datasets/index.ts';
import { ingest } from './ingest.ts';

const contract = ingest['connector-health']!;

const payload = {
  connector: 'garmin_connect',
  connector_version: '0.3.0',
  account_ref: '79a6123c2db3',
  metric_type: 'sleep',
  metric_date: '2026-02-26',
  timezone: 'Asia/Shanghai',
  fetched_at: '2026-02-26T10:10:06+08:00',
  api_method: 'get_sleep_data',
  data: { minutes: 400 },
} as const;

/** What the schema says: the fields it refuses, or nothing. */
function refused(change: object): string[] {
  const result = contract.payload.safeParse({ ...payload, ...change });
  return result.success ? [] : result.error.issues.map((issue) => issue.path.join('.'));
}

/** What the rules over several fields say. */
function problem(
  change: object,
  occurredAt = '2026-02-26T00:00:00+08:00',
  timeZones: readonly string[] = ['Asia/Shanghai', 'America/Sao_Paulo', 'UTC'],
): IngestProblem | undefined {
  const parsed = contract.payload.parse({ ...payload, ...change }) as JsonValue;
  return contract.check?.({ externalId: 'e', occurredAt, payload: parsed }, { timeZones });
}

describe('the envelope', () => {
  test.each<object>([
    {},
    { api_method: undefined },
    { api_method: null },
    { data: null },
    { data: [1, 2] },
    { data: 'text' },
    { data: false },
    { fetched_at: '2026-02-26t10:10:06.123456789+08:00' },
    { metric_date: '2024-02-29' },
  ])('may say %j', (change) => {
    expect(refused(change)).toEqual([]);
  });

  test.each<[string, readonly unknown[]]>([
    ['connector', ['garmin', 'GARMIN_CONNECT', null, undefined]],
    ['connector_version', ['', 'v'.repeat(33), 1, undefined]],
    ['account_ref', ['79A6123C2DB3', '79a6123c2db', '79a6123c2db34', 'runner@example.com', 7, undefined]],
    ['metric_type', ['steps', 'Sleep', '', 5, undefined]],
    [
      'metric_date',
      ['2026-02-30', '2026-2-26', '20260226', '2026-02-26T00:00:00', '0000-01-01', 5, undefined],
    ],
    ['timezone', [8, null, undefined]],
    ['fetched_at', ['2026-02-26', '2026-02-26T10:10:06', 'now', 1_771_000_000, undefined]],
    ['api_method', ['', 'm'.repeat(129), 5]],
    ['data', [undefined]],
  ])('refuses a wrong %s', (field, values) => {
    for (const value of values) expect([value, refused({ [field]: value })]).toEqual([value, [field]]);
  });

  test('has no other members', () => {
    expect(contract.payload.safeParse({ ...payload, email: 'runner@example.com' }).success).toBe(false);
  });

  test('takes every dataset, and names another one by a code of its own', () => {
    for (const name of datasetNames) expect(refused({ metric_type: name })).toEqual([]);
    const result = contract.payload.safeParse({ ...payload, metric_type: 'steps' });
    expect(result.error?.issues).toEqual([
      expect.objectContaining({ params: { code: 'UNSUPPORTED_METRIC_TYPE' }, path: ['metric_type'] }),
    ]);
  });

  test('describes itself as JSON Schema', () => {
    expect(z.toJSONSchema(contract.payload)).toMatchObject({
      additionalProperties: false,
      properties: { metric_type: { type: 'string', enum: datasetNames }, data: {} },
      required: expect.arrayContaining(['data', 'metric_date']),
    });
  });
});

describe('rules over several fields', () => {
  test('midnight of the day in its zone passes, in whatever form it is written', () => {
    expect(problem({})).toBeUndefined();
    expect(problem({}, '2026-02-26 00:00:00.000+08:00')).toBeUndefined();
    const utc = { timezone: 'UTC', fetched_at: '2026-02-26T02:10:06z' };
    expect(problem(utc, '2026-02-26T00:00:00Z')).toBeUndefined();
  });

  test('a zone the operator does not accept is INVALID_TIMEZONE, whatever else is wrong', () => {
    for (const timezone of ['Europe/Berlin', 'Asia/Urumqi', '', 'Nowhere/At_All', 'asia/shanghai']) {
      expect(problem({ timezone }, '2026-02-27T11:00:00+01:00')).toMatchObject({
        code: 'INVALID_TIMEZONE',
        field: 'payload.timezone',
      });
    }
    expect(problem({}, undefined, ['UTC'])).toMatchObject({ code: 'INVALID_TIMEZONE' });
  });

  test.each([
    ['the same instant with another offset', '2026-02-25T16:00:00Z'],
    ['another hour', '2026-02-26T01:00:00+08:00'],
    ['another day', '2026-02-27T00:00:00+08:00'],
    ['a microsecond later', '2026-02-26T00:00:00.000001+08:00'],
  ])('occurred_at must be that midnight, not %s', (_what, occurredAt) => {
    expect(problem({}, occurredAt)).toMatchObject({ code: 'INVALID_ARGUMENT', field: 'occurred_at' });
  });

  test('where clocks jump over midnight it is the one with the offset before the jump', () => {
    const day = {
      timezone: 'America/Sao_Paulo',
      metric_date: '2018-11-04',
      fetched_at: '2018-11-05T08:00:00-02:00',
    };
    expect(problem(day, '2018-11-04T00:00:00-03:00')).toBeUndefined();
    expect(problem(day, '2018-11-04T01:00:00-02:00')).toMatchObject({ field: 'occurred_at' });
  });

  test('fetched_at has the offset of the zone at that instant', () => {
    const summer = { timezone: 'America/Sao_Paulo', metric_date: '2018-12-01' };
    const midnight = '2018-12-01T00:00:00-02:00';
    expect(problem({ ...summer, fetched_at: '2018-12-01T08:00:00-02:00' }, midnight)).toBeUndefined();
    expect(problem({ ...summer, fetched_at: '2019-06-01T08:00:00-03:00' }, midnight)).toBeUndefined();
    for (const fetched_at of ['2018-12-01T07:00:00-03:00', '2018-12-01T10:00:00Z']) {
      expect(problem({ ...summer, fetched_at }, midnight)).toMatchObject({
        code: 'INVALID_ARGUMENT',
        field: 'payload.fetched_at',
      });
    }
  });
});
