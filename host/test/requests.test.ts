import { addDays, ConnectorError, daysOf } from '@on-the-way/sdk';
import { afterEach, describe, expect, test } from 'vitest';
import type { ConnectionConfig } from '../src/config/host-config.ts';
import { createSignInPauses } from '../src/storage/sign-in-pauses.ts';
import { createMigratedDatabase, type TestDatabase } from './postgres.ts';
import { everyDay, scriptedPlugin, startScriptedSource, type ScriptedSource } from './scripted-source.ts';
import { createTestHost, fakeClock, type FakeClock, type TestHost } from './test-host.ts';

// How much a run asks of its source: marks, passes, absence, budgets, pauses.
const noon = '2026-03-18T12:00:00+08:00';
const today = '2026-03-18';
const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});

type Datasets = Readonly<Record<string, Readonly<Record<string, unknown>>>>;
interface Made extends TestHost {
  readonly clock: FakeClock;
  readonly source: ScriptedSource;
}

async function setUp(
  datasets: Datasets,
  change: Partial<ConnectionConfig> = {},
  shared?: { database: TestDatabase; source: ScriptedSource; clock: FakeClock },
): Promise<Made> {
  const source = shared?.source ?? (await startScriptedSource());
  if (!shared) closing.push(() => source.close());
  const clock = shared?.clock ?? fakeClock(noon);
  const made = await createTestHost({
    clock,
    ...(shared && { databaseUrl: shared.database.url }),
    connection: { plugin: scriptedPlugin, config: { origin: source.origin, datasets }, ...change },
  });
  closing.push(() => made.close());
  return { ...made, clock, source };
}

/** What of the datasets was asked for since last time. */
function dataAsked({ source }: Made): string[] {
  return source.requests().filter((line) => !/^(login|last-change|marks)/.test(line));
}

const scheduled = { trigger: 'schedule' } as const;
const watched = { watched: true, settleDays: 14 };

describe('a run that says how many requests it made', () => {
  test('counts the login and every request, and app.run has it', async () => {
    const made = await setUp({ steps: {} });
    const summary = await made.run();
    expect(summary.requests).toBe(made.source.requests().length);
    // login, last change, ten days.
    expect(summary.requests).toBe(12);
    expect(await made.query('select requests, skipped from app.run')).toEqual([
      { requests: 12, skipped: null },
    ]);
    const line = made.lines.map((text) => JSON.parse(text) as Record<string, unknown>);
    expect(line.find(({ msg }) => msg === 'run finished')).toMatchObject({ requests: 12 });
  });

  test('counts those of a login that was refused', async () => {
    const made = await setUp({ steps: {} });
    made.source.answer = () => ({ error: { code: 'auth', message: 'no' } });
    expect(await made.run()).toMatchObject({ status: 'failed', requests: 1, error: { code: 'auth' } });
  });
});

describe('a watched dataset', () => {
  test('is asked for the days whose mark is another one than last time, and for today', async () => {
    const made = await setUp({ steps: watched, weight: { granularity: 'range', spanDays: 28 } });
    const marks: Record<string, string> = Object.fromEntries(
      daysOf({ from: '2026-03-01', to: '2026-03-20' }).map((day) => [day, 'a']),
    );
    made.source.answer = (name, window) =>
      name === 'marks' ? { marks } : window.from === '' ? {} : everyDay(window);
    await made.run({ trigger: 'schedule' });
    expect(dataAsked(made)).toHaveLength(10 + 1);
    made.clock.advance({ hours: 1 });
    marks['2026-03-17'] = 'b';
    await made.run({ trigger: 'schedule' });
    expect(dataAsked(made).toSorted()).toEqual([
      'steps 2026-03-17',
      'steps 2026-03-18',
      'weight 2026-03-16..2026-03-18',
    ]);
    made.clock.advance({ hours: 1 });
    await made.run({ trigger: 'schedule' });
    expect(dataAsked(made)).not.toContain('steps 2026-03-17');
  });

  test('has its mark kept while asking fails', async () => {
    const made = await setUp({ steps: watched }, { windowDays: 1, backfillDays: 1 });
    let broken = false;
    const fine = { marks: { [today]: 'a' } };
    made.source.answer = (name, window) => {
      if (name === 'marks') return fine;
      if (name !== 'steps') return {};
      return broken ? { error: { code: 'source', message: 'no' } } : everyDay(window);
    };
    await made.run();
    broken = true;
    expect((await made.run()).datasets['steps']).toMatchObject({ failed: 1 });
    expect(await made.query('select mark, outcome from app.slice_ledger')).toEqual([
      { mark: 'a', outcome: 'failed' },
    ]);
  });
});

