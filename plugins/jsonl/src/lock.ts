import { randomBytes } from 'node:crypto';
import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { ConnectorError } from '@on-the-way/sdk';
import { isRunning, ownIdentity, processIdentity, type ProcessIdentity } from './process-identity.ts';
import { systemCode } from './translate-error.ts';

// A batch takes some milliseconds; who waits so long waits for one that is stopped, or on another machine.
const longestWaitMs = 30_000;
const firstDelayMs = 2;
const longestDelayMs = 50;

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** Undefined for what no writer leaves, such as the empty file after a power cut. */
function parse(text: string): ProcessIdentity | undefined {
  try {
    return processIdentity.safeParse(JSON.parse(text)).data;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** Who holds the lock with this text; undefined when that process is gone. */
function holderIn(text: string): ProcessIdentity | undefined {
  const holder = parse(text);
  return holder && isRunning(holder) ? holder : undefined;
}

/** Writes the whole file beside its place and lets `place` put it there. */
function write(path: string, text: string, place: (temporary: string) => void): void {
  const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`;
  try {
    writeFileSync(temporary, text, { mode: 0o600, flag: 'wx' });
    place(temporary);
  } finally {
    rmSync(temporary, { force: true });
  }
}

/** Creates the lock; false when there is one already. */
function create(path: string, text: string): boolean {
  try {
    write(path, text, (temporary) => linkSync(temporary, path));
    return true;
  } catch (error) {
    if (systemCode(error) === 'EEXIST') return false;
    throw error;
  }
}

/**
 * Takes the lock, or answers who has it. A lock whose holder is gone is replaced by one contender only: the one who
 * holds the take-over lock beside it, and who looks again once it does. That lock may be left by a killed contender
 * too, and is taken over by the same rule.
 */
function acquire(path: string, text: string): ProcessIdentity | undefined {
  for (;;) {
    if (create(path, text)) return undefined;
    const found = readText(path);
    // Released between the two looks.
    if (found === undefined) continue;
    const holder = holderIn(found);
    if (holder) return holder;
    const guard = `${path}.takeover`;
    const rival = acquire(guard, text);
    if (rival) return rival;
    try {
      if (readText(path) !== found) continue;
      write(path, text, (temporary) => renameSync(temporary, path));
      return undefined;
    } finally {
      rmSync(guard, { force: true });
    }
  }
}

function inUse(path: string, { pid, host }: ProcessIdentity): ConnectorError {
  return new ConnectorError(
    'transient',
    `Expected ${path} to be free within ${longestWaitMs / 1000} s, found it held by pid ${pid} on host ${host}: ` +
      'try again; if that machine or container is gone for good, remove the file',
  );
}

/**
 * Waits until no other writer, of this process or another one of this machine, is at work in the directory, then
 * calls `work` and gives the lock back. A lock that a killed process left is taken over.
 *
 * @throws the signal's reason while waiting; ConnectorError `transient` when it was not free in time.
 */
export async function withLock<T>(path: string, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  // Two of one process are told apart by the token.
  const text = JSON.stringify({ ...ownIdentity(), token: randomBytes(8).toString('hex') });
  const dueAt = performance.now() + longestWaitMs;
  for (let wait = firstDelayMs; ; wait = Math.min(wait * 2, longestDelayMs)) {
    signal.throwIfAborted();
    const holder = acquire(path, text);
    if (!holder) break;
    if (performance.now() > dueAt) throw inUse(path, holder);
    // Not all at the same moment.
    await delay(wait * (0.5 + Math.random()), undefined, { signal }).catch(() => signal.throwIfAborted());
  }
  try {
    return await work();
  } finally {
    rmSync(path, { force: true });
  }
}
