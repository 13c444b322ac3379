import { randomUUID } from 'node:crypto';
import type { DatasetCounts, RunSummary } from '@on-the-way/core';
import type { JsonValue } from '@on-the-way/sdk';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { listen, type ApiServer } from '../src/http/server.ts';
import type { RunRequest } from '../src/run-service.ts';
import { createCursorStore } from '../src/storage/cursors.ts';
import { openDatabase } from '../src/storage/database.ts';
import { pagedPlugin, startPagedSource, type Page, type PagedSource } from './paged-source.ts';
import { createTestHost, fakeClock, type TestHost } from './test-host.ts';

let source: PagedSource;
let made: TestHost;
let server: ApiServer;
const today = '2026-03-18';
const yesterday = '2026-03-17';

beforeAll(async () => {
  source = await startPagedSource();
  made = await createTestHost({
    clock: fakeClock(`${today}T12:00:00+08:00`),
    connection: {
      plugin: pagedPlugin,
      config: { origin: source.origin },
      backfillDays: 2,
      windowDays: 2,
    },
  });
  server = await listen(made.host.app, { host: '127.0.0.1', port: 0 });
});
afterAll(async () => {
  await server.close();
  await made.close();
  await source.close();
});
beforeEach(async () => {
  await made.query('truncate app.dead_letter, raw.raw_event, app.slice_ledger, app.dataset_cursor');
  source.answer = () => ({});
  source.requests();
});

/** Records of one day: keys and payloads differ by their number. */
const some = (count: number, day = today, from = 0): NonNullable<Page['records']> =>
  Array.from({ length: count }, (_, at) => ({ key: `k${from + at}`, day, data: { number: from + at } }));

async function rowsStored(): Promise<number> {
  const [row] = await made.query<{ count: number }>('select count(*)::int as count from raw.raw_event');
  return row?.count ?? 0;
}

/** The counters of events, from the text that Prometheus reads. */
async function counters(): Promise<Record<string, number>> {
  const text = await (await fetch(`${server.url}/metrics`)).text();
  const found: Record<string, number> = {};
  for (const [, name, label, value] of text.matchAll(
    /^otw_events_(read_)?total\{connection="garmin"(?:,outcome="(\w+)")?\} (\d+)$/gm,
  )) {
    found[label ?? (name === undefined ? '' : 'read')] = Number(value);
  }
  return found;
}

const outcomes = ['written', 'unchanged', 'conflict', 'set_aside', 'given_up'];
const sumOf = ({ written, unchanged, conflicts, setAside, givenUp }: DatasetCounts): number =>
  written + unchanged + conflicts + setAside + givenUp;

/**
 * Runs, and holds every account against the others: of each dataset, of the run's row, of the metrics, and of the rows
 * that are there.
 */
async function accounted(request: Partial<RunRequest> = {}): Promise<RunSummary> {
  const [rowsBefore, before] = [await rowsStored(), await counters()];
  const summary = await made.run(request);
  const [row] = await made.query<{ datasets: RunSummary['datasets'] }>(
    `select datasets from app.run where run_id = '${summary.runId}'`,
  );
  expect(row?.datasets).toEqual(summary.datasets);
  const all = Object.values(summary.datasets);
  for (const counts of all)
    expect({ ...counts, sum: counts.read }).toEqual({ ...counts, sum: sumOf(counts) });
  const total = (key: keyof DatasetCounts): number => all.reduce((sum, counts) => sum + counts[key], 0);
  const after = await counters();
  const added = Object.fromEntries(
    ['read', ...outcomes].map((key) => [key, (after[key] ?? 0) - (before[key] ?? 0)]),
  );
  expect(added).toEqual({
    read: total('read'),
    written: total('written'),
    unchanged: total('unchanged'),
    conflict: total('conflicts'),
    set_aside: total('setAside'),
    given_up: total('givenUp'),
  });
  expect((await rowsStored()) - rowsBefore).toBe(total('written'));
  return summary;
}

