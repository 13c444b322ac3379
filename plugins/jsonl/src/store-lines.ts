import { open } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { noBatch, undo, writeRecord, type Part } from './batch-record.ts';
import { makeDirectory, syncDirectory } from './disk.ts';
import type { KnownLines } from './known-lines.ts';
import type { NewLine } from './plan-batch.ts';

/** Where lines are stored, and how. */
export interface Target {
  readonly directory: string;
  /** Folder of the record and the lock. */
  readonly folder: string;
  /** Permission bits of the directory: who may enter it may read what is in it. */
  readonly mode: number;
}

/** The lines of a file. */
interface Addition extends Part {
  readonly bytes: Buffer;
  readonly lines: readonly NewLine[];
}

async function additionsOf(
  lines: ReadonlyMap<string, readonly NewLine[]>,
  known: KnownLines,
): Promise<Addition[]> {
  const additions: Addition[] = [];
  for (const [path, ofFile] of lines) {
    const bytes = Buffer.from(ofFile.map(({ text }) => text).join(''));
    const from = await known.bytesOf(path);
    additions.push({ path, from, to: from + bytes.length, bytes, lines: ofFile });
  }
  return additions;
}

async function append({ directory, mode }: Target, { path, from, bytes }: Addition): Promise<void> {
  const place = join(directory, path);
  await makeDirectory(dirname(place), mode);
  const handle = await open(place, 'a', mode & 0o666);
  try {
    await handle.writeFile(bytes);
    await handle.sync();
  } finally {
    await handle.close();
  }
  if (from === 0) await syncDirectory(dirname(place));
}

function note(known: KnownLines, { path, from, to, lines }: Addition): void {
  let offset = from;
  const added = lines.map(({ event: { sourceId, externalId }, text }) => {
    const line = { event: { sourceId, externalId }, offset };
    offset += Buffer.byteLength(text);
    return line;
  });
  known.add(path, added, to);
}

/** Takes out what was added so far; what fails of that is left to the next who finds the record. */
async function takeOut({ directory, folder }: Target, parts: readonly Part[]): Promise<void> {
  try {
    await undo(directory, parts);
    await writeRecord(folder, noBatch());
  } catch {
    // The disk is the trouble already; the caller hears of that.
  }
}

/**
 * Adds lines to files, all of them or none, and notes them in `known`. What is going to be added is recorded first, so
 * that whoever finds the record takes out again what a killed process added; the batch is stored once the record of it is
 * gone.
 *
 * @returns the id of the record that is left.
 * @throws the signal's reason, or what the system says; then nothing of it is stored, or the record is still there.
 */
export async function storeLines(
  target: Target,
  { lines, known }: { readonly lines: ReadonlyMap<string, readonly NewLine[]>; readonly known: KnownLines },
  signal: AbortSignal,
): Promise<string> {
  const additions = await additionsOf(lines, known);
  const parts = additions.map(({ path, from, to }): Part => ({ path, from, to }));
  const stored = noBatch();
  signal.throwIfAborted();
  try {
    await writeRecord(target.folder, { ...noBatch(), parts });
    for (const addition of additions) {
      await append(target, addition);
      signal.throwIfAborted();
    }
    await writeRecord(target.folder, stored);
  } catch (error) {
    await takeOut(target, parts);
    throw error;
  }
  for (const addition of additions) note(known, addition);
  return stored.id;
}
