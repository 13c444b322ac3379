import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { addDays, dayAt } from '@on-the-way/sdk';
import { z } from 'zod';
import { listen, type ApiServer } from '../src/http/server.ts';
import { createOtherHost } from './other-host.ts';
import { everyDay, scriptedPlugin, startScriptedSource, type ScriptedSource } from './scripted-source.ts';
import { createTestHost, type TestHost } from './test-host.ts';

// What operators ask of a host that runs: verbs, what can be read, coverage, stored events, runs.
// The redactor of the test's host knows it.
const secret = 'simulated';
const zone = 'Asia/Shanghai';
const today = () => dayAt(Date.now(), zone);

let source: ScriptedSource;
let made: TestHost;
let server: ApiServer;
beforeAll(async () => {
  source = await startScriptedSource();
  const config = { origin: source.origin, datasets: { steps: {}, sleep: {} } };
  made = await createTestHost({ connection: { plugin: scriptedPlugin, config, backfillDays: 3 } });
  server = await listen(made.host.app, { host: '127.0.0.1', port: 0 });
});
afterAll(async () => {
  await made.host.scheduler.stop();
  await server.close();
  await made.close();
  await source.close();
});
beforeEach(async () => {
  source.answer = (name, window) => (window.from === '' || name === 'marks' ? {} : everyDay(window));
  await made.query(`update app.connection_state set paused_at = null, not_before = null, pause_ms = null`);
});

interface Answered {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
  readonly text: string;
  readonly headers: Headers;
}

async function ask(method: string, path: string, body?: unknown): Promise<Answered> {
  const response = await fetch(`${server.url}${path}`, {
    method,
    ...(body !== undefined && {
      body: JSON.stringify(body),
      headers: { 'content-type': 'application/json' },
    }),
  });
  const text = await response.text();
  const parsed = z.record(z.string(), z.unknown()).parse(JSON.parse(text));
  return { status: response.status, body: parsed, text, headers: response.headers };
}

const nextOf = ({ body }: Answered): string | null => z.string().nullable().parse(body['next_cursor']);

const run = (body?: unknown) => ask('POST', '/v1/connections/garmin/run', body);

