import { envelopeOf, parseStrictJson } from '@on-the-way/core';
import { rawJson, type JsonValue, type RawEvent } from '@on-the-way/sdk';
import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { acceptBody, BodyRefused, describedSchemaOf } from './accept.ts';
import { createContractSet } from './contracts.ts';
import type { ServedContract } from './ports.ts';

const requestId = '00000000-0000-4000-8000-000000000001';
const rules = {
  now: Date.parse('2026-02-26T12:00:00+08:00'),
  futureToleranceMinutes: 5,
  timeZones: ['Asia/Shanghai'],
};
const identity = {
  connector: 'garmin',
  service: 'garmin_connect',
  source: 'garmin_connect_health',
  version: '0.1.0',
  accountRef: '0efeac08b9c9',
  timeZone: 'Asia/Shanghai',
};
const plain: ServedContract = {
  name: 'plain',
  description: 'Anything.',
  source: 'plain',
  externalIdLength: 8,
  payload: z.unknown(),
};
let health: ServedContract;

beforeAll(async () => {
  const contracts = await createContractSet(['@on-the-way/plugin-garmin'], import.meta.dirname).all();
  health = contracts.find(({ name }) => name === 'connector-health')!;
});

const accept = (contract: ServedContract, text: string): RawEvent =>
  acceptBody(contract, text, { ...rules, requestId });

function plainBody(
  payload: string,
  outer: { readonly externalId?: string; readonly at?: string } = {},
): string {
  const { externalId = 'id', at = '2026-02-26T00:00:00+08:00' } = outer;
  return `{"source_id":"plain","external_id":${JSON.stringify(externalId)},"occurred_at":${JSON.stringify(at)},"payload":${payload}}`;
}

function refusalOf(contract: ServedContract, text: string): BodyRefused {
  try {
    accept(contract, text);
  } catch (error) {
    if (error instanceof BodyRefused) return error;
    throw error;
  }
  throw new Error('expected a refusal');
}

/** The body by which somebody posts what the host's own connector would write for this data. */
function posted(dataText: string, fetchedAt: string): { readonly text: string; readonly own: RawEvent } {
  const record = { day: '2026-02-25', data: rawJson(dataText), method: 'sleep' };
  const own = envelopeOf(identity, 'sleep', record, { at: Date.parse(fetchedAt), requestId });
  const payload = own.payload.replace(/\}$/, '');
  // The same members in another order and with another version, as another host might send them.
  const members = `"data":${dataText},"fetched_at":${JSON.stringify(fetchedAt)},"connector_version":"9"`;
  const said = JSON.parse(`${payload}}`) as Record<string, JsonValue>;
  const rest = ['timezone', 'metric_type', 'metric_date', 'connector', 'account_ref']
    .map((name) => `"${name}":${JSON.stringify(said[name])}`)
    .join(' , ');
  const head = `"external_id":${JSON.stringify(own.externalId)},"occurred_at":${JSON.stringify(own.occurredAt)}`;
  return { text: `{"payload":{${members},${rest}},"source_id":"garmin_connect_health",${head}}`, own };
}

describe('a health envelope', () => {
  test('has the hash, the key and the time of the same answer read by the host itself, whatever the answer', () => {
    const texts = fc.oneof(
      fc.jsonValue({ maxDepth: 4 }).map((value) => JSON.stringify(value)),
      fc.constantFrom(
        '9007199254740993',
        '[1e-400,{"a":0.10000000000000001}]',
        '{"v":1.0,"w":-0}',
        '{"b":1e2,"a":"é"}',
      ),
    );
    fc.assert(
      fc.property(texts, (text) => {
        if (parseStrictJson(text, { maxDepth: 64 }).kind !== 'json') return;
        const { text: body, own } = posted(text, '2026-02-26T10:00:00+08:00');
        const { payload: _own, occurredAt: _at, ...expected } = own;
        const event = accept(health, body);
        expect(event).toMatchObject(expected);
        const said = JSON.parse(event.payload) as { data: unknown };
        expect(said.data).toEqual((JSON.parse(own.payload) as { data: unknown }).data);
      }),
    );
  });

  test('keeps an answer that is no object under "value", character by character', () => {
    expect(accept(health, posted('[1.0, 2]', '2026-02-26T10:00:00+08:00').text).payload).toContain(
      '"data":{"value":[1.0, 2]},',
    );
    expect(accept(health, posted('{"a":1.0}', '2026-02-26T10:00:00+08:00').text).payload).toContain(
      '"data":{"a":1.0},',
    );
  });

  test('may hold data of 64 levels, and not of 65', () => {
    const nested = (depth: number) => '['.repeat(depth) + ']'.repeat(depth);
    const at = '2026-02-26T10:00:00+08:00';
    const body = posted('[]', at).text;
    expect(accept(health, body.replace('"data":[]', `"data":${nested(64)}`)).payload).toContain(nested(64));
    expect(refusalOf(health, body.replace('"data":[]', `"data":${nested(65)}`))).toMatchObject({
      status: 422,
      message: expect.stringContaining('found nesting of more than 64 levels') as unknown,
    });
  });
});

