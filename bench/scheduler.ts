// How many due connections a second are begun and ended, with a run that does nothing but its own rows, beside jobs of
// pg-boss alone on the same database in the same minute.
import { randomUUID } from 'node:crypto';
import type { RunSummary } from '@on-the-way/core';
import pg from 'pg';
import { PgBoss } from 'pg-boss';
import type { ConnectionConfig } from '../host/src/config/host-config.ts';
import { createLog } from '../host/src/log.ts';
import { bossOptions } from '../host/src/queue/install.ts';
import { createJobQueue } from '../host/src/queue/job-queue.ts';
import { createRedactor } from '../host/src/redact.ts';
import { AlreadyRunning, type RunRequest, type RunService } from '../host/src/run-service.ts';
import { createScheduler, type Scheduler } from '../host/src/scheduler.ts';
import { createClaimStore } from '../host/src/storage/claims.ts';
import { createConnectionStore } from '../host/src/storage/connections.ts';
import { openDatabase, type Database } from '../host/src/storage/database.ts';
import { createDueRuns } from '../host/src/storage/due-runs.ts';
import { createHostRegistry } from '../host/src/storage/hosts.ts';
import { createRunEndStore } from '../host/src/storage/run-end.ts';
import { createRunStore } from '../host/src/storage/runs.ts';
import { median } from './figures.ts';
import { shown } from './figures-table.ts';
import type { BenchOptions, Part } from './part.ts';
import { inRounds } from './rounds.ts';

const zone = 'Asia/Shanghai';
const connections = 100_000;
const runsAtOnce = 16;
const clean = (text: string): string => text;
const teller = { isWanted: false, host: 'bench', simulated: true };

const names = Array.from({ length: connections }, (_, index) => `account${index}`);

/** A host as `otw start` has it, with a run that has its claim, its row and its end, and nothing in between. */
interface BenchHost {
  readonly scheduler: Scheduler;
  close(): Promise<void>;
}

type Stores = Pick<Parameters<typeof createScheduler>[0], 'runs' | 'states'> & {
  readonly claims: ReturnType<typeof createClaimStore>;
  readonly runEnds: ReturnType<typeof createRunEndStore>;
};

async function emptyRun(
  { runEnds, claims, states }: Stores,
  name: string,
  endsWith: RunRequest['endsWith'],
): Promise<RunSummary> {
  const began = performance.now();
  const startedAt = Date.now();
  const runId = randomUUID();
  await states.state(name);
  const run = () => ({ runId, trigger: 'schedule', startedAt, dayStartedAt: startedAt }) as const;
  const claim = await claims.take(name, { waitMs: 0, runId, begins: { run } });
  if (!claim) throw new AlreadyRunning(name);
  const counts = { slicesPlanned: 0, datasets: {}, requests: 0, finishedAt: Date.now() };
  const summary: RunSummary = { runId, connection: name, status: 'succeeded', startedAt, ...counts };
  const elapsedMs = performance.now() - began;
  await runEnds.record({ summary, elapsedMs, intervalSeconds: 3600, beside: endsWith }, claim);
  await claim.release();
  return summary;
}

function startHost(url: string): BenchHost {
  const database = openDatabase(url, zone);
  const log = createLog({
    redactor: createRedactor(),
    level: 'error',
    pretty: false,
    write: () => undefined,
  });
  const warn = (): void => undefined;
  const life = { database, databaseUrl: url, timeZone: zone, role: 'worker', version: '0', warn };
  const hosts = createHostRegistry(life);
  const runs = createRunStore(database, clean);
  const states = createConnectionStore(database, clean);
  const claims = createClaimStore(database, hosts);
  const runEnds = createRunEndStore({ database, clean, random: Math.random, teller });
  const stores = { runs, states, claims, runEnds };
  const execute: RunService['execute'] = ({ name }, { endsWith }) => emptyRun(stores, name, endsWith);
  const scheduler = createScheduler({
    readsSources: true,
    refusedBasis: async () => undefined,
    // What a connection is read with is of no matter to a run that reads nothing.
    connections: names.map((name) => ({
      name,
      intervalSeconds: 3600,
      timeZone: zone,
      backfillDays: 1,
    })) as unknown as ConnectionConfig[],
    runsAtOnce,
    service: { execute } as unknown as RunService,
    runs,
    states,
    backfills: { openConnections: async () => [], putOff: async () => undefined },
    hosts,
    dueRuns: createDueRuns(database),
    queue: createJobQueue({ database, supervises: true, warn }),
    clock: { now: () => Date.now() },
    pruner: { prune: async () => 0 },
    log,
  });
  return {
    scheduler,
    async close() {
      await scheduler.stop();
      await hosts.leave();
      await database.destroy();
    },
  };
}

async function fill(client: pg.Client): Promise<void> {
  await client.query('truncate app.run, app.connection_state, app.connection_claim, app.connector_health');
  await client.query(
    `insert into app.connection_state (connection, backfill_from, next_run_at)
     select 'account' || n, current_date, now() - interval '1 minute' from generate_series(0, $1::int - 1) as n`,
    [connections],
  );
  await client.query(
    `insert into app.connector_health (connection) select connection from app.connection_state`,
  );
  // They ran before, so that a start has no reason of its own to run them.
  await client.query(
    `insert into app.run (run_id, connection, trigger, status, started_at, finished_at)
     select gen_random_uuid(), connection, 'schedule', 'succeeded', now() - interval '2 hours', now() - interval '2 hours'
     from app.connection_state`,
  );
  await client.query('analyze');
}

