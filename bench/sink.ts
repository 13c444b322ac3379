// How fast records reach raw.raw_event, beside what Postgres itself can do and what one would write without thinking.
import { join } from 'node:path';
import { mkdirSync } from 'node:fs';
import pg from 'pg';
import { figuresOf, type Figures, type Sample } from './figures.ts';
import { figuresTable } from './figures-table.ts';
import { limitGoal, rateGoal, type Goal } from './goals.ts';
import type { BenchOptions, Part } from './part.ts';
import { inRounds, runLine, type Line } from './rounds.ts';
import type { Task, VariantKind } from './variants.ts';
import { changedEvery, writeWorkloads, type Sizes, type Workload } from './make-workloads.ts';
import { fillKnown } from './known-rows.ts';
import { dropDatabase, makeDatabase } from './make-database.ts';
import { heapTable, makeHeapTable } from './wire-copy.ts';
import { largeBytes, smallBytes } from './workload.ts';

interface Plan extends Sizes {
  readonly rounds: number;
  /** Rows of the table that is replayed into. */
  readonly known: number;
  /** Of the one variant that takes a millisecond a row. */
  readonly rowByRow: number;
}

const plans: Readonly<Record<'short' | 'full', Plan>> = {
  short: { rounds: 3, small: 20_000, warm: 3_000, large: 500, largeWarm: 40, known: 50_000, rowByRow: 600 },
  full: {
    rounds: 5,
    small: 100_000,
    warm: 20_000,
    large: 4_000,
    largeWarm: 100,
    known: 1_000_000,
    rowByRow: 5_000,
  },
};

const smallTransaction = 20_000;
const largeTransaction = 500;

/** A variant: how, of which records, where, and what it is compared with. */
interface Variant {
  readonly name: string;
  readonly kind: VariantKind;
  readonly workload?: Workload;
  /** Into the table that has these keys already. */
  readonly known?: boolean;
  readonly base?: string;
}

const p3 = 'P3: COPY, merge, conflicts';
const p3x2 = 'P3x2: the same on two connections';
const sinkAlone = 'sink alone, events prepared';
const fresh = 'sink from records, fresh';
const p3Replay = 'P3, replay';
const p3Conflicts = 'P3, 5 % conflicts';
const p3Large = 'P3, 28 KB';

const variants: readonly Variant[] = [
  { name: 'P1: COPY, unlogged, no index', kind: 'heap', base: p3 },
  { name: 'P2: COPY into the table', kind: 'table', base: p3 },
  { name: p3, kind: 'merge', base: p3 },
  { name: p3x2, kind: 'mergeTwice', base: p3 },
  { name: 'knex, row by row', kind: 'knexRow', base: p3 },
  { name: 'knex, 1000 rows, ignore', kind: 'knexMany', base: p3 },
  { name: sinkAlone, kind: 'sink', base: p3x2 },
  { name: fresh, kind: 'fromWire', base: p3 },
  { name: 'child → host → sink', kind: 'wholeWay', base: sinkAlone },
  { name: p3Replay, kind: 'merge', known: true, base: p3Replay },
  { name: 'sink from records, replay', kind: 'fromWire', known: true, base: p3Replay },
  { name: p3Conflicts, kind: 'merge', workload: 'changed', known: true, base: p3Conflicts },
  {
    name: 'sink from records, 5 % conflicts',
    kind: 'fromWire',
    workload: 'changed',
    known: true,
    base: p3Conflicts,
  },
  { name: p3Large, kind: 'merge', workload: 'large', base: p3Large },
  { name: 'sink from records, 28 KB', kind: 'fromWire', workload: 'large', base: p3Large },
];

/** Rows that there must be afterwards. */
function expectedRows({ kind, known = false }: Variant, task: Task, plan: Plan): number {
  if (known) return plan.known;
  if (kind === 'knexRow') return task.rows + 100;
  if (kind === 'knexMany') return task.rows + Math.min(1000, task.warmRows);
  return task.rows + task.warmRows;
}

interface Places {
  readonly folder: string;
  /** The database that is emptied before each run, and the one that has all rows already. */
  readonly empty: string;
  readonly known: string;
}

