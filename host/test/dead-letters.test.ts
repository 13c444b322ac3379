import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { daysOf, type JsonValue, type Window } from '@on-the-way/sdk';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { listen, type ApiServer } from '../src/http/server.ts';
import { conflict, settingAside } from '../src/set-aside.ts';
import { otwHere, temporaryFolder, type Finished } from './otw.ts';
import {
  scriptedPlugin,
  startScriptedSource,
  type ScriptedAnswer,
  type ScriptedSource,
} from './scripted-source.ts';
import { createTestHost, fakeClock, type TestHost } from './test-host.ts';

let source: ScriptedSource;
let made: TestHost;
let server: ApiServer;
let folder: ReturnType<typeof temporaryFolder>;
const today = '2026-03-18';
const yesterday = '2026-03-17';

beforeAll(async () => {
  source = await startScriptedSource();
  const datasets = { steps: {}, notes: { granularity: 'range', spanDays: 31 } };
  made = await createTestHost({
    clock: fakeClock(`${today}T12:00:00+08:00`),
    connection: {
      plugin: scriptedPlugin,
      config: { origin: source.origin, datasets },
      backfillDays: 2,
      windowDays: 2,
    },
  });
  server = await listen(made.host.app, { host: '127.0.0.1', port: 0 });
  folder = temporaryFolder();
});
afterAll(async () => {
  await server.close();
  await made.close();
  await source.close();
  folder.remove();
});

interface Letter {
  readonly id: string;
  readonly attempts: number;
  readonly error_code: string;
  readonly external_id: string;
  readonly payload: string;
  readonly replayed_at: string | null;
}

