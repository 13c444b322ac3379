// What it costs to plan a run: reading the ledger, and making the plan of it. Beside it, in the same rounds, the plan that
// reads everything.
import { nextFrontiers, planSlices, readForPlan, type FrontierInput, type Ledger } from '@on-the-way/core';
import { addDays, type DatasetInfo } from '@on-the-way/sdk';
import { coverageOf } from '../host/src/coverage.ts';
import { openDatabase, type Database } from '../host/src/storage/database.ts';
import { createLedgerStore, type LedgerStore } from '../host/src/storage/ledger.ts';
import { limitGoal, type Goal } from './goals.ts';
import { dropDatabase, makeDatabase } from './make-database.ts';
import type { BenchOptions, Part } from './part.ts';

const connections = 100_000;
const today = '2026-02-26';
const now = Date.parse(`${today}T12:00:00+08:00`);
const runId = '00000000-0000-4000-8000-000000000000';
const datasets: readonly DatasetInfo[] = Array.from({ length: 32 }, (_, index) => ({
  name: `dataset_${index}`,
  granularity: 'day',
  spanDays: 1,
  settleDays: 3,
  watched: true,
  description: '',
}));

/** What is planned for: so many days of history, so many of them failed and due. */
interface Subject {
  readonly name: string;
  readonly days: number;
  readonly failed: number;
}

const subjects: readonly Subject[] = [
  { name: '1 month', days: 30, failed: 0 },
  { name: '1 year', days: 365, failed: 0 },
  { name: '3 years', days: 3 * 365, failed: 0 },
  { name: '3 years, 100 days due', days: 3 * 365, failed: 100 },
  { name: '3 years, 1000 days due', days: 3 * 365, failed: 1000 },
];

const ledgerColumns = `connection, dataset, day, outcome, attempts, run_id, plugin_version, first_attempt_at, last_attempt_at`;

/** All connections, each with a claim and a little history. */
async function fill(database: Database): Promise<void> {
  const names = `'connection_' || n from generate_series(1, ${connections}) n`;
  await database.raw(`insert into app.connection_state (connection, backfill_from) select 'connection_' || n, '${today}'
    from generate_series(1, ${connections}) n`);
  await database.raw(
    `insert into app.connection_claim (connection, epoch) select ${names.replace(' from', ', 1 from')}`,
  );
  await database.raw(`insert into app.slice_ledger (${ledgerColumns})
    select 'connection_' || n, 'dataset_0', date '${today}' - back, 'ok', 1, '${runId}', '1', now(), now()
    from generate_series(1, ${connections}) n, generate_series(0, 2) back`);
  await database.raw(`insert into app.dataset_frontier (connection, dataset, from_day, to_day, basis)
    select 'connection_' || n, 'dataset_0', date '${today}' - 60, date '${today}' - 30, '' from generate_series(1, ${connections}) n`);
  for (const { name, days, failed } of subjects) {
    await database.raw(
      `insert into app.slice_ledger (${ledgerColumns})
       select ?, 'dataset_' || n, date '${today}' - back, case when back * 32 + n between 1000 and 999 + ? then 'failed' else 'ok' end,
         1, '${runId}', '1', day_end, day_end
       from generate_series(0, 31) n, generate_series(0, ?::int - 1) back,
         lateral (select least(timestamptz '${today} 11:00+08', date '${today}' - back + interval '20 days') as day_end) at`,
      [name, failed, days],
    );
    await database.raw('insert into app.connection_claim (connection, epoch) values (?, 1)', [name]);
  }
  await database.raw('vacuum analyze app.slice_ledger, app.dataset_frontier, app.connection_claim');
}

interface Times {
  readonly read: number[];
  readonly plan: number[];
  entries: number;
  slices: number;
}

function quantile(values: readonly number[], share: number): number {
  return values.toSorted((a, b) => a - b)[Math.ceil(values.length * share) - 1] ?? Number.NaN;
}

/** As a run does it. */
async function planOnce(ledger: Ledger, { name, days }: Subject, times: Times): Promise<void> {
  const input: FrontierInput = {
    datasets,
    now,
    timeZone: 'Asia/Shanghai',
    windowDays: 3,
    version: '1',
    backfillFrom: addDays(today, 1 - days),
  };
  const began = performance.now();
  const known = await readForPlan(ledger, name, input);
  const read = performance.now();
  const frontiers = nextFrontiers(known);
  const slices = planSlices(known);
  times.plan.push(performance.now() - read);
  times.read.push(read - began);
  times.entries = known.entries.length;
  times.slices = slices.length;
  if (frontiers.length > 0) await ledger.frontiers?.save(frontiers);
}