/** Answers of one dataset; the others have nothing. */
function answering(dataset: string, page: (number: number, cursor: JsonValue | undefined) => Page): void {
  source.answer = (request) => (request.dataset === dataset ? page(request.page, request.cursor) : {});
}

/** How often the dataset was asked from its start. */
const fetches = (dataset: string): number =>
  source.requests().filter((request) => request.dataset === dataset && request.page === 1).length;

const onlySteps = { onlyDatasets: ['steps'], only: { from: today, to: '2026-03-19' } };
const onlyEvents = { onlyDatasets: ['events'] };

test('what is read for the first time is written, and read again it is unchanged', async () => {
  answering('steps', () => ({ records: some(3) }));
  expect((await accounted(onlySteps)).datasets['steps']).toMatchObject({ read: 3, written: 3, givenUp: 0 });
  expect((await accounted(onlySteps)).datasets['steps']).toMatchObject({ read: 3, unchanged: 3 });
});

test('a slice that is tried again counts what every try read', async () => {
  let tries = 0;
  answering('steps', (number) => {
    if (number === 1) return { records: some(200), more: true };
    tries += 1;
    return tries === 1
      ? { error: { code: 'transient', message: 'reset' } }
      : { records: some(50, today, 200) };
  });
  const { status, datasets } = await accounted(onlySteps);
  // The first try hands over a whole batch of 128, the second everything.
  expect(status).toBe('succeeded');
  expect(datasets['steps']).toMatchObject({ read: 378, written: 250, unchanged: 128, givenUp: 0 });
});

test('events whose keys are taken by something else are conflicts', async () => {
  answering('steps', () => ({ records: some(5) }));
  await accounted(onlySteps);
  await made.query(
    `update raw.raw_event set payload_hash = 'another', payload_json = jsonb_set(payload_json, '{data,number}', '-1')
     where payload_json->'data'->>'number' in ('1', '3')`,
  );
  const { status, datasets } = await accounted(onlySteps);
  expect(status).toBe('partial');
  expect(datasets['steps']).toMatchObject({ read: 5, unchanged: 3, conflicts: 2 });
});

test('of a batch with an event that cannot be stored the rest is written, and that one set aside', async () => {
  answering('steps', () => ({
    records: [...some(4), { key: 'bad', day: today, data: { text: 'nul \0 here' } }],
  }));
  const { status, datasets } = await accounted(onlySteps);
  expect(status).toBe('partial');
  expect(datasets['steps']).toMatchObject({ failed: 1, read: 5, written: 4, setAside: 1, givenUp: 0 });
  const [letter] = await made.query<{ code: string }>('select error_code as code from app.dead_letter');
  expect(letter).toEqual({ code: 'bad_data' });
});

test('a run that is stopped in the middle of a slice accounts for what it had read', async () => {
  const controller = new AbortController();
  const counted = Promise.withResolvers<void>();
  made.host.bus.once('events:counted', () => counted.resolve());
  const held = Promise.withResolvers<Page>();
  source.answer = ({ page }) => (page === 1 ? { records: some(200), more: true } : held.promise);
  const running = accounted({ ...onlySteps, signal: controller.signal });
  await counted.promise;
  controller.abort();
  const { status, datasets } = await running;
  held.resolve({});
  expect(status).toBe('interrupted');
  expect(datasets['steps']).toMatchObject({ ok: 0, failed: 0, read: 128, written: 128 });
});

test('what a sink could not store in any try is given up, and stored by the next run', async () => {
  answering('steps', () => ({ records: some(7) }));
  await made.query(
    `create function refuse() returns trigger language plpgsql as $$
     begin raise exception 'no disk' using errcode = '53100'; end $$`,
  );
  await made.query('create trigger refuse before insert on raw.raw_event execute function refuse()');
  const failed = await accounted(onlySteps).finally(() =>
    made.query('drop trigger refuse on raw.raw_event; drop function refuse()'),
  );
  expect(failed.datasets['steps']).toMatchObject({ failed: 1, read: 21, written: 0, givenUp: 21 });
  expect((await accounted(onlySteps)).datasets['steps']).toMatchObject({ ok: 1, read: 7, written: 7 });
});

