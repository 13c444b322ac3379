import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import pg from 'pg';
import { figuresOf, median, type Sample } from './figures.ts';
import { percent, shown } from './figures-table.ts';
import { limitGoal, rateGoal, type Goal } from './goals.ts';
import { startMeasuring } from './measure.ts';
import type { BenchOptions, Part } from './part.ts';
import { inRounds, runLine, type Line } from './rounds.ts';
import { writePosted } from './make-workloads.ts';

const many = 64;

/** How long a load lasts, milliseconds, and how often. */
interface Plan {
  readonly rounds: number;
  readonly longMs: number;
  readonly shortMs: number;
  /** Rows that P3 writes. */
  readonly rows: number;
}

const plans: Readonly<Record<'short' | 'full', Plan>> = {
  short: { rounds: 3, longMs: 1_200, shortMs: 400, rows: 10_000 },
  full: { rounds: 5, longMs: 4_000, shortMs: 1_500, rows: 50_000 },
};

/** What a load came to. */
interface Load {
  readonly count: number;
  readonly perSecond: number;
  /** Milliseconds. */
  readonly p50: number;
  readonly p99: number;
  /** Answers that said to come back. */
  readonly refused: number;
}

/** A load as a sample: what served it is the client here, the host for a POST. */
interface Measured extends Load {
  readonly sample: Sample;
}

