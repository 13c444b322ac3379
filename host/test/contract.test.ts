import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { datasetNames } from '../../plugins/garmin/src/datasets/index.ts';
import { healthEvent, refusal, startContractApi, type Answered, type ContractApi } from './contract-api.ts';
import { fakeClock } from './test-host.ts';

const now = '2026-02-26T10:10:06+08:00';
const health = '/v1/ingest/connector-health';
const manual = '/v1/ingest/manual-signal';
const random = '/v1/ingest/connector-signal';

let api: ContractApi;
beforeAll(async () => {
  api = await startContractApi({ clock: fakeClock(now) });
});
afterAll(async () => api.close());

function manualEvent(externalId: string, change: Readonly<Record<string, unknown>> = {}): object {
  const { payload, ...outer } = change;
  return {
    source_id: 'ios_manual',
    external_id: externalId,
    occurred_at: '2026-02-26T08:30:00+08:00',
    payload: payload ?? { value: 72.5 },
    ...outer,
  };
}

function randomEvent(externalId: string, payload: Readonly<Record<string, unknown>> = {}): object {
  return {
    source_id: 'signal_random_connector',
    external_id: externalId,
    occurred_at: '2026-02-26T09:00:00+08:00',
    payload: { value: 41, seed: 'seed-7', generator_version: '1', ...payload },
  };
}

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const stamp = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?\+08:00$/;
const accepted = (idempotent: boolean) => ({
  status: 'ok',
  raw_id: expect.stringMatching(uuid) as unknown,
  ingested_at: expect.stringMatching(stamp) as unknown,
  idempotent,
});

async function rowsOf(externalId: string): Promise<{ payload: unknown; occurred_at: Date }[]> {
  const { rows } = await api.host.database.raw<{ rows: { payload: unknown; occurred_at: Date }[] }>(
    'select payload_json as payload, occurred_at from raw.raw_event where external_id = ?',
    [externalId],
  );
  return rows;
}

interface AuditRow {
  readonly source_id: string | null;
  readonly external_id: string | null;
  readonly status: string;
  readonly error_code: string | null;
  readonly message: string | null;
}

async function auditOf(requestId: unknown): Promise<AuditRow | undefined> {
  const { rows } = await api.host.database.raw<{ rows: AuditRow[] }>(
    'select source_id, external_id, status, error_code, message from app.request_audit where request_id = ?',
    [String(requestId)],
  );
  return rows[0];
}

