import { randomBytes } from 'node:crypto';
import { utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
import type { QueueName } from '../src/queue/install.ts';
import type { Job, NewJob } from '../src/queue/job.ts';
import { refusedBasisOf } from '../src/refused-basis.ts';
import { createSignInPauses } from '../src/storage/sign-in-pauses.ts';
import { createOtherHost } from './other-host.ts';
import { temporaryFolder } from './otw.ts';
import { createMigratedDatabase, type TestDatabase } from './postgres.ts';
import { everyDay, scriptedPlugin, startScriptedSource, type ScriptedSource } from './scripted-source.ts';
import { createTestHost, type TestHost, type TestHostOptions } from './test-host.ts';

// Hosts of one database, each with its own sessions and queue; the machine and the processes of connectors are the same.
let database: TestDatabase;
let source: ScriptedSource;
let hosts: TestHost[] = [];

beforeAll(async () => {
  database = await createMigratedDatabase();
  source = await startScriptedSource();
});
afterAll(async () => {
  await source.close();
  await database.drop();
});
afterEach(async () => {
  source.hold = undefined;
  source.answer = (name, window) => (window.from === '' || name === 'marks' ? {} : everyDay(window));
  await Promise.all(hosts.map(stopped));
  hosts = [];
});

async function stopped(host: TestHost): Promise<void> {
  await host.host.scheduler.stop();
  await host.close();
}

async function createHost(
  name: string,
  { intervalSeconds, ...options }: TestHostOptions & { readonly intervalSeconds?: number } = {},
): Promise<TestHost> {
  const config = { origin: source.origin, datasets: { steps: {} } };
  const connection = { name, plugin: scriptedPlugin, config, backfillDays: 1, windowDays: 1 };
  const every = intervalSeconds !== undefined && { intervalSeconds };
  const made = await createTestHost({
    databaseUrl: database.url,
    connection: { ...connection, ...every },
    ...options,
  });
  const names = [name, ...(options.otherNames ?? [])];
  await made.host.connections.ensure(names);
  // As if they had run an hour from now less their interval: nothing is due before a test says so.
  await made.query(`insert into app.run (run_id, connection, trigger, status, started_at, finished_at)
    select gen_random_uuid(), name, 'schedule', 'succeeded', now(), now() from unnest(string_to_array('${names.join()}', ',')) as name`);
  await made.query(
    `update app.connection_state set next_run_at = now() + interval '1 hour', backfill_from = current_date - 1
     where connection = any(string_to_array('${names.join()}', ','))`,
  );
  hosts.push(made);
  return made;
}

interface Shown {
  readonly connection: string;
  readonly trigger: string;
  readonly status: string;
}

/** Runs that are no test's own invention, in the order of their begin. */
const runsOf = (host: TestHost, ...names: string[]) =>
  host.query<Shown>(`select connection, trigger, status from app.run where epoch is not null
    and connection = any(string_to_array('${names.join()}', ',')) order by started_at`);

const makeDue = (host: TestHost, name: string, ago = '0 seconds') =>
  host.query(
    `update app.connection_state set next_run_at = now() - interval '${ago}' where connection = '${name}'`,
  );

const minutesToNext = async (host: TestHost, name: string): Promise<number> => {
  const [row] = await host.query<{ minutes: number }>(
    `select (extract(epoch from next_run_at - now()) / 60)::float8 as minutes from app.connection_state where connection = '${name}'`,
  );
  return row?.minutes ?? Number.NaN;
};

const soon = { timeout: 20_000, interval: 25 };

function ended(host: TestHost, count: number, ...names: string[]): Promise<void> {
  return vi.waitFor(async () => {
    const runs = await runsOf(host, ...names);
    expect(runs.filter(({ status }) => status !== 'running' && status !== 'queued')).toHaveLength(count);
  }, soon);
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

/** How many days of January have data. */
async function daysOf(host: TestHost, name: string): Promise<number> {
  const [row] = await host.query<{ days: number }>(
    `select count(*)::int as days from app.slice_ledger where connection = '${name}' and outcome = 'ok'
       and day >= '2026-01-01' and day < '2026-02-01'`,
  );
  return row?.days ?? 0;
}

const add = (host: TestHost, ...jobs: NewJob[]) => host.host.queue.add('run', jobs);

/** Takes the only job that is there. */
async function takeOne({ host }: TestHost, queue: QueueName = 'run'): Promise<Job> {
  const [job] = await host.queue.take(queue, { limit: 1, isMine: () => true });
  if (!job) throw new Error('Expected a job, found none');
  return job;
}

test('of two hosts one begins a connection that is due, 20 times in a row, and its runs never overlap', async () => {
  const one = await createHost('shared');
  const other = await createHost('shared');
  one.host.scheduler.start();
  other.host.scheduler.start();
  for (let tick = 1; tick <= 20; tick += 1) {
    await makeDue(one, 'shared');
    await one.host.hosts.wake();
    await ended(one, tick, 'shared');
  }
  const [{ overlaps, makers } = { overlaps: -1, makers: -1 }] = await one.query<{
    overlaps: number;
    makers: number;
  }>(
    `select count(*) filter (where exists (select from app.run as other where other.connection = run.connection
         and other.epoch is not null and other.run_id <> run.run_id
         and other.started_at < run.finished_at and run.started_at < other.finished_at))::int as overlaps,
       count(distinct host_id)::int as makers
     from app.run where connection = 'shared' and epoch is not null`,
  );
  expect(overlaps).toBe(0);
  expect(makers).toBeGreaterThanOrEqual(1);
});

test('an interval of thirty days, more than a timer of Node can wait for, makes one run and not one after the other', async () => {
  const host = await createHost('monthly', { intervalSeconds: 2_592_000, otherNames: ['hourly'] });
  host.host.scheduler.start();
  await makeDue(host, 'monthly');
  await ended(host, 1, 'monthly');
  for (let count = 1; count <= 3; count += 1) {
    await makeDue(host, 'hourly');
    await ended(host, count, 'hourly');
  }
  expect(await runsOf(host, 'monthly')).toHaveLength(1);
  expect(await minutesToNext(host, 'monthly')).toBeGreaterThan(43_000);
});

test('ticks that were missed are one run, and the next one is an interval later; nobody need wake the host for it', async () => {
  const host = await createHost('missed');
  host.host.scheduler.start();
  await makeDue(host, 'missed', '5 hours');
  await ended(host, 1, 'missed');
  expect(await minutesToNext(host, 'missed')).toBeGreaterThan(59);
  expect(await minutesToNext(host, 'missed')).toBeLessThan(62);
  expect(await runsOf(host, 'missed')).toHaveLength(1);
});

test('a connection that is paused is left alone over a start, and runs at once when it is resumed elsewhere', async () => {
  const host = await createHost('paused', { otherNames: ['beside'] });
  await host.host.connections.setPaused('paused', true);
  await makeDue(host, 'paused');
  host.host.scheduler.start();
  await makeDue(host, 'beside');
  await ended(host, 1, 'beside');
  expect(await runsOf(host, 'paused')).toEqual([]);
  const elsewhere = await createHost('nothing');
  await host.query(`update app.connection_state set next_run_at = now() where connection = 'paused'`);
  await elsewhere.host.connections.setPaused('paused', false);
  await elsewhere.host.scheduler.lookAgain();
  await ended(host, 1, 'paused');
});

test('a run that wanted a person is followed by one as soon as the person has signed in; others stay where they were', async () => {
  const host = await createHost('wants', { otherNames: ['content'] });
  await host.query(
    `update app.connector_health set last_error_code = 'needs_user' where connection = 'wants'`,
  );
  const pauses = createSignInPauses(host.host.database);
  await pauses.signedIn('wants', new Date());
  await pauses.signedIn('content', new Date());
  host.host.scheduler.start();
  await ended(host, 1, 'wants');
  expect(await minutesToNext(host, 'content')).toBeGreaterThan(50);
});

test('a start does not repeat a sign-in that was refused within the hour, unless what it signs in with has changed', async () => {
  const sessionKey = { value: randomBytes(32).toString('base64') };
  const host = await createHost('refused', { otherNames: ['beside_it'], sessionKey });
  source.answer = (name) => (name === 'login' ? { error: { code: 'auth', message: 'no' } } : {});
  await host.run({ trigger: 'schedule' });
  host.host.scheduler.start();
  await makeDue(host, 'beside_it');
  await ended(host, 1, 'beside_it');
  expect(await runsOf(host, 'refused')).toHaveLength(1);
  expect(await minutesToNext(host, 'refused')).toBeGreaterThan(58);
  const config = { ...host.connection.config, datasets: { steps: {}, sleep: {} } };
  const connection = { ...host.connection, config };
  const changed = await createTestHost({ databaseUrl: database.url, connection, sessionKey });
  hosts.push(changed);
  changed.host.scheduler.start();
  await ended(host, 2, 'refused');
  expect(await minutesToNext(host, 'refused')).toBeGreaterThan(58);
  // What is an hour ago is tried again.
  await host.query(
    `update app.run set finished_at = now() - interval '59 minutes' where connection = 'refused'`,
  );
  await host.host.dueRuns.plan([
    {
      connection: 'refused',
      intervalSeconds: 86_400,
      backfillFrom: '2026-03-18',
      refusedBasis: (
        await host.query<{ basis: string }>(
          `select refused_basis as basis from app.connection_state where connection = 'refused'`,
        )
      )[0]?.basis,
    },
  ]);
  expect(await minutesToNext(host, 'refused')).toBeLessThan(2);
});

test('token files say what they say, whenever they were written on a machine', async () => {
  const [here, there] = [temporaryFolder(), temporaryFolder()];
  const sessions = { digest: async (text: string) => text };
  const basisOf = (tokenDir: string) =>
    refusedBasisOf(
      { baseDir: import.meta.dirname, sessions },
      { plugin: scriptedPlugin, config: {}, tokenDir },
    );
  for (const { path } of [here, there]) writeFileSync(join(path, 'oauth.json'), '"one"');
  utimesSync(join(there.path, 'oauth.json'), 0, 0);
  expect(await basisOf(there.path)).toBe(await basisOf(here.path));
  writeFileSync(join(there.path, 'oauth.json'), '"two"');
  expect(await basisOf(there.path)).not.toBe(await basisOf(here.path));
  for (const { remove } of [here, there]) remove();
});

test('with room for one, what was asked for goes first, then what is due, then what is tried again', async () => {
  const host = await createHost('live', { otherNames: ['retry', 'asked'], runsAtOnce: 1 });
  await Promise.all(['live', 'retry', 'asked'].map((name) => makeDue(host, name)));
  const runId = crypto.randomUUID();
  await add(host, { connection: 'retry', reason: 'retry' }, { connection: 'live', reason: 'live' });
  await host.host.runs.ask({ runId, connection: 'asked' }, async () => undefined);
  await add(host, { connection: 'asked', reason: 'asked', asked: { runId } });
  await host.query(`update app.connection_state set next_run_at = now() + interval '50 seconds'`);
  host.host.scheduler.start();
  await ended(host, 3, 'live', 'retry', 'asked');
  const order = (await runsOf(host, 'live', 'retry', 'asked')).map(({ connection }) => connection);
  expect(order).toEqual(['asked', 'live', 'retry']);
});

test('a host that reads no source queues the run that a person asks for, and tells its id; a second one is refused', async () => {
  const api = await createHost('wished', { role: 'api' });
  api.host.scheduler.start();
  const runId = await api.host.scheduler.run('wished', { onlyDatasets: ['steps'] });
  expect(await api.host.runs.get(runId)).toMatchObject({ status: 'queued', trigger: 'person' });
  await expect(api.host.scheduler.run('wished', {})).rejects.toMatchObject({ code: 'already_running' });
  const worker = await createHost('wished');
  worker.host.scheduler.start();
  await ended(api, 1, 'wished');
  expect(await api.host.runs.get(runId)).toMatchObject({ status: 'succeeded' });
  expect(await minutesToNext(api, 'wished')).toBeGreaterThan(50);
});

test('a connection that only another host has in its configuration is left to that one', async () => {
  const first = await createHost('mine');
  first.host.scheduler.start();
  await makeDue(first, 'mine');
  await ended(first, 1, 'mine');
  const second = await createHost('yours');
  await add(second, { connection: 'yours', reason: 'live' });
  await second.query(
    `update app.connection_state set next_run_at = now() + interval '30 seconds' where connection = 'yours'`,
  );
  await makeDue(first, 'mine');
  await first.host.hosts.wake();
  await ended(first, 2, 'mine');
  // It was not even taken and given back.
  expect(
    await first.query(`select state, started_on from otw_queue.job where singleton_key = 'yours'`),
  ).toEqual([{ state: 'created', started_on: null }]);
  for (let time = 0; time < 4; time += 1) await second.host.queue.giveBack(await takeOne(second), 0);
  second.host.scheduler.start();
  await ended(second, 1, 'yours');
});

test('a run of everything by a person puts off the one that is waiting; one of some datasets does not', async () => {
  const host = await createHost('due', { runsAtOnce: 1 });
  await host.query(
    `update app.connection_state set next_run_at = now() + interval '30 seconds' where connection = 'due'`,
  );
  await add(host, { connection: 'due', reason: 'live' });
  await host.run({ onlyDatasets: ['steps'] });
  expect(await minutesToNext(host, 'due')).toBeLessThan(1);
  await host.run();
  expect(await minutesToNext(host, 'due')).toBeGreaterThan(59);
  host.host.scheduler.start();
  await vi.waitFor(async () => expect(await host.host.queue.counts()).toEqual([]), soon);
  expect(await runsOf(host, 'due')).toHaveLength(2);
});

/** A job that three hosts have begun and none has ended. */
async function addFatal(host: TestHost, job: NewJob, queue: QueueName = 'run'): Promise<void> {
  await host.host.queue.add(queue, [job]);
  for (let ends = 0; ends < 3; ends += 1) {
    const { id } = await takeOne(host, queue);
    await host.host.queue.handOver([id]);
  }
}

test('what ended one host after another, though days were answered on the way, is gone on with', async () => {
  const host = await createHost('long', { otherNames: ['longer'] });
  await host.run();
  await addFatal(host, { connection: 'long', reason: 'live' });
  await makeDue(host, 'long');
  host.host.scheduler.start();
  await vi.waitFor(async () => expect(await runsOf(host, 'long')).toHaveLength(2), soon);
});

test('what ended one host after another is left alone for an interval', async () => {
  const host = await createHost('poison');
  await addFatal(host, { connection: 'poison', reason: 'live' });
  await host.query(`update app.connection_state set next_run_at = now() + interval '30 seconds'`);
  host.host.scheduler.start();
  await vi.waitFor(async () => expect(await host.host.queue.counts()).toEqual([]), soon);
  expect(await runsOf(host, 'poison')).toEqual([]);
  expect(await minutesToNext(host, 'poison')).toBeGreaterThan(58);
});

test('a wish that ended one host after another is not begun again, nor a backfill before an interval has passed', async () => {
  const host = await createHost('wish', { otherNames: ['past'] });
  const runId = crypto.randomUUID();
  await host.host.runs.ask({ runId, connection: 'wish' }, async () => undefined);
  await addFatal(host, { connection: 'wish', reason: 'asked', asked: { runId } });
  // As whoever finds a host dead leaves it.
  await host.query(
    `update app.run set status = 'interrupted', error_code = 'host_ended' where run_id = '${runId}'`,
  );
  const window = { from: '2026-01-01', to: '2026-01-03' };
  await host.host.backfills.add('past', { window, refresh: false });
  await addFatal(host, { connection: 'past', reason: 'backfill' }, 'backfill');
  host.host.scheduler.start();
  await vi.waitFor(async () => expect(await host.host.queue.counts()).toEqual([]), soon);
  expect(await host.host.runs.get(runId)).toMatchObject({ status: 'failed', errorCode: 'host_ended' });
  const others = (await runsOf(host, 'wish', 'past')).filter(({ trigger }) => trigger !== 'schedule');
  expect(others).toEqual([]);
  expect(await host.host.backfills.openConnections()).toEqual([]);
  expect(host.lines.join('')).toMatch(/not begun again/);
});

test('a run whose job is gone is told as failed; a job of another version is left, and others go on', async () => {
  const host = await createHost('usual', { otherNames: ['lost', 'odd'], runsAtOnce: 1 });
  const runId = crypto.randomUUID();
  await host.host.runs.ask({ runId, connection: 'lost' }, async () => undefined);
  await add(host, { connection: 'odd', reason: 'live' }, { connection: 'usual', reason: 'live' });
  await host.query(
    `update otw_queue.job set priority = 100, data = data || '{"reason":"tomorrow"}' where singleton_key = 'odd'`,
  );
  await host.query(`update app.connection_state set next_run_at = now() + interval '50 seconds'`);
  host.host.scheduler.start();
  await ended(host, 1, 'usual');
  expect(await host.host.runs.get(runId)).toMatchObject({ status: 'failed', errorCode: 'not_begun' });
  await expect
    .poll(() => host.host.queue.counts(), soon)
    .toEqual([{ queue: 'run', state: 'later', count: 1 }]);
  expect(host.lines.join('')).toMatch(/a job is left to other hosts/);
  await host.query('delete from otw_queue.job');
});

test('a host that reads no source tells of runs that no host has and no job is for', async () => {
  const api = await createHost('lost_here', { role: 'api', otherNames: ['lost_there'] });
  const [asked, left] = [crypto.randomUUID(), crypto.randomUUID()];
  await api.host.runs.ask({ runId: asked, connection: 'lost_here' }, async () => undefined);
  await api.query(`insert into app.run (run_id, connection, trigger, status, started_at, epoch)
    values ('${left}', 'lost_there', 'person', 'running', now(), 1)`);
  api.host.scheduler.start();
  await expect
    .poll(() => api.host.runs.get(asked), soon)
    .toMatchObject({ status: 'failed', errorCode: 'not_begun' });
  await expect
    .poll(() => api.host.runs.get(left), soon)
    .toMatchObject({ status: 'interrupted', errorCode: 'host_ended' });
});

test('a host that was just built takes 40 wishes at once', async () => {
  const names = Array.from({ length: 40 }, (_, index) => `wish${index}`);
  const api = await createHost('wish', { role: 'api', otherNames: names });
  expect(new Set(await Promise.all(names.map((name) => api.host.scheduler.run(name, {}))))).toHaveLength(40);
  await api.query('delete from otw_queue.job');
});

test.each(['api', 'all'] as const)(
  "a person's run that a stop breaks off goes on elsewhere under its id; a host of role %s was asked",
  async (role) => {
    const name = `broken_off_${role}`;
    const host = await createHost(name, { role: 'all' });
    const asked = role === 'all' ? host : await createHost(name, { role });
    const held = holdSource();
    host.host.scheduler.start();
    const only = { from: '2026-01-01', to: '2026-02-01' };
    const runId = await asked.host.scheduler.run(name, { only });
    await held.reached;
    const stop = host.host.scheduler.stop();
    held.letGo();
    await stop;
    const run = await asked.host.runs.get(runId);
    expect(run).toMatchObject({ status: 'queued', finishedAt: null });
    await host.query(
      `update app.run set started_at = started_at - interval '1 day' where run_id = '${runId}'`,
    );
    const other = await createHost(name);
    other.host.scheduler.start();
    await ended(other, 1, name);
    expect(await asked.host.runs.get(runId)).toMatchObject({
      status: 'succeeded',
      requests: expect.toSatisfy((made: number) => made > (run?.requests ?? 0)),
    });
    // What it asked yesterday is not of today's budget.
    const all = (await asked.host.runs.get(runId))?.requests ?? 0;
    const today = await asked.host.runs.requestsSince(name, Date.now() - 3_600_000);
    expect(today).toBe(all - (run?.requests ?? 0));
    expect(await daysOf(host, name)).toBe(31);
  },
);

test("a person's run goes on elsewhere under its id, with its days, when the host that was asked and began it is held to be dead", async () => {
  const name = 'asked_of_the_dead';
  const host = await createHost(name);
  const other = await createHost(name);
  const held = holdSource();
  host.host.scheduler.start();
  const only = { from: '2026-01-01', to: '2026-02-01' };
  const runId = await host.host.scheduler.run(name, { only });
  await held.reached;
  source.hold = undefined;
  other.host.scheduler.start();
  const [{ id } = { id: '' }] = await host.query<{ id: string }>(
    `select host_id as id from app.run where run_id = '${runId}'`,
  );
  await vi.waitFor(async () => {
    // With its session open it says that it is there in between.
    await host.query(`update app.host set seen_at = now() - interval '1 minute' where host_id = '${id}'`);
    await other.host.hosts.reap();
    expect(await host.query(`select from app.host where host_id = '${id}'`)).toEqual([]);
  }, soon);
  await vi.waitFor(
    async () => expect(await host.host.runs.get(runId)).toMatchObject({ status: 'succeeded' }),
    soon,
  );
  held.letGo();
  expect(await daysOf(host, name)).toBe(31);
});

test.each(['succeeded', 'queued'] as const)(
  "a person's run whose end (%s) the database does not take goes on under its id",
  async (end) => {
    const name = `not_written_${end}`;
    const host = await createHost(name);
    const held = holdSource();
    const only = { from: '2026-01-01', to: '2026-02-01' };
    host.host.scheduler.start();
    const runId = await host.host.scheduler.run(name, { only });
    await held.reached;
    await host.query(`create function app.refuse_end() returns trigger language plpgsql as $$ begin
      raise exception 'going down' using errcode = '57P01'; end $$`);
    await host.query(`create trigger refuse_end before update on app.run for each row
      when (new.run_id = '${runId}' and new.status = '${end}') execute function app.refuse_end()`);
    const stopping = end === 'queued' ? host.host.scheduler.stop() : undefined;
    held.letGo();
    await stopping;
    await vi.waitFor(() => expect(host.lines.join('')).toMatch(/going down/), soon);
    await host.query('drop function app.refuse_end cascade');
    const other = await createHost(name);
    other.host.scheduler.start();
    await vi.waitFor(
      async () => expect(await host.host.runs.get(runId)).toMatchObject({ status: 'succeeded' }),
      soon,
    );
    expect(await daysOf(host, name)).toBe(31);
  },
);

test('a connection that is due while the job of its last run is still there runs as soon as that is gone', async () => {
  const host = await createHost('again', { otherNames: ['next'] });
  await add(host, { connection: 'again', reason: 'live' });
  const job = await takeOne(host);
  await makeDue(host, 'again');
  await makeDue(host, 'next');
  host.host.scheduler.start();
  await ended(host, 1, 'next');
  await host.host.queue.done(job);
  await ended(host, 1, 'again');
});

test('what a dead host had goes before what has waited longer, however much that is', async () => {
  const names = Array.from({ length: 40 }, (_, index) => `waits${index}`);
  const host = await createHost('had', { otherNames: names });
  await add(host, ...['had', ...names].map((connection): NewJob => ({ connection, reason: 'live' })));
  const jobs = await host.host.queue.take('run', { limit: 41, isMine: () => true });
  const had = jobs.find(({ connection }) => connection === 'had');
  for (const job of jobs) if (job !== had) await host.host.queue.giveBack(job, 0);
  await host.host.queue.handOver([had?.id ?? '']);
  const first = await takeOne(host);
  expect(first.connection).toBe('had');
  await host.host.queue.done(first);
  for (const job of await host.host.queue.take('run', { limit: 41, isMine: () => true }))
    await host.host.queue.done(job);
});

test('a host that was held to be dead goes on with what nobody has handed over', async () => {
  const host = await createHost('frozen');
  host.host.scheduler.start();
  const held = holdSource();
  await makeDue(host, 'frozen');
  await held.reached;
  source.hold = undefined;
  const other = createOtherHost({ databaseUrl: database.url });
  // With its session open it comes before the host itself.
  await other.hosts.reap();
  await host.query(`update app.host set seen_at = now() - interval '1 minute'`);
  await other.hosts.reap();
  // As when it was due again while its job was still there.
  await host.query(
    `update app.connection_state set next_run_at = now() + interval '59 seconds' where connection = 'frozen'`,
  );
  await other.close();
  await vi.waitFor(async () => {
    expect((await runsOf(host, 'frozen')).map(({ status }) => status)).toEqual(['interrupted', 'succeeded']);
  }, soon);
  held.letGo();
});

test('a stop lets the slice under way end, and whoever is there goes on', async () => {
  const host = await createHost('stopping');
  const other = await createHost('stopping');
  host.host.scheduler.start();
  const held = holdSource();
  await makeDue(host, 'stopping');
  await held.reached;
  const stop = host.host.scheduler.stop();
  other.host.scheduler.start();
  held.letGo();
  await stop;
  await vi.waitFor(async () => {
    const runs = await runsOf(host, 'stopping');
    expect(runs.at(-1)).toMatchObject({ status: 'succeeded' });
    expect(runs.every(({ status }) => ['succeeded', 'interrupted'].includes(status))).toBe(true);
  }, soon);
});

test('a clock that is a day ahead makes nothing due, and the log says that it is wrong', async () => {
  const clock = { now: () => Date.now() + 86_400_000 };
  const host = await createHost('ahead', { clock, otherNames: ['now'] });
  host.host.scheduler.start();
  await makeDue(host, 'now');
  await ended(host, 1, 'now');
  expect(await runsOf(host, 'ahead')).toEqual([]);
  expect(host.lines.join('')).toMatch(/clock of this host is not that of the database/);
});
