import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { addDays, dayAt, daysOf, type Day } from '@on-the-way/sdk';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { listen, type ApiServer } from '../src/http/server.ts';
import { otwHere, startOtw, temporaryFolder, type Finished, type Running } from './otw.ts';
import { everyDay, scriptedPlugin, startScriptedSource, type ScriptedSource } from './scripted-source.ts';
import { createTestHost, type TestHost } from './test-host.ts';

// Days of the past that a person wants: by the command alone, and by a host.
let source: ScriptedSource;
let made: TestHost;
let server: ApiServer;
let folder: ReturnType<typeof temporaryFolder>;
const sessionKey = randomBytes(32).toString('base64');
const today = dayAt(Date.now(), 'Asia/Shanghai');
const ago = (days: number): Day => addDays(today, -days);
const usual: ScriptedSource['answer'] = (name, window) =>
  window.from === '' || name === 'marks' ? {} : everyDay(window);
const datasets = {
  steps: { settleDays: 1 },
  sleep: { settleDays: 1 },
  weight: { granularity: 'snapshot' },
};

beforeAll(async () => {
  folder = temporaryFolder();
  source = await startScriptedSource();
  made = await createTestHost({
    sessionKey: { value: sessionKey },
    connection: {
      plugin: scriptedPlugin,
      config: { origin: source.origin, datasets },
      windowDays: 1,
      backfillDays: 2,
    },
  });
  server = await listen(made.host.app, { host: '127.0.0.1', port: 0 });
  const connections = {
    garmin: {
      plugin: scriptedPlugin,
      config: { origin: source.origin, datasets },
      windowDays: 1,
      backfillDays: 2,
      every: '1h',
      policies: { attempts: 1 },
    },
  };
  writeFileSync(
    join(folder.path, 'otw.config.json'),
    JSON.stringify({ timeZone: 'Asia/Shanghai', connections }),
  );
  expect((await made.run()).status).toBe('succeeded');
});
afterEach(() => {
  source.answer = usual;
  source.hold = undefined;
});
afterAll(async () => {
  await made.host.scheduler.stop();
  await server.close();
  await made.close();
  await source.close();
  folder.remove();
});

function options() {
  return {
    env: {
      DATABASE_URL: made.databaseUrl,
      OTW_DATA_DIR: join(folder.path, 'data'),
      OTW_SESSION_KEY: sessionKey,
    },
    cwd: folder.path,
  };
}

/** The command with the same database and no host. */
function here(...args: string[]): Promise<Finished> {
  return otwHere(args, options());
}

function start(...args: string[]): Running {
  return startOtw([...args, '--config', join(folder.path, 'otw.config.json')], options());
}

/** The command with the host that serves. */
function there(...args: string[]): Promise<Finished> {
  return otwHere(args, {
    env: { OTW_DATA_DIR: join(folder.path, 'none'), OTW_API_URL: server.url },
    cwd: folder.path,
  });
}

interface Shown {
  readonly backfill: {
    readonly id: string;
    readonly state: string;
    readonly requests_made: number;
    readonly days_total: number | null;
    readonly days_done: number;
    readonly days_failed: number;
    readonly days_left: number | null;
  };
  readonly left_out: readonly string[];
  readonly error: { readonly code: string } | null;
}

function shown({ stdout }: Finished): Shown {
  return JSON.parse(stdout) as Shown;
}

/** Days of data that were asked for since last time. */
function asked(): string[] {
  return source.requests().filter((line) => /^(steps|sleep|weight) /.test(line));
}

const all = (from: Day, to: Day): string[] =>
  daysOf({ from, to: addDays(to, 1) }).flatMap((day) => [`sleep ${day}`, `steps ${day}`]);

async function plans(): Promise<unknown> {
  const [state] = await made.query(
    `select next_run_at, backfill_from::text as first from app.connection_state where connection = 'garmin'`,
  );
  return state;
}

async function stored(): Promise<string[]> {
  const rows = await made.query<{ id: string }>('select external_id as id from raw.raw_event order by 1');
  return rows.map(({ id }) => id);
}

