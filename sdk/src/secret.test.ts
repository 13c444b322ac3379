import { expect, test } from 'vitest';
import { z } from 'zod';
import { secret, secretsOf } from './index.ts';

test('secrets are found by their place in the schema, whatever they are called', () => {
  const config = z.object({ email: z.string(), magic: secret() });
  expect(secretsOf(config, { email: 'a@example.org', magic: 'open sesame' })).toEqual(['open sesame']);
});

test('an empty secret is refused', () => {
  expect(secret().safeParse('').success).toBe(false);
});

test.each([
  ['optional', secret().optional()],
  ['nullable', secret().nullable()],
  ['given a default', secret().default('changeme')],
  ['given a fallback', secret().catch('changeme')],
  ['read-only', secret().readonly()],
  ['all of them', secret().optional().nullable().default(null).readonly()],
  ['of a least length', secret().min(3)],
  ['trimmed', secret().trim()],
  ['described', secret().describe('The key of the station')],
  ['refined', secret().refine((text) => text !== 'password')],
  ['branded', secret().brand('Key')],
  ['transformed', secret().transform((text) => text.toUpperCase())],
  ['preprocessed', z.preprocess((text) => text, secret())],
  ['one of several', z.union([z.literal('none'), secret()])],
  ['met by two schemas', z.intersection(secret(), z.string().max(100))],
  ['lazy', z.lazy(() => secret())],
])('a secret stays one when it is %s', (_how, field) => {
  expect(secretsOf(z.object({ key: field }), { key: 'hunter2' })).toEqual(['hunter2']);
});

test('secrets are found in objects, arrays, tuples, records and unions, however deep', () => {
  const account = z.object({ name: z.string(), password: secret().optional() }).optional();
  const config = z.object({
    proxy: z.object({ auth: z.object({ token: secret() }).nullable() }).default({ auth: null }),
    accounts: z.array(account),
    pair: z.tuple([z.string(), secret()]),
    headers: z.record(z.string(), secret()),
    way: z.discriminatedUnion('kind', [
      z.object({ kind: z.literal('open') }),
      z.object({ kind: z.literal('key'), key: secret() }),
    ]),
  });
  const found = secretsOf(config, {
    proxy: { auth: { token: 's1' } },
    accounts: [{ name: 'one', password: 's2' }, { name: 'two' }, { name: 'three', password: 's3' }],
    pair: ['open', 's4'],
    headers: { authorization: 's5' },
    way: { kind: 'key', key: 's6' },
  });
  expect(found.toSorted()).toEqual(['s1', 's2', 's3', 's4', 's5', 's6']);
});

test('what is not set, empty or of another type is no secret', () => {
  const config = z.object({ a: secret().optional(), b: secret().nullable(), c: secret(), d: secret() });
  expect(secretsOf(config, { b: null, c: '', d: 7 })).toEqual([]);
  for (const value of [undefined, null, 'text', 7, []]) expect(secretsOf(config, value)).toEqual([]);
});

test('a value used for two secrets is given once', () => {
  expect(secretsOf(z.object({ a: secret(), b: secret() }), { a: 'same', b: 'same' })).toEqual(['same']);
});

test('keys the schema does not know are left alone', () => {
  expect(secretsOf(z.object({ key: secret() }), { constructor: 'x', toString: 'y', key: 'z' })).toEqual([
    'z',
  ]);
});