async function api(
  method: string,
  path: string,
  body?: object,
): Promise<{ status: number; body: Record<string, unknown> }> {
  const response = await fetch(`${server.url}/v1/dead-letters${path}`, {
    method,
    ...(body && { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
  });
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}

async function letters(): Promise<Letter[]> {
  const { body } = await api('GET', '');
  const items = body['items'] as { id: string }[];
  const full = await Promise.all(items.map(async ({ id }) => (await api('GET', `/${id}`)).body));
  return full.map((each) => each['dead_letter'] as Letter);
}

/** Answers one record a day; `of` says what it holds. */
function answering(of: (dataset: string, day: string) => JsonValue) {
  return (dataset: string, window: Window): ScriptedAnswer =>
    window.from === '' || dataset === 'marks'
      ? {}
      : { records: daysOf(window).map((day) => ({ day, data: of(dataset, day) })) };
}

function command(args: readonly string[]): Promise<Finished> {
  const connections = {
    garmin: { plugin: scriptedPlugin, config: { origin: source.origin, datasets: { steps: {} } } },
  };
  const config = join(folder.path, 'otw.config.json');
  writeFileSync(config, JSON.stringify({ connections }));
  return otwHere(['dead-letters', ...args, '--config', config], {
    env: { DATABASE_URL: made.databaseUrl, OTW_DATA_DIR: join(folder.path, 'data') },
  });
}

async function forgetAll(): Promise<void> {
  await made.query('truncate app.dead_letter, raw.raw_event, app.slice_ledger');
}

test('an event that Postgres cannot hold is set aside with its bytes; its slice fails and the others are stored', async () => {
  source.answer = answering((dataset, day) =>
    dataset === 'notes' && day === yesterday ? { text: 'nul \0 here' } : { steps: 9_007_199_254 },
  );
  const { status, datasets } = await made.run();
  expect(status).toBe('partial');
  expect(datasets).toMatchObject({ steps: { ok: 2, failed: 0 }, notes: { ok: 1, failed: 1 } });
  expect(await letters()).toMatchObject([
    {
      connection: 'garmin',
      dataset: 'notes',
      plugin_version: '1.0.0',
      error_code: 'bad_data',
      attempts: 1,
      replayed_at: null,
      payload: expect.stringContaining(String.raw`"text":"nul \u0000 here"`),
    },
  ]);
});

test('the next run that meets it counts one attempt more, and makes no second letter', async () => {
  const [before] = await letters();
  await made.run();
  expect(await letters()).toMatchObject([{ id: before?.id, attempts: 2 }]);
});

test('a replay that is refused again says why and leaves the letter waiting', async () => {
  const [letter] = await letters();
  const { status, body } = await api('POST', `/${letter?.id}/replay`);
  expect({ status, code: body['code'] }).toEqual({ status: 422, code: 'INVALID_ARGUMENT' });
  expect(await letters()).toMatchObject([{ attempts: 3, replayed_at: null }]);
});

test('a corrected payload is stored under the same key, digit for digit, and the letter waits no more', async () => {
  const [letter] = await letters();
  const payload = letter?.payload.replace(String.raw`"nul \u0000 here"`, '12345678901234567890.10') ?? '';
  const { status, body } = await api('POST', `/${letter?.id}/replay`, { payload });
  expect({ status, outcome: body['outcome'] }).toEqual({ status: 200, outcome: 'written' });
  expect(await letters()).toEqual([]);
  const [row] = await made.query<{ text: string }>(
    `select payload_json->'data'->>'text' as text from raw.raw_event where external_id = '${letter?.external_id}'`,
  );
  expect(row).toEqual({ text: '12345678901234567890.10' });
  const again = await api('POST', `/${letter?.id}/replay`, { payload });
  expect(again.body['outcome']).toBe('unchanged');
});

test('an event whose key is taken by something else is set aside as a conflict, until that is gone', async () => {
  await forgetAll();
  source.answer = answering(() => ({ steps: 1 }));
  await made.run();
  await made.query(
    `update raw.raw_event set payload_hash = 'another', payload_json = jsonb_set(payload_json, '{data,steps}', '2')
     where payload_json->>'metric_type' = 'steps'`,
  );
  const { status } = await made.run();
  expect(status).toBe('partial');
  const waiting = await letters();
  expect(waiting.map(({ error_code }) => error_code)).toEqual(['conflict', 'conflict']);
  const [letter] = waiting;
  const refused = await api('POST', `/${letter?.id}/replay`);
  expect(refused).toMatchObject({ status: 409, body: { code: 'DUPLICATE_IDEMPOTENCY_KEY' } });
  await made.query(`delete from raw.raw_event where external_id = '${letter?.external_id}'`);
  expect(await api('POST', `/${letter?.id}/replay`)).toMatchObject({ body: { outcome: 'written' } });
});

test('what is set aside is durable before the ledger says that the slice failed', async () => {
  await forgetAll();
  source.answer = answering(() => ({ text: '\0' }));
  await made.run();
  const [row] = await made.query<{ late: number; failed: number }>(
    `select count(*)::int as failed,
       count(*) filter (where not exists (select from app.dead_letter d where d.dataset = l.dataset
         and position(l.day::text in d.external_id) > 0 and d.created_at < clock_timestamp()))::int as late
     from app.slice_ledger l where outcome = 'failed'`,
  );
  expect(row).toEqual({ late: 0, failed: 4 });
});

test('a letter that cannot be kept fails the slice with a word to try again', async () => {
  const away = Object.assign(new Error('gone'), { code: 'ECONNREFUSED' });
  const event = {
    sourceId: 's',
    externalId: 'e',
    occurredAt: 'o',
    payload: '{}',
    payloadHash: 'h',
    requestId: 'r',
  };
  const sink = settingAside(
    {
      write: async () => ({
        written: 0,
        unchanged: 0,
        conflicts: [event],
        rows: [{ outcome: 'conflict', rawId: '1', ingestedAt: 'now' }],
      }),
      close: async () => undefined,
    },
    { letters: { add: () => Promise.reject(away) }, connection: 'garmin', runId: 'r' },
  );
  const { rows, failure } = await sink.write([event], { signal: new AbortController().signal });
  expect(rows).toMatchObject([{ outcome: 'given_up' }]);
  expect(failure).toMatchObject({ code: 'transient' });
  expect(conflict.message).toMatch(/nothing was overwritten/);
});

test('a host that has lost the connection sets nothing aside, and opens no letter again that was replayed', async () => {
  const { letters: store, claims } = made.host;
  const claim = await claims.take('garmin', { waitMs: 0 });
  if (!claim) throw new Error('Expected the connection to be free');
  const event = {
    sourceId: 's',
    externalId: 'late',
    occurredAt: '2026-03-18T00:00:00+08:00',
    payload: '{}',
    payloadHash: 'h',
    requestId: 'r',
  };
  const refused = [{ connection: 'garmin', runId: crypto.randomUUID(), event, why: conflict }];
  await store.under(claim).add(refused);
  await made.query(`update app.dead_letter set replayed_at = now() where external_id = 'late'`);
  await made.query(`update app.connection_claim set epoch = epoch + 1 where connection = 'garmin'`);
  await expect(store.under(claim).add(refused)).rejects.toMatchObject({ code: 'fenced' });
  expect(
    await made.query(
      `select attempts, replayed_at is null as waits from app.dead_letter where external_id = 'late'`,
    ),
  ).toEqual([{ attempts: 1, waits: false }]);
  await made.query(`update app.connection_claim set host_id = null where connection = 'garmin'`);
  await claim.release();
});

test('lists page through all letters, newest first, also those of one moment', async () => {
  await forgetAll();
  await made.query(
    `insert into app.dead_letter (connection, source_id, external_id, occurred_at, payload, payload_hash, error_code, error_message, created_at)
     select 'garmin', 's', n::text, 'o', '{}', 'h', 'conflict', 'm', timestamptz '2026-03-18 12:00:00.000001+08' + (n / 3) * interval '1 microsecond'
     from generate_series(1, 10) n`,
  );
  const seen: string[] = [];
  let cursor = '';
  do {
    const { body } = await api('GET', `?limit=3${cursor}`);
    seen.push(...(body['items'] as Letter[]).map((item) => item.external_id));
    const next = body['next_cursor'] as string | null;
    cursor = next === null ? '' : `&cursor=${next}`;
  } while (cursor !== '');
  expect(new Set(seen).size).toBe(10);
  expect(seen).toHaveLength(10);
});

test('a letter that is not there is a 404, whatever the id looks like', async () => {
  for (const id of ['x', '00000000-0000-4000-8000-000000000000']) {
    for (const [method, path] of [
      ['GET', ''],
      ['POST', '/replay'],
      ['DELETE', ''],
    ] as const)
      expect(await api(method, `/${id}${path}`)).toMatchObject({ status: 404, body: { code: 'NOT_FOUND' } });
  }
});

test('otw dead-letters lists, shows, replays and drops', async () => {
  await forgetAll();
  source.answer = answering((_, day) => (day === today ? { text: '\0' } : { steps: 2 }));
  await made.run({ onlyDatasets: ['steps'] });
  const [letter] = await letters();
  const id = letter?.id ?? '';

  const [listed, refused, unasked] = await Promise.all([
    command(['--json']),
    command(['replay', id]),
    command(['drop', id]),
  ]);
  expect(JSON.parse(listed.stdout)).toMatchObject({ dead_letters: [{ id, dataset: 'steps' }] });
  expect(refused).toMatchObject({ code: 3, stdout: expect.stringMatching(/refused again.*bad_data/) });
  expect(unasked).toMatchObject({ code: 2, stderr: expect.stringContaining('--yes') });

  const file = join(folder.path, 'corrected.json');
  writeFileSync(file, letter?.payload.replace(String.raw`\u0000`, 'mended') ?? '');
  const [shown, replayed, gone] = await Promise.all([
    command(['show', id]),
    command(['replay', id, '--payload', file, '--json']),
    command(['drop', '00000000-0000-4000-8000-000000000000', '--yes']),
  ]);
  expect(shown.stdout).toContain(letter?.payload);
  expect(JSON.parse(replayed.stdout)).toEqual({ id, outcome: 'written', error: null });
  expect(gone.code).toBe(2);
});
