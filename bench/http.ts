import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import pg from 'pg';
import { formatTable, print } from '../host/src/cli/output.ts';

const rounds = 3;
const many = 64;
const longMs = 3_000;
const shortMs = 1_000;

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

/** A load, and what the host worked on each of its events: microseconds of CPU, NaN where the system does not tell. */
interface Measured extends Load {
  readonly hostUs: number;
}

// How /proc counts time.
const usPerTick = 10_000;

/** Microseconds of CPU that a process has used, by Linux' own count. */
function cpuUs(pid: number | undefined): number {
  if (process.platform !== 'linux') return Number.NaN;
  const [, fields = ''] = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ');
  const [user, system] = fields.split(' ').slice(11, 13);
  return (Number(user) + Number(system)) * usPerTick;
}

function program(name: string, ...args: readonly string[]) {
  const flags = process.execArgv.filter((flag) => flag.startsWith('--conditions'));
  const child = spawn(process.execPath, [...flags, join(import.meta.dirname, name), ...args], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  return { child, lines: createInterface(child.stdout)[Symbol.asyncIterator]() };
}

async function load(kind: string, target: string, connections: number, ms: number): Promise<Load> {
  const { lines } = program('load.ts', kind, target, String(connections), String(ms));
  const { value } = await lines.next();
  if (typeof value !== 'string') throw new Error(`Expected the load ${kind} to tell what it did`);
  return JSON.parse(value) as Load;
}

const variants = [
  { name: 'INSERT, 64 connections', kind: 'insert', connections: many, ms: longMs, each: 1 },
  { name: 'POST, 64 connections', kind: 'post', connections: many, ms: longMs, each: 1 },
  { name: 'INSERT of 1000 rows', kind: 'insertMany', connections: 1, ms: longMs, each: 1000 },
  { name: 'POST of 1000, 2 connections', kind: 'batch', connections: 2, ms: longMs, each: 1000 },
  { name: 'INSERT, alone', kind: 'insert', connections: 1, ms: shortMs, each: 1 },
  { name: 'GET of nothing, alone', kind: 'nothing', connections: 1, ms: shortMs, each: 1 },
  { name: 'POST, alone', kind: 'post', connections: 1, ms: shortMs, each: 1 },
] as const;

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

/** What is measured: the host's API, its process, and its database. */
interface Subject {
  readonly api: string;
  readonly pid: number | undefined;
  readonly url: string;
}

async function measure({ api, pid, url }: Subject, client: pg.Client): Promise<Map<string, Measured[]>> {
  const loads = new Map<string, Measured[]>(variants.map(({ name }) => [name, []]));
  await load('post', api, many, shortMs);
  for (let round = 0; round < rounds; round += 1) {
    for (const { name, kind, connections, ms, each } of round % 2 === 0 ? variants : variants.toReversed()) {
      await client.query('truncate raw.raw_event, app.request_audit');
      await client.query('checkpoint');
      const before = cpuUs(pid);
      const done = await load(kind, kind.startsWith('insert') ? url : api, connections, ms);
      const { rows } = await client.query<{ n: number }>('select count(*)::int as n from raw.raw_event');
      const expected = kind === 'nothing' ? 0 : done.count * each;
      if (rows[0]?.n !== expected)
        throw new Error(`Expected ${expected} rows after ${name}, found ${rows[0]?.n}`);
      const hostUs = (cpuUs(pid) - before) / (done.count * each);
      loads.get(name)?.push({ ...done, perSecond: done.perSecond * each, hostUs });
    }
  }
  return loads;
}

/** Posting over HTTP beside the same insert done by as many connections, each from a process of its own. */
export async function benchHttp(url: string): Promise<void> {
  const client = new pg.Client(url);
  await client.connect();
  const { child, lines } = program('http-server.ts', url);
  try {
    const { value: api } = await lines.next();
    if (typeof api !== 'string') throw new Error('Expected the host to say where it is');
    show(await measure({ api, pid: child.pid, url }, client));
  } finally {
    child.stdin.end();
    await once(child, 'exit');
    await client.end();
  }
}

function show(loads: ReadonlyMap<string, readonly Measured[]>): void {
  const figure = (name: string, key: keyof Measured) =>
    median((loads.get(name) ?? []).map((done) => done[key]));
  const base = (name: string) => {
    if (name.includes('1000')) return 'INSERT of 1000 rows';
    return name.endsWith('alone') ? 'INSERT, alone' : 'INSERT, 64 connections';
  };
  const rows = [...loads.keys()].map((name) => [
    name,
    Math.round(figure(name, 'perSecond')),
    (figure(name, 'perSecond') / figure(base(name), 'perSecond')).toFixed(2),
    figure(name, 'p50').toFixed(1),
    figure(name, 'p99').toFixed(1),
    (figure(name, 'p99') / figure(base(name), 'p99')).toFixed(2),
    name.startsWith('INSERT') ? '' : figure(name, 'hostUs').toFixed(0),
  ]);
  print(formatTable(['way', 'events/s', '÷ INSERT', 'p50 ms', 'p99 ms', '÷ INSERT', 'host µs'], rows));
  const refused = [...loads.values()].flat().reduce((sum, done) => sum + done.refused, 0);
  const added =
    figure('POST, alone', 'p50') - figure('INSERT, alone', 'p50') - figure('GET of nothing, alone', 'p50');
  print(`\nA lone POST takes ${added.toFixed(1)} ms more than its INSERT and an empty request together.`);
  if (refused > 0)
    print(`${refused} requests were told to come back, and did: the machine was busy with other things.`);
}
