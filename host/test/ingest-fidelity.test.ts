import { envelopeOf, parseStrictJson } from '@on-the-way/core';
import { rawJson, type JsonValue } from '@on-the-way/sdk';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  invalidUtf8,
  jsonEdges,
  malformed,
  naughtyStrings,
  occurredAtCases,
  unstorable,
  wellFormed,
} from './bad-inputs.ts';
import {
  healthEvent,
  startContractApi,
  untilTaken,
  type Answered,
  type ContractApi,
} from './contract-api.ts';
import { fakeClock } from './test-host.ts';

const health = '/v1/ingest/connector-health';
let api: ContractApi;
let count = 0;

beforeAll(async () => {
  api = await startContractApi({ clock: fakeClock('2026-11-23T12:00:00+08:00') });
});
afterAll(async () => api.close());

function nextId(): string {
  count += 1;
  return `fidelity::${count}`;
}

/** The text of a health event with this text as its data. */
function withData(data: string, externalId = nextId()): string {
  const event = JSON.stringify(healthEvent({ data: '@data@' }, { external_id: externalId }));
  return event.replace('"@data@"', () => data);
}

const postData = (data: string, externalId?: string): Promise<Answered> =>
  api.post(health, withData(data, externalId));

/** Posts bytes as they are. */
function postBytes(
  bytes: Buffer,
  { path = health, type = 'application/json' } = {},
): Promise<{
  readonly status: number;
  readonly body: { readonly items?: readonly { status: string; code?: string }[] };
}> {
  return untilTaken(async () => {
    const init = { method: 'POST', headers: { 'content-type': type }, body: new Uint8Array(bytes) };
    const response = await fetch(`${api.url}${path}`, init);
    return { status: response.status, body: (await response.json()) as object };
  });
}

const statusOf = async (bytes: Buffer): Promise<number> => (await postBytes(bytes)).status;

async function rows<Row>(sql: string, bindings: readonly unknown[]): Promise<Row[]> {
  return (await api.host.database.raw<{ rows: Row[] }>(sql, bindings as string[])).rows;
}

/** Which of the texts do not stand in the database as the data of their ids. */
async function changed(texts: ReadonlyMap<string, string>): Promise<string[]> {
  const sql = `
    select sent.id from unnest(?::text[], ?::text[]) as sent (id, data)
    left join raw.raw_event as event on event.external_id = sent.id
    where event.payload_json -> 'data' is distinct from sent.data::jsonb`;
  const found = await rows<{ id: string }>(sql, [[...texts.keys()], [...texts.values()]]);
  return found.map(({ id }) => texts.get(id) ?? '');
}

const wrapped = (data: string) => (data.trim().startsWith('{') ? data : `{"value":${data}}`);

describe('JSON', () => {
  test.each(jsonEdges)('with $name is answered with $status: $why', async ({ data, status }) => {
    const id = nextId();
    const answer = await postData(data, id);
    expect(answer).toMatchObject({ status, ...(status === 422 && { body: { code: 'INVALID_ARGUMENT' } }) });
    if (status === 200) expect(await changed(new Map([[id, wrapped(data)]]))).toEqual([]);
    else expect(await rows('select from raw.raw_event where external_id = ?', [id])).toEqual([]);
  });

  test('that is well-formed is stored as it is, whatever it is', async () => {
    const texts = new Map(wellFormed.map((data) => [nextId(), data]));
    for (const [id, data] of texts) {
      const answer = await postData(data, id);
      expect([data, answer.status]).toEqual([data, 200]);
    }
    expect(await changed(new Map([...texts].map(([id, data]) => [id, wrapped(data)])))).toEqual([]);
  });

  test('that is not well-formed is refused with 400, within an event and by itself', async () => {
    for (const text of malformed) {
      expect([text, (await postData(text)).status]).toEqual([text, 400]);
      expect([text, (await api.post(health, text)).status]).toEqual([text, 400]);
    }
  });

  test('that is well-formed but no event is refused with 422', async () => {
    for (const text of wellFormed) expect([text, (await api.post(health, text)).status]).toEqual([text, 422]);
  });

  test('that would not come back as it was sent is refused with 422', async () => {
    for (const text of unstorable) {
      expect([text, (await postData(text)).status]).toEqual([text, 422]);
      expect([text, (await api.post(health, text)).status]).toEqual([text, 422]);
    }
  });

  test('in bytes that are no UTF-8 is refused with 400', async () => {
    for (const bytes of invalidUtf8) {
      const [head = '', tail = ''] = withData('@bytes@').split('@bytes@');
      const whole = Buffer.concat([Buffer.from(head), bytes, Buffer.from(tail)]);
      expect([bytes.toString('hex'), await statusOf(whole), await statusOf(bytes)]).toEqual([
        bytes.toString('hex'),
        400,
        400,
      ]);
    }
    const utf16 = [
      Buffer.from(withData('1'), 'utf16le'),
      Buffer.from(`\ufeff${withData('1')}`),
      Buffer.from(`\ufeff${withData('1')}`, 'utf16le'),
    ];
    for (const bytes of utf16) expect(await statusOf(bytes)).toBe(400);
  });
});