describe('a scheduled run', () => {
  async function passed(): Promise<{ made: Made; say: (change: string) => void }> {
    const made = await setUp({ steps: {}, weight: {} });
    let change = 'first';
    made.source.answer = (name, window) =>
      name === 'last-change' ? { change } : window.from === '' ? {} : everyDay(window);
    await made.run(scheduled);
    made.source.requests();
    made.clock.advance({ hours: 1 });
    return { made, say: (next) => (change = next) };
  }

  test('is skipped while nothing changed, which costs two requests and counts as a good run', async () => {
    const { made } = await passed();
    expect(await made.run(scheduled)).toMatchObject({ status: 'succeeded', slicesPlanned: 0, requests: 2 });
    expect(made.source.requests()).toEqual(['login', 'last-change']);
    const [run] = await made.host.runs.list({ limit: 1 });
    expect(run).toMatchObject({
      status: 'succeeded',
      requests: 2,
      skipped: expect.stringContaining('nothing new'),
    });
    const [health] = await made.host.connections.health(['garmin']);
    expect(health).toMatchObject({ lastStatus: 'ok', successCount: 2 });
  });

  test('is made once something changed, and that is then what later runs compare with', async () => {
    const { made, say } = await passed();
    say('second');
    expect((await made.run(scheduled)).skipped).toBeUndefined();
    expect(dataAsked(made)).not.toEqual([]);
    expect((await made.run(scheduled)).skipped).toBeDefined();
  });

  test('is made once on each day, whether something changed or not', async () => {
    const { made } = await passed();
    made.clock.set('2026-03-19T00:30:00+08:00');
    expect((await made.run(scheduled)).skipped).toBeUndefined();
    expect(dataAsked(made)).toContain('steps 2026-03-19');
    made.clock.advance({ hours: 1 });
    expect((await made.run(scheduled)).skipped).toBeDefined();
  });

  test('is never skipped when a person starts it', async () => {
    const { made } = await passed();
    await made.run();
    expect(dataAsked(made)).not.toEqual([]);
  });

  test('is made again after one that did not go through, until what failed has an answer', async () => {
    const { made, say } = await passed();
    const { answer } = made.source;
    made.source.answer = (name, window) =>
      name === 'weight' ? { error: { code: 'source', message: 'no' } } : answer(name, window);
    say('second');
    expect((await made.run(scheduled)).status).toBe('partial');
    expect((await made.run(scheduled)).status).toBe('partial');
    made.source.answer = answer;
    expect(await made.run(scheduled)).toMatchObject({ status: 'succeeded' });
    expect((await made.run(scheduled)).skipped).toBeDefined();
  });
});

describe('a dataset the source has none of', () => {
  const range = { granularity: 'range', spanDays: 28 };

  async function refused(): Promise<Made> {
    const made = await setUp({ steps: range, hill: range });
    made.source.answer = (name, window) => {
      if (name === 'hill') return { error: { code: 'not_supported', message: 'No device measures it' } };
      return window.from === '' ? {} : everyDay(window);
    };
    await made.run();
    made.source.requests();
    return made;
  }
  const ofHill = (made: Made) => dataAsked(made).filter((line) => line.startsWith('hill'));

  test('is recorded without asking for a week, with its reason, then asked for again', async () => {
    const made = await refused();
    for (let day = 1; day < 7; day += 1) {
      made.clock.advance({ days: 1 });
      const { datasets } = await made.run();
      expect(datasets['hill']).toMatchObject({ not_supported: 1 });
    }
    expect(ofHill(made)).toEqual([]);
    expect(
      await made.query(
        `select attempts, error_message as message from app.slice_ledger where dataset = 'hill' and day = '2026-03-24'`,
      ),
    ).toEqual([{ attempts: 0, message: 'No device measures it (so since 2026-03-09; asked again weekly)' }]);
    made.clock.advance({ days: 1 });
    await made.run();
    expect(ofHill(made)).toEqual(['hill 2026-03-23..2026-03-25']);
  });

  test('has the days it missed read once it answers', async () => {
    const made = await refused();
    made.clock.advance({ days: 6 });
    await made.run();
    made.source.answer = (_name, window) => (window.from === '' ? {} : everyDay(window));
    made.clock.advance({ days: 1 });
    await made.run();
    await made.run();
    const left = await made.query(
      `select day::text from app.slice_ledger where dataset = 'hill' and outcome <> 'ok' and day > '${today}'`,
    );
    expect(left).toEqual([]);
  });

  test('is asked for at once when a person has signed in, or names it', async () => {
    const made = await refused();
    made.clock.advance({ hours: 1 });
    await made.run({ onlyDatasets: ['hill'] });
    expect(ofHill(made)).not.toEqual([]);
    made.clock.advance({ hours: 1 });
    await made.run();
    expect(ofHill(made)).toEqual([]);
    await createSignInPauses(made.host.database).signedIn('garmin', new Date(made.clock.now()));
    made.clock.advance({ hours: 1 });
    await made.run();
    expect(ofHill(made)).toEqual(['hill 2026-03-09..2026-03-18']);
  });
});