describe('otw backfill without a host', () => {
  test('reads the days newest first, says how it went by dataset, and moves no schedule', async () => {
    source.requests();
    const before = await plans();
    const { code, stdout, stderr } = await here('backfill', 'garmin', '--from', ago(9), '--to', ago(5));
    expect({ code, stderr }).toEqual({ code: 0, stderr: expect.stringContaining('weight') });
    const days = asked();
    expect(days.toSorted()).toEqual(all(ago(9), ago(5)).toSorted());
    expect(days.map((line) => line.slice(6))).toEqual(
      days
        .map((line) => line.slice(6))
        .toSorted()
        .toReversed(),
    );
    expect(stdout).toMatch(/steps +5 +0 +0 +0 +0/);
    expect(stdout).toMatch(/finished: 10 of 10 days, 0 failed, 0 left/);
    expect(await plans()).toEqual(before);
    const runs = await made.query(
      `select status, slices_planned::int as slices from app.run where trigger = 'backfill'`,
    );
    expect(runs).toEqual([{ status: 'succeeded', slices: 10 }]);
  });

  test('a second call of the same range asks for nothing that has its answer; --refresh asks again', async () => {
    const again = await here('backfill', 'garmin', '--from', ago(9), '--to', ago(5), '--json');
    expect(again).toMatchObject({ code: 0 });
    expect(shown(again)).toMatchObject({
      backfill: { state: 'finished', days_total: 10, days_done: 10, days_left: 0 },
      left_out: ['weight'],
      error: null,
    });
    expect(asked()).toEqual([]);
    const rows = await stored();
    const refreshed = ['--from', ago(6), '--to', ago(5), '--dataset', 'steps', '--refresh'];
    expect(await here('backfill', 'garmin', ...refreshed)).toMatchObject({ code: 0 });
    expect(asked().toSorted()).toEqual([`steps ${ago(6)}`, `steps ${ago(5)}`]);
    expect(await stored()).toEqual(rows);
  });

  test('killed in the middle it goes on where it stopped, and asks for nothing that has its answer', async () => {
    let answers = 0;
    const stuck = Promise.withResolvers<void>();
    const reached = Promise.withResolvers<void>();
    source.hold = async () => {
      answers += 1;
      if (answers <= 12) return;
      reached.resolve();
      await stuck.promise;
    };
    const killed = start('backfill', 'garmin', '--from', ago(30), '--to', ago(20));
    await Promise.race([reached.promise, killed.finished]);
    killed.process.kill('SIGKILL');
    await killed.finished;
    source.hold = undefined;
    stuck.resolve();
    const ledger = await made.query<{ line: string }>(
      `select dataset || ' ' || day as line from app.slice_ledger where day between '${ago(30)}' and '${ago(20)}'`,
    );
    const known = ledger.map(({ line }) => line);
    expect(known.length).toBeGreaterThan(3);
    expect(await made.query('select 1 from app.backfill where finished_at is null')).toHaveLength(1);
    source.requests();
    const second = await here('backfill', 'garmin', '--from', ago(30), '--to', ago(20), '--json');
    expect(second).toMatchObject({ code: 0 });
    expect(shown(second).backfill).toMatchObject({ state: 'finished', days_done: 22, days_left: 0 });
    expect([...asked(), ...known].toSorted()).toEqual(all(ago(30), ago(20)).toSorted());
    expect(new Set(await stored()).size).toBe((await stored()).length);
  });

  test('days that fail are told of, and the exit code says so', async () => {
    source.answer = (name, window) =>
      name === 'steps' && window.from === ago(41)
        ? { error: { code: 'bad_data', message: 'what it sent was cut off' } }
        : usual(name, window);
    const failed = await here('backfill', 'garmin', '--from', ago(42), '--to', ago(40), '--json');
    expect(failed).toMatchObject({ code: 3 });
    expect(shown(failed).backfill).toMatchObject({
      state: 'finished',
      days_done: 5,
      days_failed: 1,
      days_left: 0,
    });
    const gaps = await here('coverage', 'garmin', '--gaps', '--json');
    expect(JSON.parse(gaps.stdout)).toMatchObject({ from: ago(42), to: today, totals: { failed: 1 } });
  });

  test('a source that fails is left alone for a while; what has no answer is left, and is asked for then', async () => {
    const window = ['--from', ago(30), '--to', ago(20), '--dataset', 'steps'];
    const known = () =>
      made.query(
        `select outcome, error_code as code, count(*)::int as days from app.slice_ledger
         where dataset = 'steps' and day between '${ago(30)}' and '${ago(20)}' group by 1, 2 order by 1`,
      );
    let isAway = true;
    source.answer = (name, days) =>
      isAway && name === 'steps'
        ? { error: { code: 'transient', message: 'it does not answer' } }
        : usual(name, days);
    const going = start('backfill', 'garmin', ...window, '--refresh', '--json');
    await going.said(/left alone until \d{4}-/);
    expect(await known()).toEqual([
      { outcome: 'failed', code: 'transient', days: 5 },
      { outcome: 'ok', code: null, days: 6 },
    ]);
    // As after those minutes.
    isAway = false;
    await made.query('update app.backfill set next_run_at = now() where finished_at is null');
    const ended = await going.finished;
    expect(ended).toMatchObject({ code: 0 });
    expect(shown(ended).backfill).toMatchObject({
      state: 'finished',
      days_done: 11,
      days_failed: 0,
      days_left: 0,
    });
    expect(await known()).toEqual([{ outcome: 'ok', code: null, days: 11 }]);
  });

  test('a dataset that is absent today is asked for its past as well', async () => {
    source.answer = (name, window) =>
      name === 'sleep'
        ? { error: { code: 'not_supported', message: 'no such device' } }
        : usual(name, window);
    await made.run({ only: { from: ago(2), to: addDays(today, 1) }, onlyDatasets: ['sleep'] });
    source.answer = usual;
    source.requests();
    const range = ['--from', ago(47), '--to', ago(46)];
    const found = await here('backfill', 'garmin', ...range, '--dataset', 'sleep', '--json');
    expect(found).toMatchObject({ code: 0 });
    expect(shown(found).backfill).toMatchObject({ state: 'finished', days_done: 2, days_left: 0 });
    expect(asked()).toEqual([`sleep ${ago(46)}`, `sleep ${ago(47)}`]);
    await made.run({ only: { from: ago(2), to: addDays(today, 1) }, onlyDatasets: ['sleep'] });
  });

  test('days that nobody can ask for are left, and the exit code says so', async () => {
    await made.query('update app.connection_state set datasets = null');
    const strange = await here('backfill', 'garmin', '--from', ago(49), '--to', ago(48), '--dataset', 'naps');
    expect(strange).toMatchObject({ code: 3, stderr: expect.stringContaining('does not have') });
    expect(strange.stdout).toContain('finished: 0 of 2 days, 0 failed, 2 left');
  });

  test('a budget of requests is kept to, and the next call goes on', async () => {
    source.requests();
    const limited = await here(
      'backfill',
      'garmin',
      '--from',
      ago(55),
      '--to',
      ago(50),
      '--requests',
      '5',
      '--json',
    );
    expect(limited).toMatchObject({ code: 3 });
    const { backfill } = shown(limited);
    expect(backfill).toMatchObject({ state: 'budget_spent', days_total: 12 });
    expect(backfill.requests_made).toBeLessThanOrEqual(5);
    expect(source.requests().length).toBeLessThanOrEqual(5);
    const rest = await here('backfill', 'garmin', '--from', ago(55), '--to', ago(50), '--json');
    expect(shown(rest).backfill).toMatchObject({ state: 'finished', days_done: 12, days_left: 0 });
  });

  test('a source that wants to be left alone, or a sign-in that is refused, ends it with the exit code of a run', async () => {
    source.answer = (name, window) =>
      name === 'login'
        ? { error: { code: 'auth', message: 'the password is another one' } }
        : usual(name, window);
    const refused = await here('backfill', 'garmin', '--from', ago(60), '--to', ago(59), '--json');
    expect(refused).toMatchObject({ code: 4 });
    expect(shown(refused)).toMatchObject({
      backfill: { state: 'open', days_left: 4 },
      error: { code: 'auth' },
    });
    // Hosts wait an interval, so that a sign-in is not tried again every few seconds.
    expect(await made.host.backfills.openConnections()).toEqual([]);
    source.answer = usual;
    expect(await here('backfill', 'garmin', '--cancel', shown(refused).backfill.id)).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('is cancelled'),
    });
  });

  test('what cannot be meant is refused, and says what was expected', async () => {
    source.requests();
    const refuse = async (...args: string[]): Promise<string> => {
      const { code, stderr } = await here('backfill', 'garmin', ...args);
      expect(code).toBe(2);
      return stderr;
    };
    expect(await refuse()).toContain('Expected --from');
    expect(await refuse('--from', addDays(today, 1))).toContain(
      `--from: expected a day up to today (${today})`,
    );
    expect(await refuse('--from', ago(3), '--dataset', 'step')).toContain(
      '--dataset: expected names out of steps, sleep, found step',
    );
    expect(await refuse('--from', ago(3), '--requests', '0')).toContain(
      'expected a whole number from 1 up to',
    );
    expect(await refuse('--cancel', '7b0c2f6e-3f53-4a3e-9d0c-2f6e3f534a3e')).toContain('--list shows them');
    expect(asked()).toEqual([]);
  });

  test('Ctrl-C finishes what is under way, and keeps the rest for the same command', async () => {
    const first = Promise.withResolvers<void>();
    const answering = Promise.withResolvers<void>();
    source.hold = () => {
      first.resolve();
      return answering.promise;
    };
    const stopped = start('backfill', 'garmin', '--from', ago(115), '--to', ago(114), '--json');
    await Promise.race([first.promise, stopped.finished]);
    stopped.process.kill('SIGINT');
    await stopped.said(/the same command goes on from there/);
    answering.resolve();
    const ended = await stopped.finished;
    expect(ended).toMatchObject({ code: 130 });
    expect(shown(ended).backfill).toMatchObject({ state: 'open', days_total: 4 });
    expect(await made.query('select 1 from app.connection_claim where host_id is not null')).toEqual([]);
    const rest = await here('backfill', 'garmin', '--from', ago(115), '--to', ago(114), '--json');
    expect(shown(rest).backfill).toMatchObject({ id: shown(ended).backfill.id, state: 'finished' });
  });
});