describe('§2 tables', () => {
  async function columnsOf(schema: string, table: string): Promise<string[]> {
    const { rows } = await api.host.database.raw<{ rows: { said: string }[] }>(
      `select column_name || ' ' || data_type || case is_nullable when 'NO' then ' not null' else '' end
         || coalesce(' ' || column_default, '') as said
       from information_schema.columns where table_schema = ? and table_name = ? order by ordinal_position`,
      [schema, table],
    );
    return rows.map(({ said }) => said.replaceAll('timestamp with time zone', 'timestamptz'));
  }

  test('raw.raw_event has these columns', async () => {
    expect(await columnsOf('raw', 'raw_event')).toEqual([
      'raw_id uuid not null gen_random_uuid()',
      'source_id text not null',
      'external_id text not null',
      'occurred_at timestamptz not null',
      'payload_json jsonb not null',
      'payload_hash text not null',
      'request_id uuid not null',
      'ingested_at timestamptz not null now()',
    ]);
  });

  test('raw.raw_event has its primary key, its unique key and an index on occurred_at', async () => {
    const indexes = await api.query<{ indexdef: string }>(
      `select indexdef from pg_indexes where schemaname = 'raw' and tablename = 'raw_event'`,
    );
    const defined = indexes.map(({ indexdef }) => indexdef.replace(/^.* USING /, '')).join('\n');
    const unique = indexes.filter(({ indexdef }) => indexdef.startsWith('CREATE UNIQUE')).length;
    expect(unique).toBe(2);
    for (const each of ['btree (raw_id)', 'btree (source_id, external_id)', 'btree (occurred_at)'])
      expect(defined).toContain(each);
  });

  test('app.request_audit has these columns', async () => {
    expect(await columnsOf('app', 'request_audit')).toEqual([
      'request_id uuid not null',
      'source_id text',
      'external_id text',
      'received_at timestamptz not null',
      'status text not null',
      'error_code text',
      'message text',
      'created_at timestamptz not null now()',
    ]);
  });

  test('app.connector_health has the columns its readers know', async () => {
    expect(await columnsOf('app', 'connector_health')).toEqual(
      expect.arrayContaining([
        'last_run_at timestamptz',
        expect.stringMatching(/^last_status text not null/),
        expect.stringMatching(/^success_count bigint/),
        expect.stringMatching(/^failure_count bigint/),
        expect.stringMatching(/^updated_at timestamptz/),
      ]),
    );
  });

  test('the session of the database is in the host’s zone', async () => {
    expect(await api.query('show timezone')).toEqual([{ TimeZone: 'Asia/Shanghai' }]);
  });

  test('a row holds the payload, its hash, and the request that wrote it', async () => {
    const { headers, body } = await api.post(
      manual,
      manualEvent('row', { payload: { value: 1, note: 'n' } }),
    );
    const { rows } = await api.host.database.raw<{ rows: object[] }>(
      'select *, occurred_at::text as shown from raw.raw_event where raw_id = ?',
      [body['raw_id'] as string],
    );
    expect(rows[0]).toMatchObject({
      source_id: 'ios_manual',
      external_id: 'row',
      shown: '2026-02-26 08:30:00+08',
      payload_json: { value: 1, note: 'n' },
      payload_hash: expect.stringMatching(/^[0-9a-f]{64}$/),
      request_id: headers.get('x-request-id'),
    });
  });
});

describe('§3 write rules', () => {
  test('a new key is stored and is not idempotent', async () => {
    expect(await api.post(manual, manualEvent('new'))).toMatchObject({ status: 200, body: accepted(false) });
    expect(await api.post(random, randomEvent('new'))).toMatchObject({ status: 200, body: accepted(false) });
    expect(await api.post(health, healthEvent({}, { external_id: 'new' }))).toMatchObject({
      status: 200,
      body: accepted(false),
    });
    expect(await rowsOf('new')).toHaveLength(3);
  });

  test('the same again writes nothing, and answers with the first row', async () => {
    const first = await api.post(random, randomEvent('again'));
    const second = await api.post(random, randomEvent('again'));
    expect(second).toMatchObject({ status: 200, body: { ...first.body, idempotent: true } });
    expect(await rowsOf('again')).toHaveLength(1);
  });

  test('the same is the same however it is written', async () => {
    await api.post(manual, manualEvent('written', { payload: { value: 41, note: 'é' } }));
    const otherwise =
      '{"payload":{"note":"\\u00e9","value":4.10e1},"occurred_at":"2026-02-26T00:30:00.000Z",' +
      '"external_id":"written","source_id":"ios_manual"}';
    expect(await api.post(manual, otherwise)).toMatchObject({ status: 200, body: accepted(true) });
  });

  test.each([
    ['another payload', { payload: { value: 2 } }],
    ['another note', { payload: { value: 72.5, note: '' } }],
    ['another time', { occurred_at: '2026-02-26T08:30:01+08:00' }],
  ])('the same key with %s is a conflict, and nothing is overwritten', async (what, change) => {
    await api.post(manual, manualEvent(what));
    const before = await rowsOf(what);
    expect(await api.post(manual, manualEvent(what, change))).toMatchObject({
      status: 409,
      body: refusal('DUPLICATE_IDEMPOTENCY_KEY'),
    });
    expect(await rowsOf(what)).toEqual(before);
  });

  test.each([{ seed: 'seed-8' }, { generator_version: '2' }, { value: 41.5 }])(
    'for a random signal the whole payload counts: %j is a conflict',
    async (change) => {
      const key = `whole ${JSON.stringify(change)}`;
      await api.post(random, randomEvent(key));
      expect(await api.post(random, randomEvent(key, change))).toMatchObject({ status: 409 });
    },
  );

  test('a health envelope that was got otherwise is the same; the first one stays whole', async () => {
    const outer = { external_id: 'got otherwise' };
    const first = await api.post(health, healthEvent({}, outer));
    const otherwise = [
      { fetched_at: '2026-02-26T11:00:00+08:00' },
      { connector_version: '9.9.9' },
      { api_method: 'relayed' },
      { api_method: undefined },
    ];
    for (const change of otherwise) {
      expect(await api.post(health, healthEvent(change, outer))).toMatchObject({
        status: 200,
        body: { ...first.body, idempotent: true },
      });
    }
    expect((await rowsOf('got otherwise')).map(({ payload }) => payload)).toEqual([
      healthEvent({}, outer)['payload'],
    ]);
  });

  test.each([
    { data: { minutes: 401 } },
    { data: { minutes: 400, light: null } },
    { metric_type: 'stress' },
    { account_ref: '000000000000' },
  ])('a health envelope that says something else is a conflict: %j', async (change) => {
    const outer = { external_id: `else ${JSON.stringify(change)}` };
    await api.post(health, healthEvent({}, outer));
    expect(await api.post(health, healthEvent(change, outer))).toMatchObject({
      status: 409,
      body: refusal('DUPLICATE_IDEMPOTENCY_KEY'),
    });
  });

  test('keys of two sources do not meet', async () => {
    await api.post(manual, manualEvent('two sources'));
    expect(await api.post(random, randomEvent('two sources'))).toMatchObject({
      status: 200,
      body: { idempotent: false },
    });
  });
});

