import { mkdir, open, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { systemCode } from './translate-error.ts';

/** Makes names in a directory durable: of files that were made in it, or removed. */
export async function syncDirectory(path: string): Promise<void> {
  // Windows opens no directories, and keeps names durable by itself.
  if (process.platform === 'win32') return;
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Bytes of a file; undefined when there is none. */
export async function sizeOf(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** Makes a directory and those above it, durably. Nothing is done where it is there. */
export async function makeDirectory(path: string, mode: number): Promise<void> {
  if ((await sizeOf(path)) !== undefined) return;
  if (dirname(path) !== path) await makeDirectory(dirname(path), mode);
  try {
    await mkdir(path, { mode });
  } catch (error) {
    // Another process was faster.
    if (systemCode(error) !== 'EEXIST') throw error;
  }
  await syncDirectory(dirname(path));
}