test('a span that is asked for again in halves counts what each asking read', async () => {
  source.answer = ({ dataset, from, to }) => {
    if (dataset !== 'notes') return {};
    const isOneDay = Date.parse(to) - Date.parse(from) === 86_400_000;
    if (isOneDay) return { records: some(2, from) };
    return { records: some(150, from), error: { code: 'bad_data', message: 'mixed up' } };
  };
  const { datasets } = await accounted({ onlyDatasets: ['notes'] });
  expect(datasets['notes']).toMatchObject({ ok: 2, failed: 0, read: 132, written: 130, unchanged: 2 });
});

test('events of a process that died are accounted for', async () => {
  answering('steps', () => ({ records: some(200), exit: true }));
  const { datasets } = await accounted(onlySteps);
  expect(datasets['steps']).toMatchObject({ failed: 1, read: 128, written: 128 });
});

test('a cursor dataset goes on where it was, counts as it goes, and its day says what came', async () => {
  answering('events', (number, cursor) => {
    if (cursor === undefined)
      return { records: some(3, '2026-03-02', 3 * number), checkpoint: number, more: number < 3 };
    return cursor === 3 ? { records: some(2, yesterday, 90), checkpoint: 4 } : { checkpoint: cursor };
  });
  expect((await accounted(onlyEvents)).datasets['events']).toMatchObject({ ok: 1, read: 9, written: 9 });
  expect((await accounted(onlyEvents)).datasets['events']).toMatchObject({ ok: 1, read: 2, written: 2 });
  expect((await accounted(onlyEvents)).datasets['events']).toMatchObject({ no_data: 1, read: 0 });
  expect(source.requests().map(({ cursor }) => cursor)).toEqual([undefined, undefined, undefined, 3, 4]);
  // The day has data, though the last run brought none.
  expect(
    await made.query('select outcome, day::text, rows_written::int, revisions from app.slice_ledger'),
  ).toEqual([{ outcome: 'ok', day: today, rows_written: 11, revisions: 0 }]);
  expect(await made.query('select cursor, records::int from app.dataset_cursor')).toEqual([
    { cursor: 4, records: 11 },
  ]);
  const [row] = await made.query<{ id: string; at: string; date: string }>(
    `select external_id as id, (occurred_at at time zone 'UTC')::text as at, payload_json->>'metric_date' as date
     from raw.raw_event where external_id like '%::k90::%'`,
  );
  expect(row).toMatchObject({ at: '2026-03-17 02:00:00', date: yesterday });
  expect(row?.id).toMatch(/^paged::[0-9a-f]{12}::events::k90::[0-9a-f]{16}$/);
});

test('a cursor slice that is tried again goes on from the last checkpoint', async () => {
  let failures = 0;
  answering('events', (number, cursor) => {
    const page = (typeof cursor === 'number' ? cursor : 0) + number;
    if (page === 3 && failures++ === 0) return { error: { code: 'transient', message: 'reset' } };
    return { records: some(10, today, 10 * page), checkpoint: page, more: page < 4 };
  });
  const { status, datasets } = await accounted(onlyEvents);
  expect(status).toBe('succeeded');
  expect(datasets['events']).toMatchObject({ ok: 1, read: 40, written: 40, unchanged: 0 });
  expect(source.requests().map(({ cursor }) => cursor)).toEqual([undefined, undefined, undefined, 2, 2]);
});

