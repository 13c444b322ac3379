import { rawJson, type ConnectorRecord, type JsonValue, type RawEvent } from '@on-the-way/sdk';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { canonicalJson } from './canonical-json.ts';
import { accountRefOf, digestOfDay, sha256 } from './digest.ts';
import { envelopeOf, type EnvelopeIdentity } from './envelope.ts';

const identity: EnvelopeIdentity = {
  connector: 'garmin',
  service: 'garmin_connect',
  source: 'garmin_connect_health',
  version: '0.3.0',
  accountRef: accountRefOf('Someone@Example.org'),
  timeZone: 'Asia/Shanghai',
};
const read = {
  at: Date.parse('2026-02-26T02:10:06.500Z'),
  requestId: '00000000-0000-4000-8000-000000000001',
};
const sleep: ConnectorRecord = {
  day: '2026-02-26',
  data: { minutes: 400, light: null },
  method: 'dailySleepData',
};

function wrap(
  change: {
    identity?: Partial<EnvelopeIdentity>;
    dataset?: string;
    record?: Partial<ConnectorRecord>;
    read?: Partial<typeof read>;
  } = {},
): RawEvent {
  return envelopeOf(
    { ...identity, ...change.identity },
    change.dataset ?? 'sleep',
    { ...sleep, ...change.record },
    { ...read, ...change.read },
  );
}

const payloadOf = (event: RawEvent) => JSON.parse(event.payload) as { [key: string]: JsonValue };
const json = fc.jsonValue({ maxDepth: 4 }) as fc.Arbitrary<JsonValue>;

test('a record becomes the envelope of the contract, member by member', () => {
  // first 12 hex digits of sha256('someone@example.org'), and of sha256 over the canonical
  // {account_ref, data, metric_date, metric_type}; worked out with sha256sum
  const event = wrap();
  expect(event).toEqual({
    sourceId: 'garmin_connect_health',
    externalId: 'garmin::79a6123c2db3::sleep::2026-02-26::88432f71072e214d',
    occurredAt: '2026-02-26T00:00:00+08:00',
    payload:
      '{"connector":"garmin_connect","connector_version":"0.3.0","account_ref":"79a6123c2db3",' +
      '"metric_type":"sleep","metric_date":"2026-02-26","timezone":"Asia/Shanghai",' +
      '"fetched_at":"2026-02-26T10:10:06+08:00","api_method":"dailySleepData","data":{"light":null,"minutes":400}}',
    payloadHash: 'a38e8d4abdcf05ee026bf6f0915d52d390fd914741b2b0ff9b52e6da1d40261d',
    notCompared: ['fetched_at', 'api_method', 'connector_version'],
    requestId: read.requestId,
  });
});

test('a record without a method has no api_method', () => {
  const { method: _method, ...record } = sleep;
  const payload = payloadOf(envelopeOf(identity, 'sleep', record, read));
  expect(Object.keys(payload)).not.toContain('api_method');
});

describe('the key and the hash', () => {
  test('do not depend on when, how and by which version it was read', () => {
    const again = wrap({
      identity: { version: '9.9.9' },
      record: { method: 'another' },
      read: { at: read.at + 86_400_000, requestId: '00000000-0000-4000-8000-000000000002' },
    });
    expect(again.payload).not.toBe(wrap().payload);
    expect([again.externalId, again.payloadHash]).toEqual([wrap().externalId, wrap().payloadHash]);
  });

  test('do not depend on the order of members or the way numbers are written', () => {
    const swapped = wrap({ record: { data: { light: null, minutes: 400 } } });
    const exact = wrap({ record: { data: rawJson('{ "light": null, "minutes": 4.00e2 }') } });
    for (const event of [swapped, exact]) {
      expect([event.externalId, event.payloadHash]).toEqual([wrap().externalId, wrap().payloadHash]);
    }
  });

  test.each<[string, Parameters<typeof wrap>[0]]>([
    ['data', { record: { data: { minutes: 401, light: null } } }],
    [
      'data beyond doubles',
      { record: { data: rawJson('{"minutes":400.00000000000000000001,"light":null}') } },
    ],
    ['day', { record: { day: '2026-02-27' } }],
    ['account', { identity: { accountRef: accountRefOf('another@example.org') } }],
    ['dataset', { dataset: 'naps' }],
  ])('depend on the %s', (_what, change) => {
    const digest = (event: RawEvent) => event.externalId.slice(-16);
    expect(digest(wrap(change))).not.toBe(digest(wrap()));
    expect(wrap(change).payloadHash).not.toBe(wrap().payloadHash);
  });

  test('the hash is that of the canonical payload without fetched_at, api_method and connector_version', () => {
    fc.assert(
      fc.property(json, (data) => {
        const event = wrap({ record: { data } });
        const {
          fetched_at: _at,
          api_method: _method,
          connector_version: _version,
          ...said
        } = payloadOf(event);
        expect(event.payloadHash).toBe(sha256(canonicalJson(said)));
      }),
    );
  });

  test('the digest is that of account_ref, data, metric_date and metric_type', () => {
    fc.assert(
      fc.property(json, (data) => {
        const event = wrap({ record: { data } });
        const { account_ref, data: kept, metric_date, metric_type } = payloadOf(event);
        const canonical = canonicalJson({ account_ref, data: kept, metric_date, metric_type });
        expect(event.externalId.slice(-16)).toBe(sha256(canonical).slice(0, 16));
      }),
    );
  });

  test('of names that need escapes in JSON are still those of the canonical payload', () => {
    const event = wrap({ identity: { service: 'a"b\\\n', accountRef: '"' }, dataset: 'é"\u2028' });
    const { fetched_at: _at, api_method: _method, connector_version: _version, ...said } = payloadOf(event);
    expect(said).toMatchObject({ connector: 'a"b\\\n', account_ref: '"', metric_type: 'é"\u2028' });
    expect(event.payloadHash).toBe(sha256(canonicalJson(said)));
  });
});

