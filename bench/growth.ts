// Whether the rate and the memory stay as the table grows.
import { fork } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { once } from 'node:events';
import { join } from 'node:path';
import pg from 'pg';
import { figuresOf, type Figures, type Sample } from './figures.ts';
import { figuresTable, shown } from './figures-table.ts';
import { limitGoal, rateGoal } from './goals.ts';
import type { GrowthTask, Grown } from './growth-process.ts';
import { makeDatabase } from './make-database.ts';
import { startMeasuring } from './measure.ts';
import type { BenchOptions, Part } from './part.ts';
import { smallBytes } from './workload.ts';

/** From how many rows to how many; each end is measured over so many rows, so often. */
interface Plan {
  readonly from: number;
  readonly to: number;
  readonly measured: number;
  readonly runs: number;
  /** Rows after which memory is looked at first. */
  readonly early: number;
}

const plans: Readonly<Record<'short' | 'full', Plan>> = {
  short: { from: 100_000, to: 1_000_000, measured: 20_000, runs: 3, early: 50_000 },
  full: { from: 1_000_000, to: 10_000_000, measured: 100_000, runs: 5, early: 100_000 },
};

// Of a row with its four indexes, its WAL, and what is left over between two checkpoints.
const bytesPerRow = 2_000;

async function checkRoom(folder: string, rows: number): Promise<void> {
  const { bavail, bsize } = await statfs(folder);
  const [free, needed] = [bavail * bsize, rows * bytesPerRow + 3e9];
  if (free < needed)
    throw new Error(
      `Expected ${Math.ceil(needed / 1e9)} GB free in ${folder}, found ${Math.floor(free / 1e9)}: set TMPDIR to a larger disk`,
    );
}

/** The process that writes, from the first row to the last. */
interface Grower {
  /** Writes so many rows more. */
  grow(rows: number): Promise<Sample>;
  end(): Promise<void>;
}

async function startGrower(url: string, server: number): Promise<Grower> {
  const child = fork(join(import.meta.dirname, 'growth-process.ts'), { stdio: ['ignore', 2, 2, 'ipc'] });
  const exited = once(child, 'exit');
  const ask = async (task: GrowthTask): Promise<Grown> => {
    const answer = once(child, 'message');
    child.send(task);
    const gone = exited.then(() => {
      throw new Error('Expected the rows to be written, but the process ended');
    });
    return ((await Promise.race([answer, gone])) as [Grown])[0];
  };
  await ask({ url, rows: 0 });
  return {
    async grow(rows) {
      const used = startMeasuring({ server, client: child.pid });
      const { ms, cpuUs, rssMb } = await ask({ url, rows });
      const { serverUs, others } = used();
      return { rows, bytes: rows * smallBytes, ms, clientUs: cpuUs, serverUs, others, rssMb };
    },
    async end() {
      child.kill();
      await exited;
    },
  };
}

interface Grew {
  readonly small: Figures;
  readonly large: Figures;
  readonly earlyRssMb: number | undefined;
  readonly lateRssMb: number | undefined;
}

async function measure({ server, say }: BenchOptions, plan: Plan, url: string): Promise<Grew> {
  const client = new pg.Client(url);
  await client.connect();
  const grower = await startGrower(url, server.pid);
  const several = async (): Promise<Figures> => {
    const samples: Sample[] = [];
    for (let run = 0; run < plan.runs; run += 1) {
      await client.query('checkpoint');
      samples.push(await grower.grow(plan.measured));
    }
    return figuresOf(samples);
  };
  try {
    say(`growth: the first ${plan.from} rows`);
    const { rssMb: earlyRssMb } = await grower.grow(plan.early);
    await grower.grow(plan.from - plan.early);
    const small = await several();
    for (let rows = plan.from; rows < plan.to; rows += plan.from) {
      say(`growth: from ${rows} to ${rows + plan.from} rows`);
      await grower.grow(Math.min(plan.from, plan.to - rows));
    }
    const before = await grower.grow(0);
    return { small, large: await several(), earlyRssMb, lateRssMb: before.rssMb };
  } finally {
    await grower.end();
    await client.end();
  }
}

/** Loads a table until it is ten times as large, and measures at both ends. */
export async function benchGrowth(options: BenchOptions): Promise<Part> {
  const plan = plans[options.full ? 'full' : 'short'];
  mkdirSync(options.folder, { recursive: true });
  await checkRoom(options.folder, plan.to);
  const url = await makeDatabase(options.server.url, 'bench_growth');
  const { small, large, earlyRssMb, lateRssMb } = await measure(options, plan, url);
  const rows = (count: number) => (count >= 1e6 ? `${count / 1e6}M` : `${count / 1e3}k`);
  const ends = { small: `at ${rows(plan.from)} rows`, large: `at ${rows(plan.to)} rows` };
  const lines = [
    { name: ends.small, figures: small },
    { name: ends.large, figures: large, base: { name: ends.small, figures: small } },
  ];
  return {
    title: 'Growth',
    table: figuresTable(lines),
    notes: [
      `Fresh records through the sink by one process, from the first row to the last; ${plan.runs} runs of ${plan.measured} rows at each end.`,
      `That process had at most ${shown(earlyRssMb)} MB after ${rows(plan.early)} rows and ${shown(lateRssMb)} MB at the end.`,
      ...(options.full ? [] : ['With --full: from 1M to 10M rows, which is what is aimed at.']),
    ],
    goals: [
      rateGoal(`rate ${ends.large}`, ends.small, { mine: large, base: small, target: 0.9 }),
      limitGoal(`peak RSS ${ends.large}`, {
        value: (lateRssMb ?? Number.NaN) / (earlyRssMb ?? Number.NaN),
        unit: '×',
        target: 1.1,
        against: `after ${rows(plan.early)} rows`,
      }),
    ],
  };
}