function lineOf(variant: Variant, plan: Plan, { folder, empty, known }: Places): Line {
  const { name, kind, workload = 'small' } = variant;
  const isLarge = workload === 'large';
  const rows = isLarge ? plan.large : plan.small;
  const task: Task = {
    kind,
    folder,
    workload,
    url: variant.known === true ? known : empty,
    rows: kind === 'knexRow' ? plan.rowByRow : rows,
    warmRows: isLarge ? plan.largeWarm : plan.warm,
    transactionRows: isLarge ? largeTransaction : smallTransaction,
  };
  return {
    name,
    task,
    rowBytes: isLarge ? largeBytes : smallBytes,
    ...(variant.known !== true && { empties: ['raw.raw_event', heapTable] }),
    expected: expectedRows(variant, task, plan),
    counted: kind === 'heap' ? heapTable : 'raw.raw_event',
    conflicts: workload === 'changed' ? Math.ceil(rows / changedEvery) : 0,
  };
}

async function makePlaces({ server, folder, say }: BenchOptions, plan: Plan): Promise<Places> {
  say('sink: making the workloads');
  const own = join(folder, 'workloads');
  mkdirSync(own);
  writeWorkloads(own, plan);
  const [empty, known] = [
    await makeDatabase(server.url, 'bench_sink'),
    await makeDatabase(server.url, 'bench_known'),
  ];
  const client = new pg.Client(empty);
  await client.connect();
  await client.query(makeHeapTable);
  await client.end();
  say(`sink: filling the table that is replayed into with ${plan.known} rows`);
  await fillKnown(known, plan.known);
  return { folder: own, empty, known };
}

function goalsOf(of: (name: string) => Figures): Goal[] {
  const mine = of(fresh);
  const p3Of = of(p3);
  const serverShare =
    mine.serverUs === undefined || p3Of.serverUs === undefined ? undefined : mine.serverUs / p3Of.serverUs;
  const rate = (what: string, names: readonly [string, string], target: number): Goal =>
    rateGoal(what, names[1], { mine: of(names[0]), base: of(names[1]), target });
  const many = 'knex, 1000 rows, ignore';
  const single = 'knex, row by row';
  return [
    rate('fresh records of 0.5 KB', [fresh, p3], 1.1),
    rate('fresh records of 0.5 KB', [fresh, p3x2], 0.65),
    limitGoal('server CPU a fresh row', { value: serverShare, unit: '×', target: 1.1, against: p3 }),
    limitGoal('client CPU a fresh record', { value: mine.clientUs, unit: 'µs', target: 30 }),
    rate('the sink alone, events prepared', [sinkAlone, p3x2], 0.9),
    rate('replay of known records', ['sink from records, replay', p3Replay], 1.2),
    rate('5 % conflicts, each reported', ['sink from records, 5 % conflicts', p3Conflicts], 1.1),
    rate('records of 28 KB', ['sink from records, 28 KB', p3Large], 1.1),
    rate('fresh records of 0.5 KB', [fresh, many], 2),
    rate('fresh records of 0.5 KB', [fresh, single], 19.8),
    rate('whole way: child → host → sink', ['child → host → sink', sinkAlone], 0.8),
    limitGoal('peak RSS of host and child while loading', {
      value: of('child → host → sink').rssMb,
      unit: 'MB',
      target: 200,
    }),
  ];
}

/** The writing of events: what Postgres can do, what one would write, what we do. */
export async function benchSink(options: BenchOptions): Promise<Part> {
  const plan = plans[options.full ? 'full' : 'short'];
  const places = await makePlaces(options, plan);
  const samples = new Map<string, Sample[]>(variants.map(({ name }) => [name, []]));
  await inRounds(plan.rounds, variants, async (variant, round) => {
    options.say(`sink: round ${round + 1} of ${plan.rounds}, ${variant.name}`);
    samples.get(variant.name)?.push(await runLine(lineOf(variant, plan, places), options.server.pid));
  });
  for (const name of ['bench_sink', 'bench_known']) await dropDatabase(options.server.url, name);
  const figures = new Map([...samples].map(([name, of]) => [name, figuresOf(of)]));
  const of = (name: string): Figures => figures.get(name) ?? figuresOf([]);
  const lines = variants.map(({ name, base }) => ({
    name,
    figures: of(name),
    base: base === undefined || base === name ? undefined : { name: base.split(':')[0]!, figures: of(base) },
  }));
  return {
    title: 'Writing',
    table: figuresTable(lines),
    notes: [
      `${plan.small} records of ${smallBytes} bytes a run (${plan.large} of ${largeBytes} for 28 KB, ${plan.rowByRow} for knex row by row), ${plan.rounds} rounds, fsync on; replay and conflicts into a table of ${plan.known} rows.`,
      'P1, P2, P3 and the sink alone have their rows prepared; knex and "from records" parse, and make the canonical form, the hashes and the envelope.',
    ],
    goals: goalsOf(of),
  };
}