describe('a budget of requests', () => {
  test('ends a run when it is spent; the runs after it go on and complete', async () => {
    const made = await setUp({ steps: {}, weight: {} }, { requestsPerRun: 10 });
    const first = await made.run();
    expect(first).toMatchObject({ status: 'partial', requests: 10, error: { code: 'budget_spent' } });
    expect(first.datasets).toMatchObject({ steps: { failed: 0 }, weight: { failed: 0 } });
    const [health] = await made.host.connections.health(['garmin']);
    expect(health).toMatchObject({ lastStatus: 'ok', lastErrorCode: null });
    let last = first;
    for (let runs = 0; runs < 8 && last.status !== 'succeeded'; runs += 1) last = await made.run();
    expect(last.status).toBe('succeeded');
    const [left] = await made.query<{ days: number }>(
      `select count(*)::int as days from app.slice_ledger where outcome = 'ok'`,
    );
    expect(left).toEqual({ days: 20 });
    expect(made.source.requests().filter((line) => line === 'steps 2026-03-09')).toHaveLength(1);
  });

  test('of a day holds over all its runs, and is full again at midnight', async () => {
    const made = await setUp({ steps: {} }, { requestsPerDay: 15 });
    expect(await made.run()).toMatchObject({ status: 'succeeded', requests: 12 });
    expect(await made.run()).toMatchObject({ requests: 3, error: { code: 'budget_spent' } });
    made.source.requests();
    const refused = await made.run();
    expect(refused).toMatchObject({
      status: 'partial',
      requests: 0,
      error: { code: 'budget_spent', retryAfterMs: 12 * 3_600_000 },
    });
    expect(made.source.requests()).toEqual([]);
    made.clock.set('2026-03-19T00:00:00+08:00');
    expect((await made.run()).status).toBe('succeeded');
  });

  test('of a day is half for backfills, so that what is live gets its part', async () => {
    const made = await setUp({ steps: {} }, { requestsPerDay: 40 });
    expect(await made.run()).toMatchObject({ status: 'succeeded', requests: 12 });
    const window = { from: '2025-01-01', to: '2025-03-01' };
    const { id } = await made.host.backfills.add('garmin', { window, refresh: false });
    const request = { trigger: 'backfill', backfillId: id } as const;
    expect(await made.run(request)).toMatchObject({ requests: 8, error: { code: 'budget_spent' } });
    const error = { code: 'budget_spent', retryAfterMs: 12 * 3_600_000 };
    expect(await made.run(request)).toMatchObject({ requests: 0, error });
    const [{ hours }] = (await made.query(
      `select round(extract(epoch from next_run_at - now()) / 3600)::int as hours from app.backfill`,
    )) as [{ hours: number }];
    expect(hours).toBe(12);
    expect(await made.run()).toMatchObject({ status: 'succeeded' });
    made.clock.set('2026-03-19T00:00:00+08:00');
    expect(await made.run(request)).toMatchObject({ requests: 20 });
  });

  test('of a day has the requests of sign-in, check and recording counted in', async () => {
    const made = await setUp({ steps: {} }, { requestsPerDay: 15 });
    const { service, signIns } = made.host;
    const { signal } = new AbortController();
    await service.withConnector(made.connection, { signal }, async () => undefined);
    await signIns.signIn(made.connection, { signal, signIn: { way: 'ask' } });
    await service.withRecording(made.connection, { signal, record: () => undefined }, async () => ({}));
    expect(made.source.requests()).toEqual(['login', 'login', 'login']);
    expect(await made.run()).toMatchObject({ status: 'succeeded', requests: 12 });
    expect(await made.run()).toMatchObject({ requests: 0, error: { code: 'budget_spent' } });
    made.clock.set('2026-03-19T00:00:00+08:00');
    expect((await made.run()).status).toBe('succeeded');
  });

  test('is one budget though the connector is opened again', async () => {
    const made = await setUp({ dies: {}, steps: {} }, { requestsPerRun: 6, backfillDays: 3 });
    made.source.answer = (name, window) =>
      name === 'dies' ? { exit: true } : window.from === '' ? {} : everyDay(window);
    const summary = await made.run();
    expect(summary).toMatchObject({ requests: 6, error: { code: 'budget_spent' } });
    expect(made.source.requests()).toEqual([
      'login',
      'last-change',
      'dies 2026-03-18',
      'login',
      'steps 2026-03-18',
      'steps 2026-03-17',
    ]);
    // What died failed, and that is told before the budget.
    const [health] = await made.host.connections.health(['garmin']);
    expect(health).toMatchObject({ lastStatus: 'error', lastErrorCode: 'slices_failed' });
  });
});