async function ended(client: pg.Client): Promise<number> {
  const { rows } = await client.query<{ n: number }>(
    `select count(*)::int as n from app.run where started_at > now() - interval '1 hour' and finished_at is not null`,
  );
  return rows[0]?.n ?? 0;
}

/** How often something is done, and what it costs the process of the hosts. */
interface Measured {
  readonly perSecond: number;
  /** Microseconds of CPU time for each. */
  readonly hostUs: number;
}

const none: Measured = { perSecond: 0, hostUs: 0 };

/** Of the hosts' process: Postgres is another. */
function measuring(): (count: number) => Measured {
  const began = performance.now();
  const cpu = process.cpuUsage();
  return (count) => {
    const { user, system } = process.cpuUsage(cpu);
    return { perSecond: (count / (performance.now() - began)) * 1000, hostUs: (user + system) / count };
  };
}

interface Measurement {
  readonly client: pg.Client;
  readonly url: string;
  readonly measuredMs: number;
}

/** Runs a second of so many hosts of this process, once each has joined and planned. */
async function measure({ client, url, measuredMs }: Measurement, count: number): Promise<Measured> {
  await fill(client);
  const hosts = Array.from({ length: count }, () => startHost(url));
  for (const { scheduler } of hosts) scheduler.start();
  while ((await ended(client)) < 100) await new Promise((resolve) => setTimeout(resolve, 50));
  const before = await ended(client);
  const since = measuring();
  await new Promise((resolve) => setTimeout(resolve, measuredMs));
  const measured = since((await ended(client)) - before);
  await Promise.all(hosts.map(({ close }) => close()));
  return measured;
}

/** The same number of jobs, one by one, in as many turns at once, and nothing done with them. */
async function bossAlone(database: Database, measuredMs: number): Promise<Measured> {
  const boss = new PgBoss({ ...bossOptions(database), supervise: false });
  await boss.start();
  const jobs = names.slice(0, 20_000).map((name) => ({ data: {}, singletonKey: name }));
  for (let at = 0; at < jobs.length; at += 1000) await boss.insert('backfill', jobs.slice(at, at + 1000));
  await database.raw('analyze otw_queue.job_common');
  let done = 0;
  const since = measuring();
  const until = performance.now() + measuredMs / 2;
  const turn = async (): Promise<void> => {
    while (performance.now() < until) {
      const [job] = await boss.fetch('backfill', { batchSize: 1 });
      if (!job) return;
      await boss.deleteJob('backfill', job.id);
      done += 1;
    }
  };
  await Promise.all(Array.from({ length: runsAtOnce }, turn));
  const measured = since(done);
  await boss.deleteAllJobs('backfill');
  await boss.stop({ graceful: false, close: false });
  return measured;
}

/** How many runs a second are begun and ended, on one host and on four in one process. */
export async function benchScheduler({ server: { url }, full, say }: BenchOptions): Promise<Part> {
  const client = new pg.Client(url);
  await client.connect();
  const database = openDatabase(url, zone);
  const measurement = { client, url, measuredMs: full ? 6_000 : 3_000 };
  const ways = [
    {
      name: 'pg-boss alone',
      runs: new Array<Measured>(),
      run: () => bossAlone(database, measurement.measuredMs),
    },
    { name: 'one host', runs: new Array<Measured>(), run: () => measure(measurement, 1) },
    { name: 'four hosts', runs: new Array<Measured>(), run: () => measure(measurement, 4) },
  ];
  await inRounds(full ? 3 : 1, ways, async ({ name, runs, run }) => {
    say(`scheduler: ${name}`);
    runs.push(await run());
  });
  const [alone = none, one = none, four = none] = ways.map(({ runs }) => ({
    perSecond: median(runs.map(({ perSecond }) => perSecond)),
    hostUs: median(runs.map(({ hostUs }) => hostUs)),
  }));
  await client.query('truncate app.run, app.connection_state, app.connection_claim, app.connector_health');
  await database.destroy();
  await client.end();
  const row = (way: string, { perSecond, hostUs }: Measured) => [
    way,
    Math.round(perSecond),
    shown(perSecond / alone.perSecond, 2),
    Math.round(hostUs),
  ];
  const rate = { sense: 'at least', basis: 'all' } as const;
  return {
    title: 'Beginning runs',
    table: {
      heads: ['way', 'per second', '÷ pg-boss alone', 'host µs'],
      rows: [
        row('pg-boss alone: a job fetched and deleted', alone),
        row('1 host: a due connection begun and ended', one),
        row('4 hosts in one process', four),
      ],
    },
    notes: [
      `${connections} connections in the tables, all due; ${runsAtOnce} runs at a time a host, fsync on.`,
    ],
    goals: [
      {
        what: 'runs begun and ended, 1 host',
        against: '',
        value: one.perSecond,
        unit: '/s',
        target: 200,
        ...rate,
      },
      {
        what: 'runs begun and ended, 4 hosts',
        against: 'pg-boss alone',
        value: four.perSecond / alone.perSecond,
        unit: '×',
        target: 0.8,
        ...rate,
      },
    ],
  };
}
