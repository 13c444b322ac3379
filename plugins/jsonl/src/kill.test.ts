import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, truncateSync } from 'node:fs';
import { cp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { batchOf, filesIn, linesIn, openSink } from '../test/events.ts';
import { writeRecord } from './batch-record.ts';

const program = join(import.meta.dirname, '../test/killed-writer.ts');
const { signal } = new AbortController();
const eventsOfBatch = 9;
let root: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'otw-jsonl-'));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

/** Starts a writer that is killed; the numbers of the batches it acknowledged. */
async function killedWriter(directory: string, args: readonly number[]): Promise<number[]> {
  const child = spawn(
    process.execPath,
    ['--conditions=@on-the-way/source', program, directory, ...args.map(String)],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  let said = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (said += text));
  const died = await new Promise((resolve) => child.on('close', (_, by) => resolve(by)));
  expect(died).toBe('SIGKILL');
  return said.split('\n').slice(0, -1).map(Number);
}

/** How many events of each batch there are, by its number. */
function batchesIn(directory: string): Map<number, number> {
  const counts = new Map<number, number>();
  const ids = new Set<string>();
  for (const { external_id: id, payload } of linesIn(directory)) {
    expect(ids.has(id)).toBe(false);
    ids.add(id);
    const { batch } = payload as { batch: number };
    counts.set(batch, (counts.get(batch) ?? 0) + 1);
  }
  return counts;
}

function expectWhole(directory: string, acknowledged: readonly number[], kill: string): void {
  const counts = batchesIn(directory);
  expect(
    [...counts].filter(([, count]) => count !== eventsOfBatch),
    kill,
  ).toEqual([]);
  expect(
    acknowledged.filter((batch) => !counts.has(batch)),
    kill,
  ).toEqual([]);
}

async function reopened(directory: string): Promise<void> {
  const writer = await openSink(directory);
  await writer.close();
}

// Of three writers one after the other in each directory, so that the next one finds what the last one left.
async function killedOverAndOver(directory: string, kills: readonly (readonly [number, number])[]) {
  const acknowledged: number[] = [];
  for (const [at, [bytes, syncs]] of kills.entries()) {
    acknowledged.push(...(await killedWriter(directory, [at * 1000, bytes, syncs])));
    await reopened(directory);
    expectWhole(directory, acknowledged, `killed with ${JSON.stringify(kills.slice(0, at + 1))}`);
  }
  return acknowledged;
}

test('a writer that is killed at any byte leaves each batch whole or not at all, and what it acknowledged', async () => {
  // A batch has about 5,700 bytes, and two records of some 300.
  const bytes = fc.integer({ min: 1, max: 20_000 });
  const kills = fc.sample(fc.array(fc.tuple(bytes, fc.constant(0)), { minLength: 6, maxLength: 6 }), 2);
  const acknowledged = await Promise.all(
    kills.map((some, at) => killedOverAndOver(join(root, String(at)), some)),
  );
  expect(acknowledged.flat().length).toBeGreaterThan(0);
});

test('a writer that is killed before any of its files is durable leaves each batch whole or not at all', async () => {
  // Of the first batch: the record, three files with the folder they are new in, the record again.
  const syncs = [1, 2, 3, 5, 8, 9, 10, 11, 14];
  const halves = [syncs.filter((_, at) => at % 2 === 0), syncs.filter((_, at) => at % 2 === 1)];
  await Promise.all(
    halves.map((some, at) =>
      killedOverAndOver(
        join(root, String(at)),
        some.map((n) => [0, n] as const),
      ),
    ),
  );
});

test('whatever part of a batch is in the files when its writer ends is taken out again', async () => {
  const whole = join(root, 'whole');
  const writer = await openSink(whole);
  await writer.write(batchOf(1, eventsOfBatch), { signal });
  const before = filesIn(whole);
  await writer.write(batchOf(2, eventsOfBatch), { signal });
  await writer.close();
  const after = filesIn(whole);
  const sizes = (files: Record<string, string>) =>
    Object.entries(files).map(([path, text]) => [path, Buffer.byteLength(text)] as const);
  const parts = sizes(after).map(([path, to], at) => ({ path, from: sizes(before)[at]?.[1] ?? 0, to }));
  const added = parts.reduce((sum, { from, to }) => sum + to - from, 0);
  let run = 0;
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 0, max: added }), async (bytes) => {
      const directory = join(root, String((run += 1)));
      await cp(whole, directory, { recursive: true });
      await writeRecord(join(directory, '.writer'), { id: 'cut off', parts });
      let left = bytes;
      for (const { path, from, to } of parts) {
        const kept = Math.min(left, to - from);
        left -= kept;
        truncateSync(join(directory, path), from + kept);
      }
      await reopened(directory);
      expect(filesIn(directory)).toEqual(before);
      rmSync(directory, { recursive: true });
    }),
    { numRuns: 60, examples: [[0], [1], [added - 1], [added]] },
  );
});