describe('a rate limit without a stated time', () => {
  const minutes = async (made: Made): Promise<number> => {
    const { notBefore } = await made.host.connections.state('garmin');
    return ((notBefore?.getTime() ?? 0) - made.clock.now()) / 60_000;
  };

  test('pauses for half an hour, twice as long each further time, also over a restart, until a run goes otherwise', async () => {
    const database = await createMigratedDatabase();
    closing.push(() => database.drop());
    const source = await startScriptedSource();
    closing.push(() => source.close());
    const clock = fakeClock(noon);
    const limited = { error: { code: 'rate_limited', message: 'HTTP 429', status: 429 } } as const;
    source.answer = () => limited;
    for (const pause of [30, 60, 120, 240, 240]) {
      const made = await setUp({ steps: {} }, {}, { database, source, clock });
      const summary = await made.run();
      expect(summary).toMatchObject({ error: { code: 'rate_limited', retryAfterMs: pause * 60_000 } });
      expect(await minutes(made)).toBe(pause);
      source.requests();
      clock.advance({ hours: pause / 60 - 0.01 });
      expect((await made.run()).error?.code).toBe('rate_limited');
      expect(source.requests()).toEqual([]);
      clock.advance({ hours: 0.01 });
    }
    const made = await setUp({ steps: {} }, {}, { database, source, clock });
    source.answer = (_name, window) => (window.from === '' ? {} : everyDay(window));
    expect((await made.run()).status).toBe('succeeded');
    source.answer = () => limited;
    await made.run();
    expect(await minutes(made)).toBe(30);
  });

  test('is told apart from a stated time, which holds as it is and lengthens nothing', async () => {
    const made = await setUp({ steps: {} });
    const limited = { code: 'rate_limited', message: 'HTTP 429' } as const;
    for (const [retryAfterMs, pause] of [
      [undefined, 30],
      [900_000, 15],
      [undefined, 60],
    ] as const) {
      made.source.answer = () => ({ error: { ...limited, ...(retryAfterMs && { retryAfterMs }) } });
      await made.run();
      expect(await minutes(made)).toBe(pause);
      made.clock.advance({ hours: pause / 60 });
    }
  });
});

test('one day that cannot be read costs that day of a span of 28, and only as many requests as halves', async () => {
  const made = await setUp({ weight: { granularity: 'range', spanDays: 28 } }, { backfillDays: 28 });
  const bad = addDays(today, -11);
  made.source.answer = (_name, window) => {
    if (window.from === '') return {};
    const broken = daysOf(window).includes(bad);
    return broken ? { error: { code: 'bad_data', message: 'not a number' } } : everyDay(window);
  };
  const { datasets } = await made.run();
  expect(datasets['weight']).toMatchObject({ ok: 27, failed: 1 });
  expect(dataAsked(made).length).toBeLessThanOrEqual(11);
  made.clock.advance({ hours: 1 });
  await made.run();
  expect(dataAsked(made)).toEqual(['weight 2026-03-16..2026-03-18', `weight ${bad}`]);
});

