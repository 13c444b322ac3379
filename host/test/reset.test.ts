import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { addDays, daysOf, type Day } from '@on-the-way/sdk';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { listen, type ApiServer } from '../src/http/server.ts';
import { otwHere, temporaryFolder, type Finished } from './otw.ts';
import { everyDay, scriptedPlugin, startScriptedSource, type ScriptedSource } from './scripted-source.ts';
import { createTestHost, fakeClock, type TestHost } from './test-host.ts';

// What a person does when the ledger is to be asked again: reset, and the dead letters of days that were set aside.
const today = '2026-03-18';
const ago = (days: number): Day => addDays(today, -days);
const clock = fakeClock(`${today}T12:00:00+08:00`);
let source: ScriptedSource;
let made: TestHost;
let server: ApiServer;
let folder: ReturnType<typeof temporaryFolder>;
const usual: ScriptedSource['answer'] = (name, window) =>
  window.from === '' || name === 'marks' ? {} : everyDay(window);

beforeAll(async () => {
  folder = temporaryFolder();
  source = await startScriptedSource();
  const datasets = { steps: {}, sleep: {} };
  made = await createTestHost({
    clock,
    connection: {
      plugin: scriptedPlugin,
      config: { origin: source.origin, datasets },
      windowDays: 1,
      backfillDays: 5,
    },
  });
  server = await listen(made.host.app, { host: '127.0.0.1', port: 0 });
  const connections = { garmin: { plugin: scriptedPlugin, config: { origin: source.origin, datasets } } };
  writeFileSync(join(folder.path, 'otw.config.json'), JSON.stringify({ connections }));
});
beforeEach(async () => {
  source.answer = usual;
  await made.query(
    'truncate app.slice_ledger, app.dataset_frontier, app.dead_letter, app.dataset_cursor, app.backfill',
  );
  expect((await made.run()).status).toBe('succeeded');
  source.requests();
});
afterEach(() => {
  source.answer = usual;
});
afterAll(async () => {
  await made.host.scheduler.stop();
  await server.close();
  await made.close();
  await source.close();
  folder.remove();
});

function here(...args: string[]): Promise<Finished> {
  return otwHere(args, {
    env: { DATABASE_URL: made.databaseUrl, OTW_DATA_DIR: join(folder.path, 'data') },
    cwd: folder.path,
  });
}

function there(...args: string[]): Promise<Finished> {
  return otwHere(args, {
    env: { OTW_DATA_DIR: join(folder.path, 'none'), OTW_API_URL: server.url },
    cwd: folder.path,
  });
}

