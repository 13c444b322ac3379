import { copyFileSync, mkdirSync, readFileSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { createConnectorPool, type ConnectorPool, type PoolSettings } from '../src/isolate/connector-pool.ts';
import { openInProcess, type ProcessConnectorOptions } from '../src/isolate/process-connector.ts';
import { resolvePlugin } from '../src/isolate/resolve-plugin.ts';
import { createLog } from '../src/log.ts';
import { createRedactor } from '../src/redact.ts';
import { temporaryFolder } from './otw.ts';

// A process serves one run after the other, and no run finds anything of another.
const folder = temporaryFolder();
const project = join(folder.path, 'project');
const fixture = join(project, 'reused.ts');
const lines: string[] = [];
const redactor = createRedactor();
const log = createLog({ redactor, level: 'debug', pretty: false, write: (line) => lines.push(line) });
let pool: ConnectorPool;

beforeAll(() => {
  mkdirSync(project);
  symlinkSync(join(import.meta.dirname, '..', '..', 'node_modules'), join(project, 'node_modules'));
  copyFileSync(join(import.meta.dirname, 'fixtures', 'reused.ts'), fixture);
});
afterEach(async () => {
  await pool.close();
  lines.length = 0;
});
afterAll(() => folder.remove());

function poolOf(settings: Partial<PoolSettings> = {}): void {
  pool = createConnectorPool({ most: 2, ...settings });
}

const saved = new Map<string, string>();

function tokensOf(account: string): ProcessConnectorOptions['tokens'] {
  return {
    load: async () => saved.get(account),
    save: async (_field, value) => void saved.set(account, JSON.stringify(value)),
    update: async () => undefined,
    lock: async () => async () => undefined,
  };
}

interface Found {
  readonly pid: number;
  readonly runs: number;
  readonly found: string | null;
  readonly held: number;
}

interface Wanted extends Partial<Pick<ProcessConnectorOptions, 'fresh' | 'limits' | 'signal' | 'tokens'>> {
  readonly account?: string;
  readonly file?: string;
  readonly leaves?: string;
}

function open({ account = 'first', leaves = 'nothing', file = fixture, ...rest }: Wanted = {}) {
  return openInProcess({
    plugin: resolvePlugin(file, project),
    pool,
    privateFolder: folder.path,
    config: { account, leaves },
    timeZone: 'UTC',
    tokens: tokensOf(account),
    log: log.child({ connection: account }),
    redactor,
    signal: new AbortController().signal,
    ...rest,
  });
}

const window = { from: '2026-02-26', to: '2026-02-27' };
const slice = { dataset: 'found', window, requestId: '0b3f6f1e-6f7a-4f0e-9a46-5b1f0c1d2e3f' };

/** One run, start to finish. */
async function run(wanted: Wanted = {}): Promise<Found> {
  const connector = await open(wanted);
  try {
    const stop = new AbortController();
    for await (const { events } of connector.fetch(slice, stop.signal)) {
      return (JSON.parse(events[0]?.event.payload ?? '{}') as { data: Found }).data;
    }
    throw new Error('Expected an event, found none');
  } finally {
    await connector.close();
  }
}

test('a process serves one account after the other, and tells neither of the other', async () => {
  poolOf();
  const first = await run({ account: 'anna' });
  const second = await run({ account: 'bert' });
  expect(second).toEqual({ pid: first.pid, runs: 2, found: null, held: 0 });
  expect(await run({ account: 'anna' })).toMatchObject({ pid: first.pid, found: '"anna"' });
});

test('two runs at once have two processes', async () => {
  poolOf();
  const [one, other] = await Promise.all([run({ account: 'anna' }), run({ account: 'bert' })]);
  expect(one.pid).not.toBe(other.pid);
});

test('a run that wants a fresh process gets one, and leaves none', async () => {
  poolOf({ most: 3 });
  const kept = await run();
  const fresh = await run({ fresh: true });
  expect(fresh.runs).toBe(1);
  expect((await run()).pid).toBe(kept.pid);
  expect((await run({ fresh: true })).pid).not.toBe(fresh.pid);
});

test.each(['timer', 'memory'])(
  'a run that leaves %s behind is the last one of its process',
  async (leaves) => {
    poolOf();
    const limits = { memoryMb: 400 };
    const { pid } = await run({ leaves, limits });
    expect(await run({ limits })).toMatchObject({ runs: 1, held: 0, pid: expect.not.toBeOneOf([pid]) });
  },
);

test('a run that was given up in the middle is the last one of its process', async () => {
  poolOf();
  const connector = await open();
  const stop = new AbortController();
  const hanging = connector
    .fetch({ ...slice, dataset: 'hangs' }, stop.signal)
    [Symbol.asyncIterator]()
    .next();
  // One that is given up before it reaches the plugin leaves nothing behind.
  await expect.poll(() => lines.some((line) => line.includes('hanging'))).toBe(true);
  stop.abort(new Error('given up'));
  await expect(hanging).rejects.toThrow('given up');
  await connector.close();
  expect((await run()).runs).toBe(1);
});

test.each(['throws', 'exits'])(
  'what a run has left behind %s within the next one without costing it',
  async (leaves) => {
    poolOf();
    const { pid } = await run({ account: 'anna', leaves });
    expect((await run({ account: 'bert' })).pid).toBe(pid);
    expect(lines.some((line) => line.includes('An earlier run of the plugin left something behind'))).toBe(
      true,
    );
    expect((await run({ account: 'bert' })).pid).not.toBe(pid);
  },
);

test('what a run has left behind can neither talk in the name of the next one nor reach its tokens', async () => {
  poolOf();
  const { pid } = await run({ account: 'anna', leaves: 'talks' });
  expect((await run({ account: 'bert' })).pid).toBe(pid);
  expect(saved.get('bert')).toBe('"bert"');
  expect(saved.get('anna')).toBe('"anna"');
  expect(lines.filter((line) => line.includes('still here'))).toEqual([]);
});

test('an answer that comes after the run that asked for it is not taken for one of the next run', async () => {
  poolOf();
  const late = Promise.withResolvers<string>();
  const annas = tokensOf('anna');
  const load = async (field: string) => (field === 'late' ? late.promise : annas.load(field));
  const { pid } = await run({ account: 'anna', leaves: 'asks', tokens: { ...annas, load } });
  const berts = tokensOf('bert');
  saved.set('bert', 'of bert');
  const found = await run({
    account: 'bert',
    tokens: {
      ...berts,
      async load(field) {
        late.resolve('of anna');
        await new Promise((resolve) => setImmediate(resolve));
        return berts.load(field);
      },
    },
  });
  expect(found).toMatchObject({ pid, found: 'of bert' });
});

test('a plugin that wants it has a process for each run', async () => {
  poolOf();
  const file = join(project, 'alone.ts');
  const source = readFileSync(fixture, 'utf8');
  writeFileSync(file, source.replace("source: 'reused',", "source: 'reused', isolation: 'run',"));
  const { pid } = await run({ file });
  expect(await run({ file })).toMatchObject({ runs: 1, pid: expect.not.toBeOneOf([pid]) });
});

test.each(['reused.ts', 'part.ts'])(
  'a plugin of which %s was changed on disk runs in a process of its own',
  async (file) => {
    poolOf();
    writeFileSync(join(project, 'part.ts'), '');
    const { pid } = await run();
    const later = new Date(Date.now() + 60_000);
    utimesSync(join(project, file), later, later);
    await expect.poll(async () => (await run()).pid, { timeout: 15_000 }).not.toBe(pid);
    utimesSync(join(project, file), new Date(), new Date());
  },
);

test('whoever comes when all are at work waits for one, unless he gives up', async () => {
  poolOf({ most: 1 });
  const working = await open({ account: 'anna' });
  const gone = new AbortController();
  const waits = run({ account: 'bert' });
  const givesUp = run({ account: 'carl', signal: gone.signal });
  await expect.poll(() => pool.counts()).toEqual({ busy: 1, idle: 0, waiting: 2 });
  gone.abort(new Error('gone'));
  await expect(givesUp).rejects.toThrow('gone');
  await working.close();
  expect(await waits).toMatchObject({ runs: 2 });
});

test('an idle process of another kind makes room', async () => {
  poolOf({ most: 1 });
  const { pid } = await run();
  expect((await run({ limits: { memoryMb: 512 } })).pid).not.toBe(pid);
});

test('a process nobody wants any more ends by itself', async () => {
  poolOf({ idleMs: 20 });
  const { pid } = await run();
  await expect.poll(() => isRunning(pid)).toBe(false);
});

test('a pool that is closed keeps nothing', async () => {
  poolOf();
  const working = await open();
  const { pid } = await run();
  await pool.close();
  expect(isRunning(pid)).toBe(false);
  await working.close();
  expect((await run()).runs).toBe(1);
});

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