async function measure(
  store: LedgerStore,
  rounds: number,
): Promise<Map<Subject, { readonly here: Times; readonly all: Times }>> {
  const result = new Map(
    subjects.map((subject) => {
      const none = (): Times => ({ read: [], plan: [], entries: 0, slices: 0 });
      return [subject, { here: none(), all: none() }];
    }),
  );
  const whole = { ...store, record: async () => undefined };
  // The first plans fill the frontiers, and warm the machine up.
  for (let round = -3; round < rounds; round += 1) {
    for (const [subject, { here, all }] of result) {
      const ledger = store.under({ connection: subject.name, epoch: 1 });
      for (let time = 0; time < 10; time += 1) await planOnce(ledger, subject, here);
      if (round % 4 === 0) await planOnce({ read: whole.read, record: whole.record }, subject, all);
      if (round < 0) here.read.length = here.plan.length = all.read.length = all.plan.length = 0;
    }
  }
  return result;
}

function rowOf(subject: Subject, { here, all }: { readonly here: Times; readonly all: Times }) {
  const total = ({ read, plan }: Times): number[] => read.map((ms, index) => ms + (plan[index] ?? 0));
  const [mine, theirs] = [quantile(total(here), 0.5), quantile(total(all), 0.5)];
  return [
    subject.name,
    subject.days * datasets.length,
    here.entries,
    here.slices,
    mine.toFixed(1),
    quantile(total(here), 0.99).toFixed(1),
    quantile(here.read, 0.5).toFixed(1),
    quantile(here.plan, 0.5).toFixed(1),
    theirs.toFixed(1),
    (mine / theirs).toFixed(2),
  ];
}

async function coverageMs(store: LedgerStore, { name, days }: Subject): Promise<number> {
  const window = { from: addDays(today, 1 - days), to: addDays(today, 1) };
  const state = async () => ({ backfillFrom: window.from, datasets });
  const stores = { ledger: store, connections: { state } } as unknown as Parameters<typeof coverageOf>[0];
  const began = performance.now();
  JSON.stringify(await coverageOf(stores, { connection: name, timeZone: 'Asia/Shanghai', now, window }));
  return performance.now() - began;
}

type Plans = Awaited<ReturnType<typeof measure>>;

function p50Of({ here }: { readonly here: Times }): number {
  return quantile(
    here.read.map((ms, index) => ms + (here.plan[index] ?? 0)),
    0.5,
  );
}

function goalsOf(measured: Plans): Goal[] {
  const [month, , threeYears] = [...measured.values()].map(p50Of);
  return [
    limitGoal('plan of 3 years × 32 datasets, p50', { value: threeYears, unit: 'ms', target: 5 }),
    limitGoal('plan of 3 years, p50', {
      value: (threeYears ?? Number.NaN) / (month ?? Number.NaN),
      unit: '×',
      target: 1.1,
      against: 'plan of 1 month',
    }),
  ];
}

const heads = [
  'history',
  'rows',
  'read',
  'slices',
  'p50 ms',
  'p99 ms',
  'reading',
  'planning',
  'all read',
  '÷ all read',
];

/** What planning costs, in a database of its own on the server. */
export async function benchPlanner({ server, full, say }: BenchOptions): Promise<Part> {
  const database = openDatabase(await makeDatabase(server.url, 'bench_planner'), 'Asia/Shanghai');
  try {
    say(`planner: filling the ledger of ${connections} connections`);
    await fill(database);
    const store = createLedgerStore(database, (text) => text);
    const { rows } = await database.raw<{ rows: { n: number }[] }>(
      'select count(*)::int as n from app.slice_ledger',
    );
    say('planner: making plans');
    const measured = await measure(store, full ? 12 : 5);
    const ms = await coverageMs(store, subjects[2]!);
    return {
      title: 'Planning',
      table: { heads, rows: [...measured].map(([subject, times]) => rowOf(subject, times)) },
      notes: [
        `Plans of 32 datasets, ${rows[0]?.n ?? 0} rows in the ledger of ${connections} connections.`,
        `Coverage of three years of 32 datasets: ${Math.round(ms)} ms.`,
      ],
      goals: goalsOf(measured),
    };
  } finally {
    await database.destroy();
    await dropDatabase(server.url, 'bench_planner');
  }
}