describe('runs of backfills', () => {
  const chunk = (changed?: Parameters<TestHost['run']>[1]) => made.run({ trigger: 'backfill' }, changed);
  const want = async (from: Day, to: Day, dataset: string): Promise<string> => {
    const window = { from, to: addDays(to, 1) };
    return (await made.host.backfills.add('garmin', { window, datasets: [dataset], refresh: false })).id;
  };
  const failing = (dataset: string, code: 'transient' | 'bad_data' | 'not_supported' | 'auth'): void => {
    source.answer = (name, window) =>
      name === dataset ? { error: { code, message: 'not now' } } : usual(name, window);
  };
  async function waitOf(id: string) {
    const { nextRunAt, stalled, finishedAt } = (await made.host.backfills.get(id))!;
    const minutes = nextRunAt && Math.round((nextRunAt.getTime() - Date.now()) / 60_000);
    return { minutes, stalled, isOver: finishedAt !== null };
  }
  const makeDue = (id: string) =>
    made.query(`update app.backfill set next_run_at = now() where backfill_id = '${id}'`);

  afterEach(() => made.query('delete from app.backfill where finished_at is null'));

  test('that bring no day wait longer each time, each backfill for itself; then none of its days is given up', async () => {
    failing('steps', 'transient');
    const poor = await want(ago(203), ago(200), 'steps');
    const rich = await want(ago(203), ago(200), 'sleep');
    await chunk();
    expect(await waitOf(poor)).toEqual({ minutes: 5, stalled: 1, isOver: false });
    expect(await made.host.backfills.openConnections()).toEqual(['garmin']);
    await chunk();
    expect(await waitOf(rich)).toMatchObject({ isOver: true });
    expect(await made.host.backfills.openConnections()).toEqual([]);
    await makeDue(poor);
    await chunk();
    const waiting = { minutes: 10, stalled: 2, isOver: false };
    expect(await waitOf(poor)).toEqual(waiting);
    await want(ago(205), ago(205), 'sleep');
    expect(await waitOf(poor)).toEqual(waiting);
    source.answer = usual;
    await makeDue(poor);
    await chunk();
    expect(await waitOf(poor)).toMatchObject({ stalled: 0, isOver: true });
    const failed = `select 1 from app.slice_ledger where outcome = 'failed' and day >= '${ago(203)}' and day <= '${ago(200)}'`;
    expect(await made.query(failed)).toEqual([]);
  });

  test('that bring days go on at once, whatever one dataset does; of days that were not asked one line tells', async () => {
    failing('steps', 'bad_data');
    const window = { from: ago(217), to: ago(209) };
    const { id } = await made.host.backfills.add('garmin', { window, refresh: false });
    const told = made.lines.length;
    await chunk();
    expect(await waitOf(id)).toEqual({ minutes: null, stalled: 0, isOver: false });
    const lines = made.lines.slice(told).filter((line) => line.includes('"metric_type":"steps"'));
    const warned = lines.filter((line) => line.includes('"level":40'));
    expect(warned.filter((line) => line.includes('slice failed'))).toHaveLength(5);
    expect(warned.filter((line) => line.includes('left alone'))).toHaveLength(1);
    await chunk();
    expect(await waitOf(id)).toMatchObject({ isOver: true });
    // Where there is nothing else, as long as the dataset is left alone.
    const alone = await want(ago(246), ago(240), 'steps');
    await chunk();
    expect(await waitOf(alone)).toEqual({ minutes: 1, stalled: 0, isOver: false });
  });

  test('wait where no answer counts, since the sign-in lies ahead of the clock', async () => {
    await made.query(`update app.connection_state set signed_in_at = now() + interval '1 hour'`);
    failing('sleep', 'not_supported');
    const id = await want(ago(221), ago(220), 'sleep');
    await chunk();
    expect(await waitOf(id)).toEqual({ minutes: 5, stalled: 1, isOver: false });
    await made.query('update app.connection_state set signed_in_at = null');
  });

  test('that are refused wait as the schedule does, and so do all others while it waits with that', async () => {
    await made.run();
    failing('login', 'auth');
    await made.query(`update app.connection_state set next_run_at = now() + interval '40 minutes'`);
    const first = await want(ago(231), ago(230), 'sleep');
    await chunk({ intervalSeconds: 10 });
    expect(await waitOf(first)).toEqual({ minutes: 60, stalled: 1, isOver: false });
    const second = await want(ago(233), ago(232), 'sleep');
    expect(await made.host.backfills.openConnections()).toEqual([]);
    expect(await waitOf(second)).toMatchObject({ minutes: 40 });
    source.requests();
    await chunk();
    expect(source.requests()).toEqual([]);
    source.answer = usual;
    await made.run();
    expect(await made.host.backfills.openConnections()).toEqual(['garmin']);
  });
});