describe('numbers', () => {
  test.each([
    ['9007199254740993', '9007199254740993'],
    ['-12345678901234567890123456789012345678', '-12345678901234567890123456789012345678'],
    [
      '0.1000000000000000055511151231257827021181583404541015625',
      '0.1000000000000000055511151231257827021181583404541015625',
    ],
    ['3.14159265358979323846264338327950288', '3.14159265358979323846264338327950288'],
    ['1.10', '1.10'],
    ['1.0', '1.0'],
    ['-0', '0'],
    ['1e5', '100000'],
    ['1.5E+3', '1500'],
    ['25e-4', '0.0025'],
    ['1e308', `1${'0'.repeat(308)}`],
    ['1e-400', `0.${'0'.repeat(399)}1`],
    [`0.${'1'.repeat(16_383)}`, `0.${'1'.repeat(16_383)}`],
  ])('%s comes back out of Postgres with its digits', async (sent, stored) => {
    const id = nextId();
    expect((await postData(`{"v":${sent}}`, id)).status).toBe(200);
    const sql = `select payload_json -> 'data' ->> 'v' as text from raw.raw_event where external_id = ?`;
    expect(await rows(sql, [id])).toEqual([{ text: stored }]);
  });

  test('that Postgres takes are taken, and those it refuses are refused, at every edge of its own type', async () => {
    const numbers = [
      '1e-16383',
      '1e-16384',
      '1.5e-16382',
      '1.5e-16383',
      '0e1073741822',
      '0e-16383',
      '0e-16384',
      '0.0e-16383',
      '100e-16385',
      '0e200000',
    ];
    for (const number of numbers) {
      const taken = await rows('select ?::jsonb', [number]).then(
        () => 200,
        () => 422,
      );
      expect([number, (await postData(number)).status]).toEqual([number, taken]);
    }
  });
});