describe('what is stored', () => {
  test('is the text of the payload as it was sent', () => {
    const payload = '{ "big" : 9007199254740993,\n"long":1.10, "s":"\\u00e9\\/" }';
    expect(accept(plain, plainBody(payload)).payload).toBe(payload);
    for (const scalar of ['1.0', '"x"', 'null', '[1, 2.50]'])
      expect(accept(plain, plainBody(scalar)).payload).toBe(scalar);
  });

  test('counts as the same when it says the same', () => {
    const hash = (payload: string) => accept(plain, plainBody(payload)).payloadHash;
    const same: [string, string][] = [
      ['{"a":1,"b":2}', '{ "b":2.0, "a":1e0 }'],
      ['{"v":-0}', '{"v":0}'],
      ['{"v":9007199254740993}', '{"v":9007199254740993.0}'],
      ['{"v":"é"}', '{"v":"\\u00e9"}'],
    ];
    for (const [one, other] of same) expect(hash(one), one).toBe(hash(other));
    const different: [string, string][] = [
      ['{"v":9007199254740993}', '{"v":9007199254740992}'],
      ['{"v":"\\u00e9"}', '{"v":"e\\u0301"}'],
      ['{"v":1}', '{"v":"1"}'],
      ['{"v":null}', '{}'],
      ['[1,2]', '[2,1]'],
    ];
    for (const [one, other] of different) expect(hash(one), one).not.toBe(hash(other));
  });

  test('is wrapped and compared as the contract says', () => {
    const contract = { ...plain, wrapped: ['x', 'y', 'z'], notCompared: ['y', 'n'] };
    const event = accept(contract, plainBody('{"x" : 1.0 ,"y":[2], "n":1,"z":{"a":1}}'));
    expect(event.payload).toBe('{"x" : {"value":1.0} ,"y":{"value":[2]}, "n":1,"z":{"a":1}}');
    expect(event.payloadHash).toBe(accept(plain, plainBody('{"z":{"a":1},"x":{"value":1}}')).payloadHash);
  });
});