describe('otw backfill with a host', () => {
  beforeAll(() => made.host.scheduler.start());

  interface Listed {
    readonly id: string;
    readonly state: string;
  }

  async function api(method: string, path: string, body?: object) {
    const response = await fetch(`${server.url}/v1/connections/garmin/backfills${path}`, {
      method,
      ...(body && { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
    });
    return { status: response.status, body: (await response.json()) as Record<string, unknown> };
  }

  async function stateOf(id: string): Promise<string> {
    const { body } = await api('GET', `/${id}`);
    return (body['backfill'] as Listed).state;
  }

  test('the host does it, and the command follows it to the same end', async () => {
    source.requests();
    const done = await there('backfill', 'garmin', '--from', ago(75), '--to', ago(70), '--json');
    expect(done).toMatchObject({ code: 0 });
    expect(shown(done)).toMatchObject({
      backfill: { state: 'finished', days_total: 12, days_done: 12, days_failed: 0, days_left: 0 },
      left_out: ['weight'],
      error: null,
    });
    expect(
      asked()
        .filter((line) => line.split(' ')[1]! <= ago(70))
        .toSorted(),
    ).toEqual(all(ago(75), ago(70)).toSorted());
  });

  test('what is live comes between two backfills, and --detach does not wait', async () => {
    const holding = Promise.withResolvers<void>();
    const begun = Promise.withResolvers<void>();
    source.hold = () => {
      begun.resolve();
      return holding.promise;
    };
    const ids: string[] = [];
    for (const [from, to] of [
      [ago(85), ago(82)],
      [ago(95), ago(92)],
    ]) {
      const added = await there('backfill', 'garmin', '--from', from!, '--to', to!, '--detach', '--json');
      expect(added).toMatchObject({ code: 0, stderr: expect.stringContaining('does it') });
      expect(shown(added).backfill.state).toBe('open');
      ids.push(shown(added).backfill.id);
    }
    await begun.promise;
    await made.query(`update app.connection_state set next_run_at = now() where connection = 'garmin'`);
    source.hold = undefined;
    holding.resolve();
    for (const id of ids) await expect.poll(() => stateOf(id), { timeout: 20_000 }).toBe('finished');
    const runs = await made.query<{ trigger: string }>(
      `select trigger from app.run order by started_at desc limit 3`,
    );
    expect(runs.map(({ trigger }) => trigger)).toEqual(['backfill', 'schedule', 'backfill']);
    const listed = await there('backfill', 'garmin', '--list', '--json');
    const { backfills } = JSON.parse(listed.stdout) as { backfills: Listed[] };
    expect(backfills.slice(0, 2).map(({ id }) => id)).toEqual(ids.toReversed());
  });

  test('the command says until when the source is left alone, and goes on then', async () => {
    let isAway = true;
    source.answer = (name, window) =>
      isAway && name === 'steps'
        ? { error: { code: 'transient', message: 'it does not answer' } }
        : usual(name, window);
    const range = ['--from', ago(99), '--to', ago(98), '--dataset', 'steps'];
    const going = startOtw(['backfill', 'garmin', ...range, '--api', server.url], options());
    await going.said(/left alone until \d{4}-/);
    isAway = false;
    await made.query('update app.backfill set next_run_at = now() where finished_at is null');
    expect(await going.finished).toMatchObject({ code: 0 });
  });

  test('of a connection that is paused it is refused and not kept, with --detach kept; cancelled it is over', async () => {
    await made.host.connections.setPaused('garmin', true);
    const args = ['backfill', 'garmin', '--from', ago(105), '--to', ago(104)];
    const [{ id: newest }] = (await api('GET', '?limit=1')).body['items'] as [Listed];
    for (const refused of [await there(...args), await here(...args)])
      expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining('otw resume garmin') });
    expect((await api('GET', '?limit=1')).body['items']).toMatchObject([{ id: newest }]);
    const kept = await there(...args, '--detach', '--json');
    expect(kept).toMatchObject({ code: 0, stderr: expect.stringContaining('begins once garmin is resumed') });
    const { id, state } = shown(kept).backfill;
    expect(state).toBe('open');
    expect(await there('backfill', 'garmin', '--cancel', id)).toMatchObject({ code: 0 });
    expect(await stateOf(id)).toBe('cancelled');
    expect(await there('backfill', 'garmin', '--cancel', newest)).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('over before: finished'),
    });
    await made.host.connections.setPaused('garmin', false);
  });

  test('the API refuses what cannot be meant, and finds no backfill of another connection', async () => {
    const refusals = await Promise.all([
      api('POST', '', {}),
      api('POST', '', { from: addDays(today, 1) }),
      api('POST', '', { from: ago(3), to: ago(4) }),
      api('POST', '', { from: ago(3), datasets: ['weight'] }),
      api('POST', '', { from: ago(3), requests: 0 }),
      api('POST', '', { from: ago(3), force: true }),
    ]);
    expect(refusals.map(({ status }) => status)).toEqual([422, 422, 422, 422, 422, 422]);
    expect(refusals[4]?.body['message']).toBe('requests: expected a whole number from 1 to 999999999');
    const strange = await Promise.all([
      api('GET', '/7b0c2f6e-3f53-4a3e-9d0c-2f6e3f534a3e'),
      api('POST', '/not-an-id/cancel'),
    ]);
    expect(strange.map(({ status }) => status)).toEqual([404, 404]);
  });
});