async function api(method: string, path: string, body?: object) {
  const response = await fetch(`${server.url}${path}`, {
    method,
    ...(body && { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
  });
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}

function asked(): string[] {
  return source
    .requests()
    .filter((line) => /^(steps|sleep) /.test(line))
    .toSorted();
}

const all = (from: Day, to: Day, names = ['sleep', 'steps']): string[] =>
  names.flatMap((name) => daysOf({ from, to: addDays(to, 1) }).map((day) => `${name} ${day}`));

async function count(table: string): Promise<number> {
  const [row] = await made.query<{ n: number }>(`select count(*)::int as n from ${table}`);
  return row?.n ?? 0;
}

describe('otw reset', () => {
  test('names what it forgets and asks; then the days are gaps, and reading them stores nothing twice', async () => {
    const rows = await count('raw.raw_event');
    await made.query(
      `insert into app.dataset_cursor (connection, dataset, cursor, run_id) values ('garmin', 'log', '7', gen_random_uuid())`,
    );
    await made.query(
      `insert into app.backfill (connection, from_day, to_day) values ('garmin', '2025-01-01', '2025-02-01')`,
    );
    const unasked = await here('reset', 'garmin');
    expect(unasked).toMatchObject({ code: 2, stderr: expect.stringContaining('--yes') });
    expect(unasked.stderr).toMatch(/days of datasets in the ledger, with marks and revisions +10/);
    expect(await count('app.slice_ledger')).toBe(10);
    const done = await here('reset', 'garmin', '--yes', '--json');
    expect(done).toMatchObject({ code: 0 });
    expect(JSON.parse(done.stdout)).toMatchObject({
      connection: 'garmin',
      forgotten: { ledger_days: 10, set_aside: 0, slice_letters: 0, cursors: 1, backfills: 1, pauses: 0 },
    });
    for (const table of ['slice_ledger', 'dataset_frontier', 'dataset_cursor', 'backfill'])
      expect([table, await count(`app.${table}`)]).toEqual([table, 0]);
    expect(await count('app.connector_session')).toBeGreaterThanOrEqual(0);
    const { datasets } = await made.run({ trigger: 'schedule' });
    expect(asked()).toEqual(all(ago(4), today));
    expect(datasets).toMatchObject({
      steps: { written: 0, unchanged: 5 },
      sleep: { written: 0, unchanged: 5 },
    });
    expect(await count('raw.raw_event')).toBe(rows);
  });

  test('of some days of a dataset it forgets those alone, also through a host', async () => {
    const args = ['--dataset', 'sleep', '--from', ago(3), '--to', ago(2)];
    const done = await there('reset', 'garmin', ...args, '--yes', '--json');
    expect(done).toMatchObject({ code: 0 });
    expect(JSON.parse(done.stdout)).toMatchObject({ forgotten: { ledger_days: 2, backfills: 0 } });
    await made.run({ trigger: 'schedule' });
    expect(asked().filter((line) => !line.includes(today))).toEqual(all(ago(3), ago(2), ['sleep']));
    const older = ['--dataset', 'sleep', '--from', ago(30), '--to', ago(3), '--yes'];
    const command = `otw backfill garmin --from ${ago(30)} --to ${ago(5)} --dataset sleep`;
    expect(await there('reset', 'garmin', ...older)).toMatchObject({
      stdout: expect.stringContaining(command),
    });
  });

  test('of everything it forgets the pause with what it put off, and what is wanted are gaps at once', async () => {
    const inFiveHours = `now() + interval '5 hours'`;
    await made.query(
      `update app.connection_state set not_before = ${inFiveHours}, next_run_at = ${inFiveHours} where connection = 'garmin'`,
    );
    const reset = await api('POST', '/v1/connections/garmin/reset', {});
    expect(reset.body).toMatchObject({ forgotten: { pauses: 1 }, left_to_backfill: null });
    const state = await made.query(
      `select not_before, next_run_at <= now() as is_due from app.connection_state where connection = 'garmin'`,
    );
    expect(state).toEqual([{ not_before: null, is_due: true }]);
    const { body } = await api('GET', '/v1/connections/garmin/coverage');
    expect(body).toMatchObject({ from: ago(4), totals: { gap: 10 } });
  });

  test('of cursors it forgets those alone', async () => {
    await made.query(
      `insert into app.dataset_cursor (connection, dataset, cursor, run_id) values ('garmin', 'log', '7', gen_random_uuid())`,
    );
    const done = await here('reset', 'garmin', '--cursors', '--yes', '--json');
    expect(JSON.parse(done.stdout)).toMatchObject({ forgotten: { ledger_days: 0, cursors: 1 } });
    expect(await count('app.slice_ledger')).toBe(10);
    expect(await here('reset', 'garmin', '--cursors', '--from', today)).toMatchObject({ code: 2 });
  });

  test('does nothing while a run is under way, and refuses what it cannot mean', async () => {
    const claim = await made.host.claims.take('garmin', { waitMs: 0 });
    expect(await here('reset', 'garmin', '--yes')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('under way'),
    });
    expect(await api('POST', '/v1/connections/garmin/reset', {})).toMatchObject({
      status: 409,
      body: { code: 'ALREADY_RUNNING' },
    });
    await claim?.release();
    expect(await count('app.slice_ledger')).toBe(10);
    const strange = await here('reset', 'garmin', '--dataset', 'step', '--yes');
    expect(strange).toMatchObject({ code: 2, stderr: expect.stringContaining('steps, sleep, found step') });
    expect(await api('POST', '/v1/connections/garmin/reset', { datasets: ['step'] })).toMatchObject({
      status: 422,
    });
    for (const wish of [{ from: today, to: ago(1) }, { to: ago(-1) }, { from: ago(-1) }])
      expect(await api('POST', '/v1/connections/garmin/reset', wish)).toMatchObject({ status: 422 });
  });
});

describe('days that were asked for ten times in vain', () => {
  const bad = ago(3);
  interface Letter {
    readonly id: string;
    readonly attempts: number;
    readonly replayed_at: string | null;
  }

  /** The tenth answer of the day is as bad as the nine before. */
  async function giveUp(): Promise<Letter> {
    source.answer = (name, window) =>
      name === 'steps' && window.from === bad
        ? { error: { code: 'bad_data', message: 'it is cut off after 12 characters' } }
        : usual(name, window);
    await made.query(
      `update app.slice_ledger set outcome = 'failed', attempts = 9, bad_answers = 9, error_code = 'bad_data',
         last_attempt_at = last_attempt_at - interval '3 days' where dataset = 'steps' and day = '${bad}'`,
    );
    await made.query('delete from app.dataset_frontier');
    await made.run({ trigger: 'schedule' });
    const { body } = await api('GET', '/v1/dead-letters');
    const [letter] = body['items'] as Letter[];
    source.requests();
    return letter!;
  }

  test('are set aside with what is known of them, and the schedule leaves them out', async () => {
    const letter = await giveUp();
    expect(letter).toMatchObject({
      kind: 'slice',
      connection: 'garmin',
      dataset: 'steps',
      from: bad,
      to: bad,
      plugin_version: '1.0.0',
      error_code: 'bad_data',
      error_message: expect.stringContaining('cut off'),
      attempts: 10,
      source_id: null,
      external_id: null,
      replayed_at: null,
    });
    clock.advance({ days: 0, hours: 1 });
    await made.run({ trigger: 'schedule' });
    expect(asked()).not.toContain(`steps ${bad}`);
    const listed = await here('dead-letters', '--connection', 'garmin');
    expect(listed.stdout).toMatch(new RegExp(`garmin +steps ${bad} +10 .*bad_data`));
    const shown = await here('dead-letters', 'show', letter.id, '--json');
    expect(JSON.parse(shown.stdout)).toMatchObject({
      dead_letter: { kind: 'slice', from: bad, payload: null },
    });
  });

  test('are asked for again by a replay, here and through a host, and done once there is an answer', async () => {
    const { id } = await giveUp();
    const again = await here('dead-letters', 'replay', id, '--json');
    expect(again).toMatchObject({ code: 3 });
    expect(JSON.parse(again.stdout)).toMatchObject({ outcome: 'refused', error: { code: 'bad_data' } });
    expect(asked()).toEqual([`steps ${bad}`]);
    const { body } = await api('GET', `/v1/dead-letters/${id}`);
    expect(body['dead_letter']).toMatchObject({ replayed_at: null, attempts: 11 });
    source.answer = usual;
    const answered = await there('dead-letters', 'replay', id);
    expect(answered).toMatchObject({ code: 0, stdout: expect.stringContaining('its days have an answer') });
    expect(asked()).toEqual([`steps ${bad}`]);
    expect((await api('GET', '/v1/dead-letters')).body['items']).toEqual([]);
    expect(
      await there('dead-letters', 'replay', id, '--payload', join(folder.path, 'otw.config.json')),
    ).toMatchObject({
      code: 2,
    });
  });

  test('are done as well when somebody asks for them in another way', async () => {
    await giveUp();
    source.answer = usual;
    await made.run({ only: { from: bad, to: addDays(bad, 1) } });
    expect((await api('GET', '/v1/dead-letters')).body['items']).toEqual([]);
  });

  test('have a letter still where some days of it are reset', async () => {
    const [{ id } = { id: '' }] = await made.query<Letter>(
      `insert into app.dead_letter (kind, connection, dataset, from_day, to_day, plugin_version, error_code,
         error_message, attempts)
       values ('slice', 'garmin', 'steps', '${ago(4)}', '${today}', '1.0.0', 'bad_data', 'cut off', 10)
       returning dead_letter_id as id`,
    );
    await made.query(
      `update app.slice_ledger set outcome = 'failed', attempts = 10, error_code = 'bad_data', set_aside_at = now()
       where dataset = 'steps' and day < '${today}'`,
    );
    const args = ['--dataset', 'steps', '--from', ago(3), '--to', ago(3), '--yes', '--json'];
    expect(JSON.parse((await there('reset', 'garmin', ...args)).stdout)).toMatchObject({
      forgotten: { ledger_days: 1, set_aside: 1, slice_letters: 1 },
    });
    const { body } = await api('GET', '/v1/dead-letters');
    const letters = (body['items'] as { from: Day; to: Day }[]).map(({ from, to }) => `${from}..${to}`);
    expect(letters.toSorted()).toEqual([`${ago(4)}..${ago(4)}`, `${ago(2)}..${ago(1)}`]);
    expect((await api('GET', `/v1/dead-letters/${id}`)).body).toMatchObject({
      dead_letter: { from: ago(4), attempts: 10, error_code: 'bad_data', replayed_at: null },
    });
  });

  test('stay set aside when their letter is dropped, until a reset', async () => {
    const { id } = await giveUp();
    const dropped = await here('dead-letters', 'drop', id, '--yes');
    expect(dropped).toMatchObject({
      code: 0,
      stderr: expect.stringContaining('otw run garmin --dataset steps'),
    });
    await made.run({ trigger: 'schedule' });
    expect(asked()).not.toContain(`steps ${bad}`);
    source.answer = usual;
    const reset = await here('reset', 'garmin', '--dataset', 'steps', '--yes', '--json');
    expect(JSON.parse(reset.stdout)).toMatchObject({ forgotten: { set_aside: 1 } });
    await made.run({ trigger: 'schedule' });
    expect(asked()).toContain(`steps ${bad}`);
  });
});

test('an event that was refused is corrected by writing its payload to a file, mending that and replaying it', async () => {
  source.answer = (name, window) =>
    name === 'sleep' && window.from === ago(1)
      ? { records: [{ day: ago(1), data: { text: 'nul \0 here' } }] }
      : usual(name, window);
  await made.run({ only: { from: ago(1), to: today } });
  const { body } = await api('GET', '/v1/dead-letters');
  const [letter] = body['items'] as { id: string }[];
  expect(letter).toMatchObject({ kind: 'event', dataset: 'sleep', from: ago(1), to: ago(1), attempts: 1 });
  const file = join(folder.path, 'event.json');
  const shown = await here('dead-letters', 'show', letter!.id, '--payload', file);
  expect(shown).toMatchObject({ code: 0, stderr: expect.stringContaining(`--payload ${file}`) });
  expect(await here('dead-letters', 'show', letter!.id, '--payload', file)).toMatchObject({ code: 2 });
  writeFileSync(file, readFileSync(file, 'utf8').replace(String.raw`\u0000`, ''));
  expect(await here('dead-letters', 'replay', letter!.id, '--payload', file)).toMatchObject({
    code: 0,
    stdout: expect.stringContaining('is stored'),
  });
});