describe('a body is refused', () => {
  test.each([
    ['{', 400, 'INVALID_ARGUMENT', /JSON/],
    ['[]', 422, 'INVALID_ARGUMENT', /^body: /],
    ['null', 422, 'INVALID_ARGUMENT', /^body: /],
    [plainBody('1').replace('plain', 'other'), 422, 'INVALID_ARGUMENT', /^source_id: .*"plain"/],
    [plainBody('1').replace('"source_id"', '"source"'), 422, 'INVALID_ARGUMENT', /^source_id: /],
    [
      plainBody('1').replace('{', '{"extra":1,'),
      422,
      'INVALID_ARGUMENT',
      /^body: Expected no field "extra"$/,
    ],
    [plainBody('1', { externalId: '' }), 422, 'INVALID_ARGUMENT', /^external_id: .*1 to 8 characters/],
    [
      plainBody('1', { externalId: '123456789' }),
      422,
      'INVALID_ARGUMENT',
      /^external_id: .*1 to 8 characters/,
    ],
    [plainBody('1', { externalId: 'a\nb' }), 422, 'INVALID_ARGUMENT', /^external_id: .*control characters/],
    [
      plainBody('1', { externalId: 'a\u0085b' }),
      422,
      'INVALID_ARGUMENT',
      /^external_id: .*control characters/,
    ],
    [plainBody('1', { at: 'now' }), 422, 'INVALID_ARGUMENT', /^occurred_at: Expected RFC 3339/],
    [
      plainBody('1', { at: '2026-02-26T12:05:01+08:00' }),
      422,
      'INVALID_ARGUMENT',
      /^occurred_at: .*5 minutes/,
    ],
    [plainBody('{"a b":[1,"\\u0000"]}'), 422, 'INVALID_ARGUMENT', /^payload\["a b"\]\[1\]: .*NUL/],
  ])('%s', (text, status, code, message) => {
    expect(refusalOf(plain, text)).toMatchObject({
      status,
      code,
      message: expect.stringMatching(message) as unknown,
    });
  });

  test('and what is just allowed is taken', () => {
    const emoji = '👩'.repeat(8);
    expect(accept(plain, plainBody('1', { externalId: emoji })).externalId).toBe(emoji);
    expect(accept(plain, plainBody('1', { at: '2026-02-26T12:05:00+08:00' })).occurredAt).toBe(
      '2026-02-26T12:05:00+08:00',
    );
    const long = { ...plain, externalIdLength: 400 };
    expect(accept(long, plainBody('1', { externalId: 'é'.repeat(256) })).externalId).toHaveLength(256);
    expect(refusalOf(long, plainBody('1', { externalId: 'é'.repeat(257) })).message).toMatch(/512 bytes/);
  });

  test.each([
    ['100.00000000000000000001', /^payload\.value: .*<=100/],
    ['-1e-400', /^payload\.value: .*>=0/],
    ['-0.1e-500', /^payload\.value: .*>=0/],
    ['10000000000000000000001e-20', /^payload\.value: .*<=100/],
    ['0.30000000000000000001', /^payload\.tenth: .*<=0\.3/, 'tenth'],
  ])('the number %s for the digits it has, which its double does not', (number, message, name = 'value') => {
    const payload = z.strictObject({
      value: z.number().min(0).max(100).optional(),
      tenth: z.number().max(0.3).optional(),
    });
    const body = (text: string) => plainBody(JSON.stringify({ [name]: '@' }).replace('"@"', text));
    const refused = refusalOf({ ...plain, payload }, body(number));
    expect(refused).toMatchObject({ status: 422, identity: { externalId: 'id' } });
    expect(refused.message).toMatch(message);
    for (const fits of name === 'value'
      ? [
          '99.99999999999999999999',
          '100.00000000000000000000',
          '1e-400',
          '-0.0',
          '0e5',
          '1.0e2',
          '33.33333333333333333333',
        ]
      : ['0.3', '0.29999999999999999999', '-1e300', '-123456789012345678901234567890'])
      expect(accept({ ...plain, payload }, body(fits)).payload).toContain(fits);
  });

  test('by a code of the contract only when nothing else is wrong with it', () => {
    const payload = z.strictObject({
      kind: z.string().refine((kind) => kind === 'known', {
        error: 'expected known',
        params: { code: 'UNSUPPORTED_METRIC_TYPE' },
      }),
      size: z.number(),
    });
    const contract = { ...plain, payload };
    expect(refusalOf(contract, plainBody('{"kind":"x","size":1}')).code).toBe('UNSUPPORTED_METRIC_TYPE');
    expect(refusalOf(contract, plainBody('{"kind":"x","size":"1"}')).code).toBe('INVALID_ARGUMENT');
  });

  test('by rules over several fields, in their words', () => {
    const contract: ServedContract = {
      ...plain,
      check: ({ externalId, occurredAt, payload }, { timeZones }) => ({
        code: 'INVALID_TIMEZONE',
        field: 'payload.zone',
        message: `${externalId} ${occurredAt} ${JSON.stringify(payload)} ${timeZones.join()}`,
      }),
    };
    const at = '2026-02-26 00:00:00Z';
    expect(refusalOf(contract, plainBody('[1]', { at }))).toMatchObject({
      code: 'INVALID_TIMEZONE',
      message: `payload.zone: id ${at} [1] Asia/Shanghai`,
    });
  });

  test('in words that show no value of it, and names only so far', () => {
    const secret = 'hunter2';
    const bodies = [
      plainBody('1').replace('"plain"', `"${secret}"`),
      plainBody('1', { at: secret }),
      plainBody(`{"a":"${secret}\\u0000"}`),
      plainBody('1', { externalId: `${secret}${secret}` }),
    ];
    for (const body of bodies) expect(refusalOf(plain, body).message).not.toContain(secret);
    const { message } = refusalOf(
      plain,
      plainBody('1').replace('{', `{${JSON.stringify(`${'n'.repeat(5000)}"\n`)}:1,`),
    );
    expect(message).toBe(`body: Expected no field "${'n'.repeat(64)}…"`);
  });

  test('and the audit has its ids where they are text that can be kept', () => {
    const ids = (text: string) => refusalOf(plain, text).identity;
    expect(ids(plainBody('1', { at: 'x' }))).toEqual({ sourceId: 'plain', externalId: 'id' });
    expect(ids(plainBody('{"a":1,"a":1}'))).toEqual({ sourceId: 'plain', externalId: 'id' });
    expect(ids('{"source_id":1,"external_id":"a\\u0000"}')).toEqual({ sourceId: null, externalId: null });
    expect(ids('{"source_id":"\\ud800"}')).toEqual({ sourceId: null, externalId: null });
    expect(ids('["source_id"]')).toEqual({ sourceId: null, externalId: null });
    expect(ids('{')).toEqual({ sourceId: null, externalId: null });
    expect(ids(plainBody('1', { externalId: `${'x'.repeat(511)}😀😀` })).externalId).toBe('x'.repeat(511));
  });
});

test('the schema that validates can be described', () => {
  expect(
    z.toJSONSchema(describedSchemaOf(health, { timeZones: ['Asia/Shanghai', 'Europe/Berlin'] }), {
      io: 'input',
    }),
  ).toMatchObject({
    additionalProperties: false,
    required: ['source_id', 'external_id', 'occurred_at', 'payload'],
    properties: {
      source_id: { const: 'garmin_connect_health' },
      external_id: {
        type: 'string',
        minLength: 1,
        maxLength: 128,
        description: expect.stringContaining('512 bytes') as unknown,
      },
      occurred_at: { type: 'string', format: 'date-time' },
      payload: { properties: { timezone: { enum: ['Asia/Shanghai', 'Europe/Berlin'] } } },
    },
  });
});
