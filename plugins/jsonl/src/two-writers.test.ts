import { execFile, spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { promisify } from 'node:util';
import { afterEach, beforeEach, expect, onTestFinished, test } from 'vitest';
import { batchOf, eventOf, linesIn, openSink } from '../test/events.ts';
import { withLock } from './lock.ts';

const { signal } = new AbortController();
const program = join(import.meta.dirname, '../test/writer-process.ts');
let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'otw-jsonl-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

test('two writers of one process, with the same batches at once, store each event once', async () => {
  const writers = [await openSink(directory), await openSink(directory)];
  const numbers = Array.from({ length: 20 }, (_, at) => at);
  const results = await Promise.all(
    writers.flatMap((writer) => numbers.map((number) => writer.write(batchOf(number, 5), { signal }))),
  );
  const sum = (name: 'written' | 'unchanged') => results.reduce((total, result) => total + result[name], 0);
  expect([sum('written'), sum('unchanged'), linesIn(directory).length]).toEqual([100, 100, 100]);
  // The row that both are told of is the one that stands.
  const [first, second] = [results[7]!, results[27]!];
  expect(first.rows.map(({ rawId }) => rawId)).toEqual(second.rows.map(({ rawId }) => rawId));
});

test('two processes with the same batches at once store each event once', async () => {
  const run = promisify(execFile);
  const args = ['--conditions=@on-the-way/source', program, directory, '1', '30'];
  const outputs = await Promise.all([run(process.execPath, args), run(process.execPath, args)]);
  const counts = outputs.map(({ stdout }) => JSON.parse(stdout) as { written: number; unchanged: number });
  expect(counts.reduce((sum, { written }) => sum + written, 0)).toBe(270);
  expect(counts.reduce((sum, { unchanged }) => sum + unchanged, 0)).toBe(270);
  expect(linesIn(directory)).toHaveLength(270);
});

const lock = () => join(directory, '.writer/lock.sqlite');

/** As in a container: the process sees itself as number 1, and nobody else. */
const container = ['unshare', '--pid', '--fork', '--kill-child', '--mount-proc'];
const hasContainers = spawnSync(container[0]!, [...container.slice(1), 'true']).status === 0;

/** Starts a process that holds the directory's lock until it is killed. */
async function startHolder(within: readonly string[] = []): Promise<ChildProcess> {
  mkdirSync(join(directory, '.writer'), { recursive: true });
  const program = join(import.meta.dirname, '../test/lock-holder.ts');
  const [command, ...args] = [
    ...within,
    process.execPath,
    '--conditions=@on-the-way/source',
    program,
    lock(),
  ];
  const child = spawn(command!, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  onTestFinished(() => void child.kill('SIGKILL'));
  await once(child.stdout!, 'data');
  return child;
}

const places: [string, readonly string[]][] = [['process', []]];
if (hasContainers) places.push(['container', container]);

test.each(places)('a %s that is killed while it writes keeps nobody from writing', async (_, within) => {
  const holder = await startHolder(within);
  const opening = openSink(directory);
  holder.kill('SIGKILL');
  expect(await (await opening).write([eventOf('a')], { signal })).toMatchObject({ written: 1 });
});

test('who wants the lock waits until another process gives it back, or the signal says stop', async () => {
  const holder = await startHolder();
  const looksForMark = async () => existsSync(`${lock()}.given-back`);
  const stop = new AbortController();
  const stopped = withLock(lock(), stop.signal, looksForMark);
  stop.abort(new DOMException('stop', 'AbortError'));
  await expect(stopped).rejects.toMatchObject({ name: 'AbortError' });
  const waiting = withLock(lock(), signal, looksForMark);
  for (let turn = 0; turn < 50; turn += 1) await nextTurn();
  // The holder leaves its mark while it still has the lock.
  holder.kill('SIGTERM');
  expect(await waiting).toBe(true);
});

test('the lock is a file without content, which the record of batches stands beside', async () => {
  await (await openSink(directory)).close();
  expect(readdirSync(join(directory, '.writer')).toSorted()).toEqual(['batch', 'lock.sqlite']);
  expect(statSync(lock())).toMatchObject({ size: 0 });
});
