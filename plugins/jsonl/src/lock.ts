import { accessSync, constants, writeFileSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as delay } from 'node:timers/promises';
import { ConnectorError } from '@on-the-way/sdk';
import { systemCode } from './translate-error.ts';

// A batch takes some milliseconds; who waits so long waits for a process that is stopped.
const longestWaitMs = 30_000;
const firstDelayMs = 2;
const longestDelayMs = 50;
const sqliteBusy = 5;

/** Makes the file where there is none. One that is there is not opened: closing it would give up the locks we have on it. */
function makeFile(path: string): void {
  try {
    writeFileSync(path, '', { flag: 'wx', mode: 0o600 });
  } catch (error) {
    if (systemCode(error) !== 'EEXIST') throw error;
    accessSync(path, constants.R_OK | constants.W_OK);
  }
}

/** SQLite's own number of what went wrong, without its details. */
function sqliteCode(error: unknown): number | undefined {
  if (!(error instanceof Error) || !('errcode' in error)) return undefined;
  return typeof error.errcode === 'number' ? error.errcode & 0xff : undefined;
}

/**
 * Takes the lock; undefined when another has it. It is SQLite's lock on a file that stays empty: the system gives it back
 * when its holder ends, however that ends, and knows it across the containers of one machine.
 */
function acquire(path: string): { release(): void } | undefined {
  makeFile(path);
  let file: DatabaseSync | undefined;
  try {
    file = new DatabaseSync(path, { timeout: 0 });
    file.exec('begin immediate');
  } catch (cause) {
    file?.close();
    const code = sqliteCode(cause);
    if (code === sqliteBusy) return undefined;
    if (code === undefined) throw cause;
    const found = cause instanceof Error ? cause.message : String(cause);
    throw new ConnectorError(
      'transient',
      `Expected to lock ${path}, found: ${found}; try again; a file system without locks cannot hold the directory`,
      { cause },
    );
  }
  const held = file;
  return { release: () => held.close() };
}

function inUse(path: string): ConnectorError {
  return new ConnectorError(
    'transient',
    `Expected ${path} to be free within ${longestWaitMs / 1000} s, found another writer at work there: ` +
      `try again; if it is stopped or hangs, end it: fuser ${path} says which process that is`,
  );
}

/**
 * Waits until no other writer, of this process or another one of this machine, is at work in the directory, then
 * calls `work` and gives the lock back. It is given back as well when this process is killed.
 *
 * @throws the signal's reason while waiting; ConnectorError `transient` when it was not free in time.
 */
export async function withLock<T>(path: string, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  const dueAt = performance.now() + longestWaitMs;
  let lock = acquire(path);
  for (let wait = firstDelayMs; !lock; wait = Math.min(wait * 2, longestDelayMs)) {
    signal.throwIfAborted();
    if (performance.now() > dueAt) throw inUse(path);
    // Not all at the same moment.
    await delay(wait * (0.5 + Math.random()), undefined, { signal }).catch(() => signal.throwIfAborted());
    lock = acquire(path);
  }
  try {
    signal.throwIfAborted();
    return await work();
  } finally {
    lock.release();
  }
}