test('an event of a cursor dataset that cannot be stored is set aside and holds up nothing behind it', async () => {
  answering('events', (number) => ({
    records: [...some(3, today, 10 * number), { key: `bad${number}`, day: today, data: '\0' }],
    checkpoint: number,
    more: number < 2,
  }));
  const { status, datasets } = await accounted(onlyEvents);
  expect(status).toBe('partial');
  expect(datasets['events']).toMatchObject({ ok: 1, failed: 0, read: 8, written: 6, setAside: 2 });
  expect(await made.query('select cursor from app.dataset_cursor')).toEqual([{ cursor: 2 }]);
  expect(await made.query('select count(*)::int as letters from app.dead_letter')).toEqual([{ letters: 2 }]);
});

test('a source that goes in circles fails the slice, and the last good cursor stands', async () => {
  answering('events', (number) => ({
    records: some(2, today, 10 * (number % 2)),
    checkpoint: number % 2,
    more: true,
  }));
  const { datasets } = await accounted(onlyEvents);
  expect(datasets['events']).toMatchObject({ failed: 1, read: 4, written: 4 });
  expect(await made.query('select error_code as code, error_message as said from app.slice_ledger')).toEqual([
    { code: 'source', said: expect.stringContaining('circles') },
  ]);
  expect(await made.query('select cursor from app.dataset_cursor')).toEqual([{ cursor: 0 }]);
});

test('pages that shift and repeat are unchanged, and the same key with other data is a new fact', async () => {
  answering('events', (number) => ({
    records: [...some(3, today, number), { key: 'same', day: today, data: { version: number } }],
    checkpoint: `page ${number}`,
    more: number < 3,
  }));
  const { status, datasets } = await accounted(onlyEvents);
  expect(status).toBe('succeeded');
  expect(datasets['events']).toMatchObject({ read: 12, written: 8, unchanged: 4, conflicts: 0 });
});

test('a run by wish of days leaves cursor datasets out unless today is one of them', async () => {
  answering('events', () => ({ records: some(1), checkpoint: 1 }));
  await accounted({ only: { from: yesterday, to: today } });
  expect(fetches('events')).toBe(0);
  await accounted({ only: { from: yesterday, to: '2026-03-19' } });
  expect(fetches('events')).toBe(1);
});

test('a cursor is not moved by who has lost the connection, nor while the database is away', async () => {
  const stale = createCursorStore(made.host.database).under(
    { connection: 'garmin', epoch: -1 },
    randomUUID(),
  );
  await expect(stale.save('events', { cursor: 9, events: 1 })).rejects.toMatchObject({ code: 'fenced' });
  expect(await stale.load('events')).toBeUndefined();
  const away = openDatabase('postgres://nobody@127.0.0.1:1/nothing', 'UTC');
  const lost = createCursorStore(away).under({ connection: 'garmin', epoch: 1 }, randomUUID());
  await expect(lost.load('events')).rejects.toMatchObject({ code: 'transient' });
  await away.destroy();
});

test('the API and the runs of earlier versions tell the same accounts', async () => {
  answering('steps', () => ({ records: some(3) }));
  const { runId } = await accounted(onlySteps);
  const told = async () => {
    const response = await fetch(`${server.url}/v1/runs/${runId}`);
    const { run } = (await response.json()) as { run: { datasets: Record<string, object> } };
    return run.datasets['steps'];
  };
  const counts = { read: 3, written: 3, unchanged: 0, conflicts: 0, set_aside: 0, given_up: 0 };
  expect(await told()).toEqual({
    ok: 1,
    no_data: 0,
    not_supported: 0,
    failed: 0,
    not_asked: 0,
    ...counts,
  });
  const earlier = { ok: 1, no_data: 0, not_supported: 0, failed: 0, written: 3, unchanged: 0, conflicts: 0 };
  await made.query(
    `update app.run set datasets = '${JSON.stringify({ steps: earlier })}' where run_id = '${runId}'`,
  );
  expect(await told()).toMatchObject(counts);
});