describe('§4 refusals', () => {
  const wrong: [string, string, object][] = [
    ['another source', manual, manualEvent('e', { source_id: 'android_manual' })],
    ['a source of another contract', random, manualEvent('e')],
    ['no key', manual, manualEvent('')],
    ['a key of 65 characters', manual, manualEvent('k'.repeat(65))],
    ['a key of 65 characters', random, randomEvent('k'.repeat(65))],
    ['a key of 129 characters', health, healthEvent({}, { external_id: 'k'.repeat(129) })],
    ['a key that is a number', manual, { ...manualEvent('e'), external_id: 5 }],
    ['no payload', manual, { ...manualEvent('e'), payload: null }],
    ['a member nobody knows', manual, { ...manualEvent('e'), extra: 1 }],
    ['a member missing', manual, { source_id: 'ios_manual', external_id: 'e' }],
    ['an array', manual, [manualEvent('e')]],
    ['a value beyond 100', manual, manualEvent('e', { payload: { value: 100.01 } })],
    ['a value in quotes', manual, manualEvent('e', { payload: { value: '50' } })],
    ['true as a value', random, randomEvent('e', { value: true })],
    ['a note of 257 characters', manual, manualEvent('e', { payload: { value: 1, note: 'n'.repeat(257) } })],
    ['a seed of 65 characters', random, randomEvent('e', { seed: 's'.repeat(65) })],
    ['no generator_version', random, randomEvent('e', { generator_version: undefined })],
    ['a time without offset', manual, manualEvent('e', { occurred_at: '2026-02-26T08:30:00' })],
    ['a day as a time', manual, manualEvent('e', { occurred_at: '2026-02-26' })],
    ['a time over 5 minutes ahead', manual, manualEvent('e', { occurred_at: '2026-02-26T10:15:07+08:00' })],
    ['another connector', health, healthEvent({ connector: 'garmin' })],
    ['an e-mail address as account', health, healthEvent({ account_ref: 'runner@example.com' })],
    ['a day that is none', health, healthEvent({ metric_date: '2026-02-30' })],
    ['another day than metric_date', health, healthEvent({}, { occurred_at: '2026-02-24T00:00:00+08:00' })],
    ['that instant by another offset', health, healthEvent({}, { occurred_at: '2026-02-24T16:00:00Z' })],
    ['a fetched_at of another offset', health, healthEvent({ fetched_at: '2026-02-26T02:10:06Z' })],
    ['an empty api_method', health, healthEvent({ api_method: '' })],
    ['no data', health, healthEvent({ data: undefined })],
  ];

  test.each(wrong)('%s is 422 INVALID_ARGUMENT (%s)', async (_what, path, event) => {
    expect(await api.post(path, event)).toMatchObject({ status: 422, body: refusal('INVALID_ARGUMENT') });
  });

  test.each(['', '{', 'null,', `{'value': 1}`, '{"payload": NaN}', 'text'])(
    'malformed JSON is 400 INVALID_ARGUMENT: %j',
    async (body) => {
      expect(await api.post(manual, body)).toMatchObject({ status: 400, body: refusal('INVALID_ARGUMENT') });
    },
  );

  test('a dataset that is not in the list is UNSUPPORTED_METRIC_TYPE', async () => {
    expect(await api.post(health, healthEvent({ metric_type: 'steps' }))).toMatchObject({
      status: 422,
      body: refusal('UNSUPPORTED_METRIC_TYPE'),
    });
  });

  test('a zone that is not accepted is INVALID_TIMEZONE', async () => {
    const berlin = { timezone: 'Europe/Berlin', fetched_at: '2026-02-26T03:10:06+01:00' };
    const event = healthEvent(berlin, { occurred_at: '2026-02-25T00:00:00+01:00' });
    expect(await api.post(health, event)).toMatchObject({ status: 422, body: refusal('INVALID_TIMEZONE') });
  });

  test('a time up to five minutes ahead is taken', async () => {
    const event = manualEvent('ahead', { occurred_at: '2026-02-26T10:15:06+08:00' });
    expect(await api.post(manual, event)).toMatchObject({ status: 200 });
  });

  test('a write that fails is 500 RAW_WRITE_FAILED, audited, and says nothing of inside', async () => {
    await api.query(`create function raw.fail() returns trigger language plpgsql as $$ begin
      raise exception 'a secret of the inside'; end $$`);
    await api.query(`create trigger fail before insert on raw.raw_event
      for each row when (new.external_id = 'fails') execute function raw.fail()`);
    const answered = await api.post(manual, manualEvent('fails'));
    await api.query('drop function raw.fail cascade');
    expect(answered).toMatchObject({ status: 500, body: refusal('RAW_WRITE_FAILED') });
    expect(JSON.stringify(answered.body)).not.toMatch(/secret|trigger|raw\.|insert/i);
    expect(await auditOf(answered.body['request_id'])).toMatchObject({
      external_id: 'fails',
      status: 'error',
      error_code: 'RAW_WRITE_FAILED',
    });
    expect(await api.post(manual, manualEvent('fails'))).toMatchObject({ status: 200 });
  });

  test('anything else that goes wrong is 500 INTERNAL_ERROR, and says nothing of inside', async () => {
    await api.query('alter view app.signal_event rename to signal_event_away');
    const answered = await api.get('/v1/poc/signals');
    await api.query('alter view app.signal_event_away rename to signal_event');
    expect(answered).toMatchObject({ status: 500, body: refusal('INTERNAL_ERROR') });
    expect(JSON.stringify(answered.body)).not.toMatch(/signal_event|relation|select/i);
  });
});

