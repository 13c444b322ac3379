import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { ingest } from './ingest.ts';

function takes(contract: string, payload: unknown): boolean {
  return ingest[contract]?.payload.safeParse(payload).success ?? false;
}

const random = { value: 50, seed: 's', generator_version: '1' };

describe('a manual signal', () => {
  test.each([
    { value: 0 },
    { value: 100, note: '' },
    { value: 99.5, note: '🏃'.repeat(256) },
    { value: 1, note: null },
  ])('is %j', (payload) => {
    expect(takes('manual-signal', payload)).toBe(true);
  });

  test.each([
    {},
    { value: -0.01 },
    { value: 100.01 },
    { value: '50' },
    { value: true },
    { value: null },
    { value: [50] },
    { value: Number.NaN },
    { value: 50, note: 'n'.repeat(257) },
    { value: 50, note: 5 },
    { value: 50, extra: 1 },
    null,
    [],
    'text',
  ])('is not %j', (payload) => {
    expect(takes('manual-signal', payload)).toBe(false);
  });
});

describe('a connector signal', () => {
  test.each([random, { ...random, seed: 's'.repeat(64), generator_version: 'v'.repeat(32) }])(
    'is %j',
    (payload) => {
      expect(takes('connector-signal', payload)).toBe(true);
    },
  );

  test.each([
    { value: 50 },
    { ...random, seed: undefined },
    { ...random, seed: '' },
    { ...random, seed: 's'.repeat(65) },
    { ...random, seed: 42 },
    { ...random, generator_version: '' },
    { ...random, generator_version: 'v'.repeat(33) },
    { ...random, value: '50' },
    { ...random, value: false },
    { ...random, note: 'x' },
  ])('is not %j', (payload) => {
    expect(takes('connector-signal', payload)).toBe(false);
  });
});

describe('a signal that the connector read on another host', () => {
  const data = { ...random, number: 1 };
  const read = {
    connector: 'signal',
    connector_version: '0.1.0',
    account_ref: '79a6123c2db3',
    metric_type: 'random_signal',
    metric_date: '2026-02-26',
    timezone: 'Asia/Shanghai',
    fetched_at: '2026-02-26T10:10:06+08:00',
    data,
  };

  test('is its envelope', () => {
    expect(takes('random-signal', read)).toBe(true);
  });

  test.each([
    { data: { ...data, value: 100.01 } },
    { data: random },
    { data: { ...data, more: 1 } },
    { metric_type: 'other' },
    { metric_date: '2026-02-30' },
    { fetched_at: 'now' },
    { more: 1 },
  ])('is not one with %j', (changed) => {
    expect(takes('random-signal', { ...read, ...changed })).toBe(false);
  });
});

test('a contract describes itself as JSON Schema, limits and all', () => {
  expect(z.toJSONSchema(ingest['connector-signal']!.payload)).toMatchObject({
    additionalProperties: false,
    required: ['value', 'seed', 'generator_version'],
    properties: {
      value: { type: 'number', minimum: 0, maximum: 100 },
      seed: { minLength: 1, maxLength: 64 },
    },
  });
});
