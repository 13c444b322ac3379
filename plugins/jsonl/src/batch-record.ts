import { hash, randomUUID } from 'node:crypto';
import { open, readFile, rm, truncate } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { ConnectorError } from '@on-the-way/sdk';
import { z } from 'zod';
import { sizeOf, syncDirectory } from './disk.ts';
import { systemCode } from './translate-error.ts';

const partSchema = z.strictObject({
  /** Relative to the directory. */
  path: z.string(),
  /** Bytes of the file before the batch; 0 also where there was none. */
  from: z.int(),
  /** Bytes of the file with all of the batch. */
  to: z.int(),
});
const recordSchema = z.strictObject({ id: z.string(), parts: z.array(partSchema) });

/** What a batch adds to a file. */
export type Part = Readonly<z.output<typeof partSchema>>;

/** What is on disk about the last batch. */
export interface BatchRecord {
  /** Another one after each batch: who finds the one it knows has missed none. */
  readonly id: string;
  /** Of a batch that is under way, or was cut off; none once it is stored. */
  readonly parts: readonly Part[];
}

const recordName = 'batch';

/** A record that says that nothing is under way. */
export function noBatch(): BatchRecord {
  return { id: randomUUID(), parts: [] };
}

function parse(text: string): BatchRecord | undefined {
  const [line = ''] = text.split('\n');
  const json = line.slice(65);
  if (line !== `${hash('sha256', json)} ${json}`) return undefined;
  return recordSchema.parse(JSON.parse(json));
}

/**
 * Undefined when there is none, or none that is whole: a record that is cut off was being written, before the first byte of
 * its batch or after the last one.
 */
export async function readRecord(folder: string): Promise<BatchRecord | undefined> {
  try {
    return parse(await readFile(join(folder, recordName), 'utf8'));
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** Writes the record over the one before, where a full disk has room for it; durable when it resolves. */
export async function writeRecord(folder: string, record: BatchRecord): Promise<void> {
  const path = join(folder, recordName);
  const isNew = (await sizeOf(path)) === undefined;
  const json = JSON.stringify(record);
  const handle = await open(path, isNew ? 'w' : 'r+', 0o600);
  try {
    await handle.writeFile(`${hash('sha256', json)} ${json}\n`);
    await handle.sync();
  } finally {
    await handle.close();
  }
  if (isNew) await syncDirectory(folder);
}

function changed(path: string, { from, to }: Part, found: number): ConnectorError {
  return new ConnectorError(
    'config',
    `Expected ${path} to have ${from} to ${to} bytes, of which those after ${from} are of a batch that was cut off, ` +
      `found ${found}: something else changed it; put it back as it was`,
  );
}

async function undoPart(directory: string, part: Part): Promise<void> {
  const path = join(directory, part.path);
  const size = await sizeOf(path);
  // Of a file that is not there nothing was written yet.
  if (part.from === 0 && size === undefined) return;
  if (size === undefined || size < part.from || size > part.to) throw changed(path, part, size ?? 0);
  if (part.from === 0) {
    await rm(path);
    return syncDirectory(dirname(path));
  }
  await truncate(path, part.from);
  const handle = await open(path, 'r+');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/**
 * Takes a batch out again of which a part may be stored. May be cut off itself, and is then done again.
 *
 * @throws ConnectorError `config` when a file has not what this sink left in it: nothing is taken out of it.
 */
export async function undo(directory: string, parts: readonly Part[]): Promise<void> {
  for (const part of parts) await undoPart(directory, part);
}