describe('§2 audit', () => {
  test('an accepted request has a row, and one that was accepted before has another', async () => {
    for (const idempotent of [false, true]) {
      const { headers, body } = await api.post(random, randomEvent('audited'));
      expect(body).toMatchObject({ idempotent });
      expect(await auditOf(headers.get('x-request-id'))).toEqual({
        source_id: 'signal_random_connector',
        external_id: 'audited',
        status: 'ok',
        error_code: null,
        message: null,
      });
    }
  });

  const refused: [string, () => Promise<Answered>, string | null][] = [
    ['malformed', () => api.post(manual, '{'), null],
    ['not what it should be', () => api.post(manual, manualEvent('bad', { payload: {} })), 'bad'],
    [
      'of an unknown dataset',
      () => api.post(health, healthEvent({ metric_type: 'x' }, { external_id: 'm' })),
      'm',
    ],
    [
      'a conflict',
      () => api.post(manual, manualEvent('audited twice', { payload: { value: 1 } })),
      'audited twice',
    ],
  ];

  test.each(refused)(
    'a refused request has a row with what it was told: %s',
    async (_what, ask, externalId) => {
      await api.post(manual, manualEvent('audited twice'));
      const { status, body } = await ask();
      expect(status).toBeGreaterThanOrEqual(400);
      expect(await auditOf(body['request_id'])).toMatchObject({
        external_id: externalId,
        status: 'error',
        error_code: body['code'],
        message: body['message'],
      });
    },
  );
});