test('a note of the source stands in the ledger beside its day', async () => {
  const made = await setUp({ steps: {} }, { windowDays: 1, backfillDays: 1 });
  made.source.answer = (_name, window) =>
    window.from === '' ? {} : { records: [{ day: window.from, data: 1, note: 'offloaded' }] };
  await made.run();
  expect(await made.query('select note from app.slice_ledger')).toEqual([{ note: 'offloaded' }]);
});

describe('a sign-in that is refused', () => {
  const refusal = { code: 'rate_limited', message: 'HTTP 429', status: 429, refusedSignIn: true } as const;
  const twoHours = 2 * 3_600_000;
  const { signal } = new AbortController();
  const doors: Readonly<Record<string, (made: Made) => Promise<unknown>>> = {
    'a run': async (made) => (await made.run(scheduled)).error,
    'a check': (made) => made.host.service.withConnector(made.connection, { signal }, async () => undefined),
    'a recording': (made) =>
      made.host.service.withRecording(made.connection, { signal, record: () => undefined }, async () => ({})),
    'a recording under way': (made) =>
      made.host.service.withRecording(made.connection, { signal, record: () => undefined }, async () => {
        throw new ConnectorError('rate_limited', 'HTTP 429', { refusedSignIn: true });
      }),
    'a sign-in': (made) => made.host.signIns.signIn(made.connection, { signal, signIn: { way: 'ask' } }),
  };
  const pause = async ({ host, clock }: Made): Promise<number> =>
    ((await createSignInPauses(host.database).read('garmin'))?.until.getTime() ?? 0) - clock.now();

  test.each(Object.keys(doors))('by %s pauses sign-ins and not questions', async (name) => {
    const made = await setUp({ steps: {} });
    const { answer } = made.source;
    made.source.answer = () => ({ error: refusal });
    const failed = await doors[name]?.(made).catch((error: unknown) => error);
    expect(failed).toMatchObject({ code: 'rate_limited', refusedSignIn: true, retryAfterMs: twoHours });
    expect(await pause(made)).toBe(twoHours);
    expect((await made.host.connections.state('garmin')).notBefore).toBeNull();
    made.source.requests();
    made.source.answer = answer;
    expect((await made.run(scheduled)).status).toBe('succeeded');
    expect(made.source.requests()[0]).toBe('login-paused');
    await made.host.service.withConnector(made.connection, { signal }, async () => undefined);
    await made.host.service.withRecording(
      made.connection,
      { signal, record: () => undefined },
      async () => ({}),
    );
    expect(made.source.requests()).toEqual(['login-paused', 'login-paused']);
  });

  test('by the connector itself in a pause does not make it longer; after the pause a refusal doubles it', async () => {
    const made = await setUp({ steps: {} });
    made.source.answer = () => ({ error: refusal });
    await made.run(scheduled);
    made.clock.advance({ hours: 1 });
    made.source.answer = () => ({ error: { ...refusal, retryAfterMs: twoHours / 2 } });
    expect(await made.run(scheduled)).toMatchObject({ error: { retryAfterMs: twoHours / 2 } });
    expect(await pause(made)).toBe(twoHours / 2);
    made.clock.advance({ hours: 1 });
    made.source.requests();
    expect(await made.run(scheduled)).toMatchObject({ error: { retryAfterMs: 2 * twoHours } });
    expect(made.source.requests()).toEqual(['login']);
  });

  test('pauses nothing once another host has the connection, and the run is told of as taken over', async () => {
    const made = await setUp({ steps: {} });
    const told: unknown[] = [];
    made.host.bus.on('run:finished', ({ status, error }) => told.push([status, error?.code]));
    made.source.answer = () => ({ error: refusal });
    made.source.hold = async () => {
      await made.query('update app.connection_claim set epoch = epoch + 1');
    };
    await expect(made.run(scheduled)).rejects.toMatchObject({ code: 'fenced' });
    const recording = made.host.service.withRecording(
      made.connection,
      { signal, record: () => undefined },
      async () => ({}),
    );
    await expect(recording).rejects.toMatchObject({ code: 'fenced' });
    expect(await createSignInPauses(made.host.database).read('garmin')).toBeUndefined();
    expect(told).toEqual([['interrupted', 'fenced']]);
  });
});