describe('a key', () => {
  async function twice(first: string, second: string): Promise<unknown[]> {
    const id = nextId();
    const answers = [await postData(first, id), await postData(second, id)];
    return answers.map(({ status, body }) => (status === 200 ? body['idempotent'] : status));
  }

  test.each([
    ['{"b":1,"a":2}', '{"a":2,"b":1}'],
    ['{"v":1}', '{"v":1.0}'],
    ['{"v":100}', '{"v":1e2}'],
    ['{"v":0}', '{"v":-0}'],
    ['{"v":9007199254740993}', '{"v":9007199254740993.00}'],
    ['{"v":"é"}', '{"v":"\\u00e9"}'],
    ['[1]', '{"value":[1]}'],
  ])('with %s and then %s is the same event', async (first, second) => {
    expect(await twice(first, second)).toEqual([false, true]);
  });

  test.each([
    ['{"v":"\\u00e9"}', '{"v":"e\\u0301"}'],
    ['{"v":9007199254740993}', '{"v":9007199254740992}'],
    ['{"v":1e-400}', '{"v":0}'],
    ['{"v":[1,2]}', '{"v":[2,1]}'],
    ['{"v":null}', '{}'],
    ['{"v":1}', '{"v":"1"}'],
  ])('with %s and then %s is a conflict', async (first, second) => {
    expect(await twice(first, second)).toEqual([false, 409]);
  });

  test('that the predecessor stored, with its own hash and spelling, is the same event', async () => {
    const stored = healthEvent({ fetched_at: '2026-02-25T23:00:00+08:00', data: { minutes: 400.0, b: 1 } });
    const id = 'garmin::79a6123c2db3::sleep::2026-02-25::0123456789abcdef';
    const signal = (value: number, external_id = 'old') => {
      const at = '2026-02-25T10:10:06+08:00';
      return { source_id: 'ios_manual', external_id, occurred_at: at, payload: { value, note: 'n' } };
    };
    await api.host.database.raw(
      `insert into raw.raw_event (source_id, external_id, occurred_at, payload_json, payload_hash, request_id)
       values ('garmin_connect_health', ?, '2026-02-25T00:00:00+08:00', ?::jsonb, 'of json.dumps', gen_random_uuid()),
         ('ios_manual', 'old', '2026-02-25T10:10:06+08:00', '{"note":"n","value":61.0}', 'of json.dumps', gen_random_uuid())`,
      [id, JSON.stringify(stored['payload'])],
    );
    const again = (minutes: number) => healthEvent({ data: { b: 1, minutes } }, { external_id: id });
    const answers = [
      await api.post(health, again(400)),
      await api.post(`${health}/batch`, `[${JSON.stringify(again(400))}]`),
      await api.post('/v1/ingest/manual-signal', signal(61)),
    ];
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200]);
    expect([answers[0], answers[2]]).toMatchObject([
      { body: { idempotent: true } },
      { body: { idempotent: true } },
    ]);
    expect((await api.post(health, again(401))).status).toBe(409);
    expect((await api.post('/v1/ingest/manual-signal', signal(62))).status).toBe(409);
  });

  test('that is posted again as the host itself would write it is the same event', async () => {
    const data = rawJson('{"big":9007199254740993,"f":1.10,"list":[null,true]}');
    const identity = {
      connector: 'garmin',
      service: 'garmin_connect',
      source: 'garmin_connect_health',
      version: '0.1.0',
      accountRef: '79a6123c2db3',
      timeZone: 'Asia/Shanghai',
    };
    const own = envelopeOf(
      identity,
      'sleep',
      { day: '2026-02-25', data },
      { at: Date.parse('2026-02-27T00:00:00Z'), requestId: 'x' },
    );
    const event = healthEvent({ data: '@' }, { external_id: own.externalId });
    await api.post(
      health,
      JSON.stringify(event).replace('"@"', ' {"list" :[null,true],"f":1.1,"big":9007199254740993.0}'),
    );
    const sql = 'select payload_hash from raw.raw_event where external_id = ?';
    expect(await rows(sql, [own.externalId])).toEqual([{ payload_hash: own.payloadHash }]);
  });
});

test.each(occurredAtCases)(
  'occurred_at $occurred_at is answered with $status: $why',
  async ({ occurred_at: at, status }) => {
    const id = nextId();
    const event = { source_id: 'ios_manual', external_id: id, occurred_at: at, payload: { value: 1 } };
    const answer = await api.post('/v1/ingest/manual-signal', event);
    expect(answer).toMatchObject({ status, ...(status === 422 && { body: { code: 'INVALID_ARGUMENT' } }) });
    if (status !== 200) return;
    const microseconds = `select (extract(epoch from occurred_at) * 1000000)::bigint::text as at from raw.raw_event where external_id = ?`;
    const [row] = await rows<{ at: string }>(microseconds, [id]);
    const fraction = /\.(\d+)/.exec(String(at))?.[1] ?? '';
    const seconds = Date.parse(String(at).toUpperCase().replace(' ', 'T').replace(/\.\d+/, '')) / 1000;
    expect(BigInt(row?.at ?? 0)).toBe(
      BigInt(seconds) * 1_000_000n + BigInt(fraction.slice(0, 6).padEnd(6, '0')),
    );
  },
);

describe('strings that break programs', () => {
  const controls = /\p{Cc}/u;
  test('come back byte for byte as keys and as values, or are refused', async () => {
    const stored = new Map<string, string>();
    for (const text of naughtyStrings) {
      const fits =
        text.isWellFormed() &&
        !controls.test(text) &&
        Array.from(text).length <= 128 &&
        Buffer.byteLength(text) <= 512;
      const asKey = await postData('{}', text);
      expect([text, asKey.status]).toEqual([text, fits ? 200 : 422]);
      const id = nextId();
      const asValue = await postData(`{"s":${JSON.stringify(text)},"k":{${JSON.stringify(text)}:1}}`, id);
      const holds = text.isWellFormed() && !text.includes('\0') && text !== '__proto__';
      expect([text, asValue.status]).toEqual([text, holds ? 200 : 422]);
      if (fits) stored.set(text, text);
      if (holds) stored.set(id, text);
    }
    const sql = `select external_id as id, coalesce(payload_json -> 'data' ->> 's', external_id) as said,
      (select jsonb_object_keys(payload_json -> 'data' -> 'k')) as name from raw.raw_event where external_id = any(?)`;
    const found = await rows<{ id: string; said: string; name: string | null }>(sql, [[...stored.keys()]]);
    expect(found).toHaveLength(stored.size);
    for (const { id, said, name } of found)
      expect([said, name ?? said]).toEqual([stored.get(id), stored.get(id)]);
  });

  test('do no harm as names of contracts, of parameters and of fields', async () => {
    for (const text of naughtyStrings.filter((naughty) => naughty.isWellFormed())) {
      const name = encodeURIComponent(text).replaceAll('.', '%2E');
      expect((await api.post(`/v1/ingest/${name}`, healthEvent())).status).toBe(404);
      expect((await api.post(`${health}?${name}=1`, healthEvent())).status).toBe(422);
      expect((await api.post(health, { ...healthEvent(), [text]: 1 })).status).toBe(422);
    }
  });
});