async function finished(runId: unknown): Promise<Readonly<Record<string, unknown>>> {
  for (;;) {
    const { body } = await ask('GET', `/v1/runs/${String(runId)}`);
    const shown = z.record(z.string(), z.unknown()).parse(body['run']);
    if (shown['status'] !== 'running') return shown;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Holds back what the source answers until it is let go. */
function holdSource(): { readonly reached: Promise<void>; letGo(): void } {
  const reached = Promise.withResolvers<void>();
  const free = Promise.withResolvers<void>();
  source.hold = async () => {
    reached.resolve();
    await free.promise;
  };
  return {
    reached: reached.promise,
    letGo() {
      source.hold = undefined;
      free.resolve();
    },
  };
}

describe('POST /v1/connections/{name}/run', () => {
  test('answers with the id of a run that has its row, and goes on', async () => {
    const held = holdSource();
    const { status, body } = await run();
    expect(status).toBe(202);
    const begun = await ask('GET', `/v1/runs/${String(body['run_id'])}`);
    expect(begun.body['run']).toMatchObject({ status: 'running', trigger: 'person' });
    held.letGo();
    expect(await finished(body['run_id'])).toMatchObject({ status: 'succeeded' });
  });

  test('is refused with 409 while a run is under way here, and the connection says that it is running', async () => {
    const held = holdSource();
    const { body } = await run();
    expect((await ask('GET', '/v1/connections/garmin')).body['connection']).toMatchObject({
      state: 'running',
      next_run_at: null,
    });
    const second = await run();
    expect([second.status, second.body['code']]).toEqual([409, 'ALREADY_RUNNING']);
    held.letGo();
    await finished(body['run_id']);
  });

  test('is refused with 409 while another host has the connection', async () => {
    const other = createOtherHost(made);
    const claim = await other.claims.take('garmin', { waitMs: 0 });
    const refused = await run();
    await claim?.release();
    await other.close();
    expect([refused.status, refused.body['code']]).toEqual([409, 'ALREADY_RUNNING']);
  });

  test('is refused with 429 and Retry-After while the source wants to be left alone', async () => {
    await made.query(`update app.connection_state set not_before = now() + interval '90 seconds'`);
    const { status, body, headers } = await run();
    expect([status, body['code']]).toEqual([429, 'RATE_LIMITED']);
    expect(Number(headers.get('retry-after'))).toBeGreaterThan(80);
    expect(Number(headers.get('retry-after'))).toBeLessThanOrEqual(90);
  });

  test('reads only the days, the last one included, and the datasets that are asked for', async () => {
    source.requests();
    const { body } = await run({ from: '2026-01-05', to: '2026-01-06', datasets: ['sleep'] });
    expect(await finished(body['run_id'])).toMatchObject({ status: 'succeeded', slices_planned: 2 });
    expect(source.requests().filter((asked) => asked.startsWith('sleep'))).toEqual([
      'sleep 2026-01-06',
      'sleep 2026-01-05',
    ]);
  });

  test.each([
    [{ datasets: ['steps', 'slep'] }, /^datasets\.1: expected names out of steps, sleep$/],
    [{ from: '2026-02-02', to: '2026-02-01' }, /^from: expected a day up to 2026-02-01, found 2026-02-02$/],
    [{ from: '2199-01-01' }, /^from: expected a day up to today/],
    [{ from: '1990-01-01' }, /^to: expected at most 7300 days/],
    [{ from: '2026-02-30' }, /from/],
    [{ force: true }, /no field "force"/],
  ])('refuses %j with 422', async (body, message) => {
    const { status, body: answer } = await run(body);
    expect([status, answer['code']]).toEqual([422, 'INVALID_ARGUMENT']);
    expect(answer['message']).toMatch(message);
  });

  test('of a connection that is not configured is 404', async () => {
    expect((await ask('POST', '/v1/connections/nobody/run')).status).toBe(404);
  });
});

describe('POST /v1/connections/{name}/pause and /resume', () => {
  test('a paused connection refuses runs of persons with 409, also in the foreground, and says so', async () => {
    const paused = await ask('POST', '/v1/connections/garmin/pause');
    expect(paused.body['connection']).toMatchObject({ state: 'paused', next_run_at: null });
    const refused = await run();
    expect([refused.status, refused.body['code']]).toEqual([409, 'PAUSED']);
    await expect(made.run()).rejects.toThrow('resume it first');
    const resumed = await ask('POST', '/v1/connections/garmin/resume');
    expect(resumed.body['connection']).toMatchObject({ state: 'waiting', paused_at: null });
  });

  test('pausing again does not move since when it is paused', async () => {
    const since = async () => {
      const { body } = await ask('POST', '/v1/connections/garmin/pause');
      return z.looseObject({ paused_at: z.string() }).parse(body['connection']).paused_at;
    };
    const first = await since();
    expect(await since()).toBe(first);
  });

  test('a run that is under way when its connection is paused goes on to its end', async () => {
    const held = holdSource();
    const { body } = await run();
    await held.reached;
    await ask('POST', '/v1/connections/garmin/pause');
    expect((await ask('GET', '/v1/connections/garmin')).body['connection']).toMatchObject({
      state: 'running',
    });
    held.letGo();
    expect(await finished(body['run_id'])).toMatchObject({ status: 'succeeded' });
  });
});

describe('POST /v1/connections/{name}/check', () => {
  test('says that sink and login are well', async () => {
    const { status, body } = await ask('POST', '/v1/connections/garmin/check');
    expect(status).toBe(200);
    expect(body['check']).toMatchObject({
      ok: true,
      parts: [
        { what: 'sink', name: 'postgres', ok: true, code: null },
        { what: 'connection', name: 'garmin', ok: true, code: null },
      ],
    });
  });

  test('answers 200 with what is wrong, without secrets', async () => {
    source.answer = () => ({ error: { code: 'auth', message: `password ${secret} was refused` } });
    const { status, body, text } = await ask('POST', '/v1/connections/garmin/check');
    expect(status).toBe(200);
    expect(body['check']).toMatchObject({ ok: false, parts: [{ ok: true }, { ok: false, code: 'auth' }] });
    expect(text).toContain('[redacted]');
    expect(text).not.toContain(secret);
  });
});

describe('datasets and coverage', () => {
  test('what can be read is listed with what was last seen of it', async () => {
    await finished((await run()).body['run_id']);
    const { body } = await ask('GET', '/v1/connections/garmin/datasets');
    expect(body['datasets']).toMatchObject([
      { dataset: 'steps', granularity: 'day', last_outcome: 'ok', last_day: today(), absent: null },
      { dataset: 'sleep' },
    ]);
  });

  test('the grid goes from the first day wanted to today, each day of each dataset', async () => {
    const { body } = await ask('GET', '/v1/connections/garmin/coverage');
    expect([body['from'], body['to']]).toEqual([addDays(today(), -2), today()]);
    const grid = z.array(z.looseObject({ dataset: z.string(), cells: z.array(z.unknown()) }));
    expect(grid.parse(body['datasets']).map(({ cells }) => cells.length)).toEqual([3, 3]);
    expect(body['gaps']).toEqual([]);
  });

  test('gaps=true gives what is missing and why, and no grid', async () => {
    source.answer = (name, window) =>
      window.from === ''
        ? {}
        : name === 'sleep'
          ? { error: { code: 'bad_data', message: 'cannot be read' } }
          : everyDay(window);
    await finished((await run({ from: addDays(today(), -1), datasets: ['sleep'] })).body['run_id']);
    const old = addDays(today(), -30);
    await finished((await run({ from: old, to: old, datasets: ['sleep'] })).body['run_id']);
    const { body } = await ask('GET', '/v1/connections/garmin/coverage?gaps=true');
    expect(body['datasets']).toBeUndefined();
    const [ledger] = await made.query<{ first: string }>(
      `select min(day)::text as first from app.slice_ledger where connection = 'garmin'`,
    );
    expect(body['from']).toBe(ledger?.first);
    expect((await ask('GET', '/v1/connections/garmin/revisions')).body['from']).toBe(ledger?.first);
    expect(body['gaps']).toMatchObject([
      { dataset: 'sleep', day: old, state: 'failed' },
      { dataset: 'sleep', day: addDays(today(), -1), state: 'failed', error: { code: 'bad_data' } },
      { dataset: 'sleep', day: today(), state: 'failed' },
    ]);
  });

  test.each([
    ['from=2026-02-02&to=2026-02-01', /^from: expected a day up to 2026-02-01/],
    ['from=2000-01-01&to=2026-01-01', /^to: expected at most 3660 days/],
    ['gaps=yes', /^gaps: expected true or false/],
    ['from=2026-01-01&from=2026-01-02', /at most once/],
  ])('%s is refused with 422', async (query, message) => {
    const { status, body } = await ask('GET', `/v1/connections/garmin/coverage?${query}`);
    expect(status).toBe(422);
    expect(body['message']).toMatch(message);
  });
});

describe('GET /v1/raw-events', () => {
  const ids = (answer: Answered): string[] =>
    z
      .array(z.looseObject({ external_id: z.string() }))
      .parse(answer.body['items'])
      .map(({ external_id: id }) => id);

  async function pages(path: string): Promise<string[]> {
    const found: string[] = [];
    let cursor: string | null = null;
    do {
      const page = await ask('GET', `${path}${cursor === null ? '' : `&cursor=${cursor}`}`);
      expect(page.status).toBe(200);
      found.push(...ids(page));
      cursor = nextOf(page);
    } while (cursor !== null);
    return found;
  }

  const insert = (rows: string) =>
    made.query(`insert into raw.raw_event (source_id, external_id, occurred_at, payload_json, payload_hash, request_id)
      select 'read_back', external_id, occurred_at::timestamptz, payload::jsonb, 'x', gen_random_uuid()
      from (values ${rows}) as new(external_id, occurred_at, payload)`);

  test('payloads come back digit for digit, times to the microsecond', async () => {
    const payload =
      '{"big": 123456789012345678901234567890, "long": 0.10000000000000000000000000001, "t": "\\""}';
    await insert(`('exact', '2026-03-01T08:00:00.123456+08:00', '${payload}')`);
    const { text, body } = await ask('GET', '/v1/raw-events?source_id=read_back');
    expect(text).toContain(
      `"payload":{"t": "\\"", "big": 123456789012345678901234567890, "long": 0.10000000000000000000000000001}`,
    );
    expect(body['items']).toMatchObject([{ occurred_at: '2026-03-01T08:00:00.123456+08:00' }]);
    const [item] = z.array(z.looseObject({ raw_id: z.string() })).parse(body['items']);
    const single = await ask('GET', `/v1/raw-events/${item?.raw_id}`);
    expect(single.text).toContain('123456789012345678901234567890');
  });

  test('pages lose and repeat nothing, also among events of one microsecond', async () => {
    const rows = Array.from({ length: 25 }, (_, index) => {
      const at = `2026-03-02T08:00:00.00000${index % 3}+08:00`;
      return `('page ${index}', '${at}', '{"metric_type": "paged"}')`;
    });
    await insert(rows.join(','));
    const all = await pages('/v1/raw-events?metric_type=paged&limit=500');
    const inPages = await pages('/v1/raw-events?metric_type=paged&limit=4');
    expect(inPages).toEqual(all);
    expect(new Set(inPages).size).toBe(25);
  });

  test('from and to are days of the host’s zone, the last one included', async () => {
    await insert(`('before', '2026-04-01T23:59:59+08:00', '{"metric_type": "days"}'),
      ('first', '2026-04-02T00:00:00+08:00', '{"metric_type": "days"}'),
      ('last', '2026-04-03T23:59:59.999999+08:00', '{"metric_type": "days"}'),
      ('after', '2026-04-04T00:00:00+08:00', '{"metric_type": "days"}')`);
    const answer = await ask('GET', '/v1/raw-events?metric_type=days&from=2026-04-02&to=2026-04-03');
    expect(ids(answer)).toEqual(['last', 'first']);
  });

  test('a page ends early when its payloads grow large, and the next goes on', async () => {
    const values = Array.from({ length: 12 }, (_, index) => `('large ${index}')`).join(',');
    await made.query(`insert into raw.raw_event (source_id, external_id, occurred_at, payload_json, payload_hash, request_id)
      select 'large', id, now(), jsonb_build_object('text', repeat('x', 1000000)), 'x', gen_random_uuid() from (values ${values}) as new(id)`);
    const first = await ask('GET', '/v1/raw-events?source_id=large&limit=500');
    expect(ids(first)).toHaveLength(5);
    expect(await pages('/v1/raw-events?source_id=large&limit=500')).toHaveLength(12);
  });

  test('an id that is unknown or none is 404', async () => {
    expect((await ask('GET', '/v1/raw-events/nothing')).status).toBe(404);
    expect((await ask('GET', '/v1/raw-events/ce1d60a2-7889-4276-8549-742b8e02487a')).status).toBe(404);
  });
});

test('runs that began within one millisecond are neither lost nor repeated between pages', async () => {
  await made.query(`insert into app.run (run_id, connection, trigger, status, started_at)
    select gen_random_uuid(), 'paged', 'schedule', 'succeeded', '2026-05-01T00:00:00+08:00'::timestamptz + n * interval '1 microsecond'
    from generate_series(1, 20) n`);
  const seen: unknown[] = [];
  let cursor = '';
  do {
    const page = await ask('GET', `/v1/runs?connection=paged&limit=3${cursor}`);
    seen.push(
      ...z
        .array(z.looseObject({ run_id: z.string() }))
        .parse(page.body['items'])
        .map((item) => item.run_id),
    );
    const next = nextOf(page);
    cursor = next === null ? '' : `&cursor=${next}`;
  } while (cursor !== '');
  expect(seen).toHaveLength(20);
  expect(new Set(seen).size).toBe(20);
});

test('GET /v1/health/ready is 503 while the database is not of this version', async () => {
  expect((await ask('GET', '/v1/health/ready')).status).toBe(200);
  await made.query(`update app.migration set name = 'another' where name = '0004-http'`);
  const { status, body, headers } = await ask('GET', '/v1/health/ready');
  await made.query(`update app.migration set name = '0004-http' where name = 'another'`);
  expect([status, body['code'], headers.get('retry-after')]).toEqual([503, 'DEPENDENCY_UNAVAILABLE', '5']);
});