describe('the data', () => {
  test('parses to what the connector gave; all but objects stands under "value"', () => {
    fc.assert(
      fc.property(json, (data) => {
        const given = JSON.parse(JSON.stringify(data)) as JsonValue;
        const isObject = typeof given === 'object' && given !== null && !Array.isArray(given);
        expect(payloadOf(wrap({ record: { data } }))['data']).toEqual(isObject ? given : { value: given });
      }),
    );
  });

  test.each<[JsonValue]>([[[1, 2]], [[]], ['text'], [0], [false], [null]])(
    '%j is kept as a value',
    (data) => {
      expect(payloadOf(wrap({ record: { data } }))['data']).toEqual({ value: data });
      const exact = wrap({ record: { data: rawJson(` ${JSON.stringify(data)}`) } });
      expect(payloadOf(exact)['data']).toEqual({ value: data });
      expect(exact.externalId).toBe(wrap({ record: { data } }).externalId);
    },
  );

  test('an object that already is {"value": …} is the same fact as the bare value', () => {
    expect(wrap({ record: { data: { value: [1] } } }).externalId).toBe(
      wrap({ record: { data: [1] } }).externalId,
    );
  });

  test('of raw JSON is stored to the character', () => {
    const text = '{"big": 9007199254740993, "ratio": 1.0}';
    expect(wrap({ record: { data: rawJson(text) } }).payload).toContain(`"data":${text}}`);
    expect(wrap({ record: { data: rawJson('[1.0]') } }).payload).toContain('"data":{"value":[1.0]}}');
  });

  test.each<[string, unknown]>([
    ['a bigint', { n: 1n }],
    ['NaN', [Number.NaN]],
    ['a Date', { at: new Date(0) }],
    ['nothing', undefined],
    ['a function', { f() {} }],
  ])('that is not JSON (%s) is bad_data', (_name, data) => {
    const record = { day: '2026-02-26', data: data as JsonValue };
    expect(() => envelopeOf(identity, 'sleep', record, read)).toThrow(
      expect.objectContaining({ code: 'bad_data' }),
    );
  });

  test('nested deeper than any stack is bad_data', () => {
    let data: JsonValue = [];
    for (let level = 0; level < 100_000; level += 1) data = [data];
    expect(() => wrap({ record: { data } })).toThrow(expect.objectContaining({ code: 'bad_data' }));
  });
});

test('times carry the offset of the connection’s zone', () => {
  const event = wrap({ identity: { timeZone: 'America/Sao_Paulo' }, record: { day: '2018-11-04' } });
  expect(event.occurredAt).toBe('2018-11-04T00:00:00-03:00');
  expect(payloadOf(event)).toMatchObject({
    timezone: 'America/Sao_Paulo',
    fetched_at: '2026-02-25T23:10:06-03:00',
  });
});

describe('the account', () => {
  test('is kept as 12 hex digits that case and outer spaces do not change', () => {
    expect(accountRefOf('  Someone@EXAMPLE.org\n')).toBe(accountRefOf('someone@example.org'));
    expect(accountRefOf('someone@example.org')).toMatch(/^[0-9a-f]{12}$/);
    expect(accountRefOf('other@example.org')).not.toBe(accountRefOf('someone@example.org'));
  });
});

describe('the digest of a day', () => {
  const ids = fc.uniqueArray(fc.stringMatching(/^w::a::d::2026-02-26::[0-9a-f]{16}$/), {
    minLength: 2,
    maxLength: 9,
  });

  test('does not depend on the order events came in', () => {
    fc.assert(
      fc.property(ids, (given) => {
        expect(digestOfDay(given.toReversed())).toBe(digestOfDay(given));
        expect(digestOfDay(given)).toMatch(/^[0-9a-f]{16}$/);
        expect(digestOfDay(given.slice(1))).not.toBe(digestOfDay(given));
      }),
    );
  });

  test('of one event is the event’s own, and a day with nothing has none', () => {
    expect(digestOfDay(['garmin::0123456789ab::sleep::2026-02-26::0123456789abcdef'])).toBe(
      '0123456789abcdef',
    );
    expect(digestOfDay([])).toBeUndefined();
  });
});