test('a string of a mebibyte is stored whole, and one that does not fit is refused with 413', async () => {
  const mebibyte = 'é😀ab'.repeat(131_072);
  const text = JSON.stringify(mebibyte);
  expect(Buffer.byteLength(text)).toBe(1024 * 1024 + 2);
  const id = nextId();
  expect((await postData(`{"s":${text}}`, id)).status).toBe(200);
  const sql = `select payload_json -> 'data' ->> 's' as s from raw.raw_event where external_id = ?`;
  const [row] = await rows<{ s: string }>(sql, [id]);
  expect(row?.s === mebibyte).toBe(true);
  expect((await postData(`"${'x'.repeat(1024 * 1024 + 64 * 1024)}"`)).status).toBe(413);
});

/** Posts the texts in batches; the answers' codes in order. */
async function postAll(texts: readonly string[]): Promise<string[]> {
  const batch = { path: `${health}/batch`, type: 'application/x-ndjson' };
  const { items = [] } = (await postBytes(Buffer.from(texts.join('\n')), batch)).body;
  return items.map(({ status, code }) => code ?? status);
}

test('arbitrary JSON is stored as it was posted, or refused', async () => {
  const values = fc.sample(fc.jsonValue({ maxDepth: 6, stringUnit: 'binary' }), {
    numRuns: 400,
    seed: Date.now(),
  });
  const sent = new Map(values.map((value) => [nextId(), JSON.stringify(value)]));
  const codes = await postAll([...sent].map(([id, data]) => withData(data, id)));
  const stored = new Map<string, string>();
  for (const [index, [id, data]] of [...sent].entries()) {
    const storable = parseStrictJson(data, { maxDepth: 64 }).kind === 'json';
    expect([data, codes[index]]).toEqual([data, storable ? 'ok' : 'INVALID_ARGUMENT']);
    if (storable) stored.set(id, wrapped(data));
  }
  expect(stored.size).toBeGreaterThan(200);
  expect(await changed(stored)).toEqual([]);
});

test('random and mutated bytes are refused, and never an error of the host', async () => {
  const bytes = fc
    .sample(fc.uint8Array({ maxLength: 60, minLength: 1 }), 60)
    .map((some) => Buffer.from(some));
  const event = Buffer.from(withData('{"a":[1,{"b":"x"}]}'));
  const mutated = fc
    .sample(fc.tuple(fc.nat({ max: event.length - 1 }), fc.integer({ min: 0, max: 255 })), 120)
    .map(([at, byte]) => {
      const copy = Buffer.from(event);
      copy[at] = byte;
      return copy;
    });
  for (const body of [...bytes, ...mutated]) expect([200, 400, 409, 422]).toContain(await statusOf(body));
});

test('after all that no prototype is polluted, no answer tells of internals, and nothing failed', () => {
  expect(({} as { polluted?: JsonValue; isAdmin?: JsonValue }).polluted).toBeUndefined();
  expect(({} as { isAdmin?: JsonValue }).isAdmin).toBeUndefined();
  expect(api.answers.length).toBeGreaterThan(1000);
  for (const { status, body } of api.answers) {
    expect(status).toBeLessThan(500);
    // Names that were sent are quoted; the rest is ours.
    const { message = '' } = body as { readonly message?: string };
    const said = message.replaceAll(/"(?:[^"\\]|\\.)*"/g, '');
    expect(said).not.toMatch(/\bat .*:\d+|node_modules|SELECT|pg_|jsonb|SQLSTATE/);
  }
  expect(
    api.lines.filter((line) => line.includes('request failed') && !line.includes('Too much is asked')),
  ).toEqual([]);
});