describe('§5 the health envelope', () => {
  beforeAll(async () => {
    await api.run();
  });

  test.each([[1, 2], [], 'text', 7, false, null].map((data) => [data]))(
    'an answer that is no object is kept as a value: %j',
    async (data) => {
      const key = `wrapped ${JSON.stringify(data)}`;
      await api.post(health, healthEvent({ data }, { external_id: key }));
      expect(await rowsOf(key)).toMatchObject([{ payload: { data: { value: data } } }]);
      const wrapped = healthEvent({ data: { value: data } }, { external_id: key });
      expect(await api.post(health, wrapped)).toMatchObject({ body: { idempotent: true } });
    },
  );

  test.each(datasetNames)('%s is a dataset', async (metricType) => {
    const event = healthEvent({ metric_type: metricType }, { external_id: `dataset ${metricType}` });
    expect(await api.post(health, event)).toMatchObject({ status: 200 });
  });

  test('what the Garmin connector wrote can be posted back, and is the same fact', async () => {
    const own = await api.query<{ event: object; metric: string }>(
      `select jsonb_build_object('source_id', source_id, 'external_id', external_id, 'payload', payload_json,
         'occurred_at', to_char(occurred_at, 'YYYY-MM-DD"T"HH24:MI:SS"+08:00"')) as event,
         payload_json->>'metric_type' as metric
       from raw.raw_event where external_id like 'garmin::%::%' and external_id not like 'garmin::79a6123c2db3%'
         and occurred_at >= '2026-02-25'`,
    );
    expect(new Set(own.map(({ metric }) => metric)).size).toBeGreaterThan(20);
    for (const { event } of own) {
      expect([event, await api.post(health, event)]).toMatchObject([
        event,
        { status: 200, body: { idempotent: true } },
      ]);
    }
    expect(JSON.stringify(own)).not.toContain('runner@example.com');
  });

  test('a day without data is no_data in the ledger, and no row', async () => {
    const days = await api.query<{ rows: number }>(
      `select (select count(*)::int from raw.raw_event e where e.payload_json->>'metric_type' = l.dataset
         and e.payload_json->>'metric_date' = l.day::text and e.external_id not like 'garmin::79a6123c2db3%'
         and e.external_id like 'garmin::%') as rows
       from app.slice_ledger l where outcome = 'no_data'`,
    );
    expect(days.length).toBeGreaterThan(0);
    expect(days.filter(({ rows }) => rows > 0)).toEqual([]);
  });
});

test('every request to store something has one row in the audit, accepted or refused', async () => {
  const asked = api.answers
    .filter(({ path }) => path.startsWith('/v1/ingest/'))
    .map(({ status, headers }) => `${headers.get('x-request-id')} ${status === 200 ? 'ok' : 'error'}`);
  const rows = await api.query<{ said: string }>(
    `select request_id || ' ' || status as said from app.request_audit`,
  );
  expect(asked.length).toBeGreaterThan(150);
  expect(rows.map(({ said }) => said).toSorted()).toEqual(asked.toSorted());
});

test('every timestamp that was answered has the offset of the zone', () => {
  const texts = api.answers.flatMap(
    ({ body }) => JSON.stringify(body).match(/"\d{4}-\d\d-\d\dT[^"]*"/g) ?? [],
  );
  expect(texts.length).toBeGreaterThan(100);
  expect(texts.filter((text) => !text.endsWith('+08:00"'))).toEqual([]);
});
