// How long the command takes to answer, and a host to be up on a machine where it has been before.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { get } from 'node:http';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { median } from './figures.ts';
import { shown } from './figures-table.ts';
import { limitGoal } from './goals.ts';
import { startMeasuring } from './measure.ts';
import type { BenchOptions, Part } from './part.ts';
import { inRounds } from './rounds.ts';

const root = join(import.meta.dirname, '..');
const startWithinMs = 60_000;

/** What a start took: milliseconds until it was done, and of CPU meanwhile, children included. */
interface Took {
  readonly ms: number;
  readonly cpuMs: number | undefined;
}

/** Begins to count; the bench itself only waits meanwhile. */
function startClock(): () => Took {
  const used = startMeasuring({ server: process.pid });
  const began = performance.now();
  return () => {
    const ms = performance.now() - began;
    const us = used().serverUs;
    return { ms, cpuMs: us === undefined ? undefined : us / 1000 };
  };
}

/** From spawn to exit. */
async function timeOf(args: readonly string[]): Promise<Took> {
  const clock = startClock();
  const [code] = (await once(spawn(process.execPath, args, { stdio: 'ignore' }), 'exit')) as [number];
  if (code !== 0) throw new Error(`Expected ${args.join(' ')} to end with 0, got ${code}`);
  return clock();
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

function isLive(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const request = get({ host: '127.0.0.1', port, path: '/v1/health/live' }, (answer) => {
      answer.resume();
      resolve(answer.statusCode === 200);
    });
    request.on('error', () => resolve(false));
  });
}

// What a program needs of the environment, and nothing by which a host finds a person's account or database.
const passedOn =
  /^(?:PATH|HOME|LANG|TMPDIR|TEMP|TMP|USER|LOGNAME|SYSTEMROOT|PATHEXT|APPDATA|LOCALAPPDATA|XDG_\w+)$/i;

function ownEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => passedOn.test(name)));
}

/** A host on a data folder of its own, as the demo: from `otw start` until it says that it lives. */
async function startOnce(folder: string): Promise<Took> {
  const port = await freePort();
  const env = { ...ownEnvironment(), OTW_DATA_DIR: join(folder, 'data'), API_PORT: String(port) };
  const clock = startClock();
  const began = performance.now();
  // In a folder without a configuration, so that it is the demo.
  const child = spawn(process.execPath, [join(root, 'host', 'bin', 'otw.js'), 'start'], {
    cwd: folder,
    env,
    stdio: 'ignore',
  });
  const exited = once(child, 'exit');
  try {
    while (!(await isLive(port))) {
      if (child.exitCode !== null || performance.now() - began > startWithinMs)
        throw new Error('Expected a host to start for the bench; try npm start');
      await delay(10);
    }
    return clock();
  } finally {
    child.kill('SIGTERM');
    await exited;
  }
}

/** Starting: of the command, and of the host for the second time. */
export async function benchStart({ full, folder, say }: BenchOptions): Promise<Part> {
  const own = join(folder, 'start');
  mkdirSync(own);
  say('start: the first start of a host, which makes its database');
  const first = await startOnce(own);
  const ways = [
    {
      name: 'otw --version',
      run: () => timeOf([join(root, 'host', 'bin', 'otw.js'), '--version']),
    },
    { name: 'second start of a host to /v1/health/live', run: () => startOnce(own) },
  ].map((way) => ({ ...way, times: new Array<Took>() }));
  await inRounds(full ? 7 : 3, ways, async ({ name, run, times }) => {
    say(`start: ${name}`);
    times.push(await run());
  });
  const rows = ways.map(({ name, times }) => [
    name,
    shown(median(times.map(({ ms }) => ms))),
    shown(Math.min(...times.map(({ ms }) => ms))),
    shown(median(times.map(({ cpuMs }) => cpuMs ?? Number.NaN))),
  ]);
  const msOf = (part: string): number =>
    median((ways.findLast(({ name }) => name.startsWith(part))?.times ?? []).map(({ ms }) => ms));
  return {
    title: 'Starting',
    table: { heads: ['what', 'median ms', 'best ms', 'CPU ms'], rows },
    notes: [
      `The first start, which makes the database, took ${shown(first.ms)} ms. Measured from the spawn of \`otw start\`: what \`npm start\` does before is not in it.`,
    ],
    goals: [
      limitGoal('second start to /v1/health/live', { value: msOf('second'), unit: 'ms', target: 3000 }),
      limitGoal('otw --version', { value: msOf('otw'), unit: 'ms', target: 150 }),
    ],
  };
}