function program(name: string, ...args: readonly string[]) {
  const flags = process.execArgv.filter((flag) => flag.startsWith('--conditions'));
  const child = spawn(process.execPath, [...flags, join(import.meta.dirname, name), ...args], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  return { child, lines: createInterface(child.stdout)[Symbol.asyncIterator]() };
}

interface Variant {
  readonly name: string;
  readonly kind: string;
  readonly connections: number;
  readonly isLong: boolean;
  /** Events a request. */
  readonly each: number;
  readonly base: string;
}

const insertMany = 'INSERT, 64 connections';
const postMany = 'POST, 64 connections';
const postBatch = 'POST of 1000, 2 connections';
const p3 = 'P3: COPY, merge, conflicts';
const insertAlone = 'INSERT, alone';
const getAlone = 'GET of nothing, alone';
const postAlone = 'POST, alone';

const variants: readonly Variant[] = [
  { name: insertMany, kind: 'insert', connections: many, isLong: true, each: 1, base: insertMany },
  { name: postMany, kind: 'post', connections: many, isLong: true, each: 1, base: insertMany },
  { name: p3, kind: 'merge', connections: 1, isLong: true, each: 1000, base: p3 },
  { name: 'INSERT of 1000 rows', kind: 'insertMany', connections: 1, isLong: true, each: 1000, base: p3 },
  { name: postBatch, kind: 'batch', connections: 2, isLong: true, each: 1000, base: p3 },
  { name: insertAlone, kind: 'insert', connections: 1, isLong: false, each: 1, base: insertAlone },
  { name: getAlone, kind: 'nothing', connections: 1, isLong: false, each: 1, base: insertAlone },
  { name: postAlone, kind: 'post', connections: 1, isLong: false, each: 1, base: insertAlone },
];

const bodyBytes = 576;

/** What is measured: the host's API, its process, its database, and the postmaster. */
interface Subject {
  readonly api: string;
  readonly pid: number | undefined;
  readonly url: string;
  readonly server: number;
}

/** Something to be asked for. */
interface Asked {
  readonly kind: string;
  readonly target: string;
  readonly connections: number;
  readonly ms: number;
}

/** A load that has warmed up; its connections are open until it is ended. */
async function openLoad({ kind, target, connections, ms }: Asked) {
  const { child, lines } = program('load.ts', kind, target, String(connections), String(ms));
  const next = async <T>(): Promise<T> => {
    const { value } = await lines.next();
    if (typeof value !== 'string') throw new Error(`Expected the load ${kind} to tell what it did`);
    return JSON.parse(value) as T;
  };
  const { warmed } = await next<{ readonly warmed: number }>();
  return {
    warmed,
    run(): Promise<Load> {
      child.stdin.write('go\n');
      return next<Load>();
    },
    async end(): Promise<void> {
      const exited = once(child, 'exit');
      child.stdin.end();
      await exited;
    },
  };
}

/** P3 of the rows that are posted elsewhere, in its own process. */
function p3Line({ url }: Subject, folder: string, { rows }: Plan): Line {
  const task = {
    kind: 'merge',
    url,
    folder,
    workload: 'posted',
    rows,
    warmRows: 1000,
    transactionRows: 20_000,
  } as const;
  const expected = rows + task.warmRows;
  const empties = ['raw.raw_event', 'app.request_audit'];
  return { name: p3, task, rowBytes: bodyBytes, empties, expected, counted: 'raw.raw_event', conflicts: 0 };
}

async function measureLoad(
  { name, kind, connections, isLong, each }: Variant,
  { subject, client, plan }: { readonly subject: Subject; readonly client: pg.Client; readonly plan: Plan },
): Promise<Measured> {
  await client.query('truncate raw.raw_event, app.request_audit');
  await client.query('checkpoint');
  const isInsert = kind.startsWith('insert');
  const target = isInsert ? subject.url : subject.api;
  const load = await openLoad({ kind, target, connections, ms: isLong ? plan.longMs : plan.shortMs });
  const used = startMeasuring({ server: subject.server, client: subject.pid });
  const done = await load.run();
  const { clientUs, serverUs, others } = used();
  await load.end();
  const { rows: found } = await client.query<{ n: number }>('select count(*)::int as n from raw.raw_event');
  const rows = done.count * each;
  const expected = kind === 'nothing' ? 0 : rows + load.warmed * each;
  if (found[0]?.n !== expected)
    throw new Error(`Expected ${expected} rows after ${name}, found ${found[0]?.n}`);
  const ms = (done.count / done.perSecond) * 1000;
  const hostUs = isInsert ? undefined : clientUs;
  const sample = { rows, bytes: rows * bodyBytes, ms, clientUs: hostUs, serverUs, others, rssMb: undefined };
  return { ...done, sample };
}

async function measure(
  subject: Subject,
  { options, client }: { readonly options: BenchOptions; readonly client: pg.Client },
): Promise<Map<string, Measured[]>> {
  const plan = plans[options.full ? 'full' : 'short'];
  const loads = new Map<string, Measured[]>(variants.map(({ name }) => [name, []]));
  writePosted(options.folder, { rows: plan.rows, warm: 1000 });
  const first = await openLoad({ kind: 'post', target: subject.api, connections: many, ms: plan.shortMs });
  await first.run();
  await first.end();
  await inRounds(plan.rounds, variants, async (variant, round) => {
    options.say(`http: round ${round + 1} of ${plan.rounds}, ${variant.name}`);
    if (variant.kind !== 'merge')
      loads.get(variant.name)?.push(await measureLoad(variant, { subject, client, plan }));
    else {
      const sample = await runLine(p3Line(subject, options.folder, plan), subject.server);
      const none = { count: 0, perSecond: Number.NaN, p50: Number.NaN, p99: Number.NaN, refused: 0 };
      loads.get(variant.name)?.push({ ...none, sample });
    }
  });
  return loads;
}

/** Posting over HTTP beside the same insert done by as many connections, each from a process of its own. */
export async function benchHttp(options: BenchOptions): Promise<Part> {
  const { url, pid: server } = options.server;
  const client = new pg.Client(url);
  await client.connect();
  const { child, lines } = program('http-server.ts', url);
  try {
    const { value: api } = await lines.next();
    if (typeof api !== 'string') throw new Error('Expected the host to say where it is');
    const loads = await measure({ api, pid: child.pid, url, server }, { options, client });
    return partOf(loads);
  } finally {
    child.stdin.end();
    await once(child, 'exit');
    await client.end();
  }
}

function partOf(loads: ReadonlyMap<string, readonly Measured[]>): Part {
  const of = (name: string) => loads.get(name) ?? [];
  const figures = (name: string) => figuresOf(of(name).map(({ sample }) => sample));
  const time = (name: string, key: 'p50' | 'p99') => median(of(name).map((done) => done[key]));
  const rows = variants.map(({ name, base }) => {
    const own = figures(name);
    const { value } = rateGoal(name, base, { mine: own, base: figures(base), target: 1 });
    return [
      name,
      shown(own.rate),
      own.quiet ? `${shown(own.quiet.rate)} (${own.quiet.runs})` : '–',
      base === name ? '' : shown(value, 2),
      base === name ? '' : (base.split(':')[0] ?? ''),
      shown(time(name, 'p50'), 1),
      shown(time(name, 'p99'), 1),
      name.startsWith('P3') ? '–' : shown(own.clientUs),
      shown(own.serverUs),
      percent(own.others),
    ];
  });
  const added = time(postAlone, 'p50') - time(insertAlone, 'p50') - time(getAlone, 'p50');
  const refused = [...loads.values()].flat().reduce((sum, done) => sum + done.refused, 0);
  const heads = [
    'way',
    'events/s',
    'quiet (n)',
    '÷',
    'of',
    'p50 ms',
    'p99 ms',
    'host µs',
    'server µs',
    'others',
  ];
  return {
    title: 'Posting',
    table: { heads, rows },
    notes: [
      `Bodies of ${bodyBytes} bytes; host µs is CPU of the host's process an event, server µs that of Postgres.`,
      `A lone POST takes ${added.toFixed(1)} ms more than its INSERT and an empty request together.`,
      ...(refused > 0 ? [`${refused} requests were told to come back, and did: the machine was busy.`] : []),
    ],
    goals: goalsOf({ figures, time, added }),
  };
}

function goalsOf({
  figures,
  time,
  added,
}: {
  readonly figures: (name: string) => ReturnType<typeof figuresOf>;
  readonly time: (name: string, key: 'p50' | 'p99') => number;
  readonly added: number;
}): Goal[] {
  const rate = (what: string, [mine, base]: readonly [string, string], target: number) =>
    rateGoal(what, base, { mine: figures(mine), base: figures(base), target });
  return [
    rate('POST on 64 connections', [postMany, insertMany], 0.6),
    limitGoal('p99 of POST on 64 connections', {
      value: time(postMany, 'p99') / time(insertMany, 'p99'),
      unit: '×',
      target: 1.5,
      against: insertMany,
    }),
    limitGoal('what a lone POST adds', {
      value: added,
      unit: 'ms',
      target: 2,
      against: 'INSERT and empty GET, alone',
    }),
    rate('NDJSON of 1000 a request', [postBatch, p3], 0.7),
  ];
}
