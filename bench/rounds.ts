// Runs variants in turns, each run a process of its own, and looks at what that cost.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import pg from 'pg';
import type { Sample } from './figures.ts';
import { peakRssMb, startMeasuring } from './measure.ts';
import type { Task } from './variants.ts';
import type { Told } from './variant-process.ts';

/** A line of the table. */
export interface Line {
  readonly name: string;
  readonly task: Task;
  /** Bytes of a row as it came over the wire. */
  readonly rowBytes: number;
  /** What is emptied before each run; missing: what is there stays, and nothing may be added. */
  readonly empties?: readonly string[];
  /** Rows that there must be afterwards in `counted`. */
  readonly expected: number;
  readonly counted: string;
  /** Keys that must be told of as taken by something else. */
  readonly conflicts: number;
}

/** Calls for each thing in each round; every second round goes the other way. */
export async function inRounds<T>(
  rounds: number,
  things: readonly T[],
  call: (thing: T, round: number) => Promise<void>,
): Promise<void> {
  for (let round = 0; round < rounds; round += 1)
    for (const thing of round % 2 === 0 ? things : things.toReversed()) await call(thing, round);
}

/** Waits for what a process says; rejects when it ends instead. */
async function said<T>(child: ReturnType<typeof fork>, name: string): Promise<T> {
  const ended = new AbortController();
  const gone = once(child, 'exit', { signal: ended.signal }).then(([code]) => {
    throw new Error(`Expected ${name} to be measured, but its process ended with ${code}`);
  });
  try {
    const [message] = (await Promise.race([once(child, 'message'), gone])) as [T];
    return message;
  } finally {
    ended.abort();
    gone.catch(() => undefined);
  }
}

async function check(
  { name, counted, expected, conflicts }: Line,
  client: pg.Client,
  told: Told,
): Promise<void> {
  const { rows } = await client.query<{ n: number }>(`select count(*)::int as n from ${counted}`);
  if (rows[0]?.n !== expected)
    throw new Error(`Expected ${expected} rows after ${name}, found ${rows[0]?.n}`);
  if (told.stored && told.stored.conflicts !== conflicts)
    throw new Error(`Expected ${name} to tell of ${conflicts} conflicts, got ${told.stored.conflicts}`);
}

/** One run of a line: emptied, warmed up, checkpoint, measured, counted. `server` is the postmaster's process id. */
export async function runLine(line: Line, server: number): Promise<Sample> {
  const { task, name } = line;
  const client = new pg.Client(task.url);
  await client.connect();
  // What is loaded is no part of a run; kept compiled, it costs the bench less time.
  const env = { ...process.env, NODE_COMPILE_CACHE: join(task.folder, 'compiled') };
  const program = join(import.meta.dirname, 'variant-process.ts');
  // As `npm start` has it (scripts/run.mjs).
  const execArgv = [...process.execArgv, ...(task.kind === 'wholeWay' ? ['--max-semi-space-size=8'] : [])];
  const child = fork(program, { stdio: ['ignore', 2, 2, 'ipc'], env, execArgv });
  try {
    if (line.empties) await client.query(`truncate ${line.empties.join()}`);
    child.send(task);
    await said(child, name);
    await client.query('checkpoint');
    const used = startMeasuring({ server, client: child.pid });
    const answer = said<Told>(child, name);
    child.send('go');
    const told = await answer;
    const { serverUs, clientUs, others } = used();
    const rssMb = child.pid === undefined ? undefined : peakRssMb(child.pid);
    const exited = once(child, 'exit');
    child.send('end');
    await exited;
    await check(line, client, told);
    // /proc counts in hundredths of a second; the process itself counts finely, but without its children.
    const isWhole = task.kind === 'wholeWay';
    const bytes = task.rows * line.rowBytes;
    const ownUs = isWhole ? clientUs : told.cpuUs;
    return { rows: task.rows, bytes, ms: told.ms, clientUs: ownUs, serverUs, others, rssMb };
  } finally {
    child.kill();
    await client.end();
  }
}
