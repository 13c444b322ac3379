import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { batchOf, eventOf, linesIn, openSink } from '../test/events.ts';
import { ownIdentity } from './process-identity.ts';

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

const lock = () => join(directory, '.writer/lock');
const own = ownIdentity();

test.each([
  ['a process that is gone', { ...own, pid: 2 ** 22 + 1 }],
  ['a process whose id another one has now', { ...own, processStart: '1' }],
  ['an earlier run of the machine', { ...own, boot: 'earlier' }],
  ['nobody, after a power cut', undefined],
])('a lock of %s is taken over', async (_, holder) => {
  mkdirSync(join(directory, '.writer'));
  writeFileSync(lock(), holder ? JSON.stringify(holder) : '');
  writeFileSync(`${lock()}.takeover`, holder ? JSON.stringify(holder) : '');
  const writer = await openSink(directory);
  expect(await writer.write([eventOf('a')], { signal })).toMatchObject({ written: 1 });
  expect(readdirSync(join(directory, '.writer'))).toEqual(['batch']);
});

test('a lock of a process that works, or of another machine, is waited for until the signal says stop', async () => {
  const writer = await openSink(directory);
  for (const holder of [own, { ...own, host: 'elsewhere', pid: 1 }]) {
    writeFileSync(lock(), JSON.stringify(holder));
    const stop = new AbortController();
    const writing = writer.write([eventOf('a')], { signal: stop.signal });
    stop.abort(new DOMException('stop', 'AbortError'));
    await expect(writing).rejects.toMatchObject({ name: 'AbortError' });
    const waiting = writer.write([eventOf(holder.host)], { signal });
    await expect(
      Promise.race([waiting, new Promise((resolve) => setTimeout(resolve, 100, 'waits'))]),
    ).resolves.toBe('waits');
    rmSync(lock());
    expect(await waiting).toMatchObject({ written: 1 });
  }
});
