import { randomBytes } from 'node:crypto';
import {
  existsSync,
  linkSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { hostname } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { z } from 'zod';
import { isRunning, ownIdentity } from './process-identity.ts';
import { StorageError, systemCode } from './storage-error.ts';

const lockSchema = z.looseObject({
  pid: z.number().int().positive(),
  processStart: z.string(),
  boot: z.string(),
  host: z.string(),
  role: z.string(),
  since: z.string(),
  url: z.string().optional(),
  databasePort: z.number().int().optional(),
});

/** Who holds a data directory, and where it can be reached; never holds a secret. */
export type DataDirLock = Readonly<z.output<typeof lockSchema>>;

/** What the holder may tell other processes of this machine. */
export interface DataDirLockDetails {
  /** Address of the HTTP API. */
  readonly url?: string;
  /** Port of the embedded database; its password is in a file of its own. */
  readonly databasePort?: number;
}

const lockName = 'otw.lock';

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** Undefined for what no host writes, such as the empty file that a power cut leaves. */
function parse(text: string): DataDirLock | undefined {
  try {
    return lockSchema.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}

/** The lock in this text if its holder may still be at work. Of another host we cannot know, so it is. */
function heldBy(text: string): DataDirLock | undefined {
  const lock = parse(text);
  return lock && (lock.host !== hostname() || isRunning(lock)) ? lock : undefined;
}

function isOurs(lock: DataDirLock | undefined): boolean {
  const { pid, processStart } = ownIdentity();
  return lock?.host === hostname() && lock.pid === pid && lock.processStart === processStart;
}

/** Writes the whole file beside its place, durably, and lets `place` put it there. */
function write(path: string, lock: object, place: (temporary: string) => void): void {
  const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`;
  try {
    writeFileSync(temporary, `${JSON.stringify(lock)}\n`, { mode: 0o600, flag: 'wx', flush: true });
    place(temporary);
  } finally {
    rmSync(temporary, { force: true });
  }
}

/** Creates the lock; false when there is one already. */
function create(path: string, lock: object): boolean {
  try {
    write(path, lock, (temporary) => linkSync(temporary, path));
    return true;
  } catch (error) {
    if (systemCode(error) === 'EEXIST') return false;
    throw error;
  }
}

/**
 * Takes the lock, or answers who has it. A lock whose holder is gone is replaced by one contender only:
 * the one who holds the take-over lock beside it, and who looks again once he does. That lock may be
 * left by a killed contender too, and is taken over by the same rule.
 */
function acquire(path: string, lock: object): DataDirLock | undefined {
  for (;;) {
    if (create(path, lock)) return undefined;
    const text = readText(path);
    // Released between the two looks.
    if (text === undefined) continue;
    const holder = heldBy(text);
    if (holder) return holder;
    const guard = `${path}.takeover`;
    const rival = acquire(guard, lock);
    if (rival) return rival;
    try {
      const again = readText(path);
      if (again !== text) continue;
      write(path, lock, (temporary) => renameSync(temporary, path));
      return undefined;
    } finally {
      rmSync(guard, { force: true });
    }
  }
}

function inUse(directory: string, { pid, role, since, host }: DataDirLock): StorageError {
  const where = host === hostname() ? '' : ` on host ${host}`;
  const remedy =
    host === hostname()
      ? 'stop it first, or set another OTW_DATA_DIR'
      : `stop it there; if it is gone for good, remove ${join(directory, lockName)}`;
  return new StorageError(
    'data_dir_in_use',
    `Expected ${directory} to be free, found it in use by pid ${pid}${where} (role ${role}, since ${since}): ${remedy}`,
  );
}

const another = 'set another OTW_DATA_DIR';

/** What the system's code says about a data directory, and what helps. */
function explanation(code: string): { readonly found: string; readonly remedy: string } | undefined {
  switch (code) {
    case 'EACCES':
    case 'EPERM':
      return { found: 'that this user may not write there', remedy: `make it writable or ${another}` };
    case 'EROFS':
      return { found: 'a file system that is read-only', remedy: `mount it writable or ${another}` };
    case 'ENOENT':
      return { found: 'that it cannot be made there', remedy: `make it yourself or ${another}` };
    case 'EEXIST':
    case 'ENOTDIR':
      return { found: 'a file where a directory has to be', remedy: `move the file away or ${another}` };
    case 'EISDIR':
      return { found: `${lockName} in it to be a directory`, remedy: `remove ${lockName} or ${another}` };
    case 'ENOSPC':
    case 'EDQUOT':
      return { found: 'no space left there', remedy: `make room or ${another}` };
    default:
      return undefined;
  }
}

function explain(error: unknown, directory: string): unknown {
  const code = systemCode(error);
  const known = code === undefined ? undefined : explanation(code);
  if (!known) return error;
  return new StorageError(
    'permission',
    `Expected ${directory} to be a directory to write in, found ${known.found} (${code}): ${known.remedy}`,
    { cause: error },
  );
}

/** Not with mkdir's own `recursive`: where a system answers ENOENT for good, as /proc does, it never ends. */
function makeDirectory(path: string): void {
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory() === true) return;
  try {
    mkdirSync(path, { mode: 0o700 });
  } catch (error) {
    const code = systemCode(error);
    // Another process was faster.
    if (code === 'EEXIST' && statSync(path, { throwIfNoEntry: false })?.isDirectory() === true) return;
    if (code !== 'ENOENT' || existsSync(dirname(path))) throw error;
    makeDirectory(dirname(path));
    makeDirectory(path);
  }
}

/**
 * Makes this process the only user of a data directory, creating the directory (mode 0700) if need be.
 * Throws StorageError `data_dir_in_use` at once when another process has it; takes it over from one
 * that is gone.
 */
export function lockDataDir(directory: string, options: { readonly role: string }): { release(): void } {
  const root = resolve(directory);
  const path = join(root, lockName);
  const lock = { ...ownIdentity(), host: hostname(), role: options.role, since: new Date().toISOString() };
  try {
    makeDirectory(root);
    const holder = acquire(path, lock);
    if (holder) throw inUse(root, holder);
  } catch (error) {
    throw explain(error, root);
  }
  let held = true;
  return {
    release() {
      // Not twice: by then it may be another's, or ours again.
      if (held && isOurs(parse(readText(path) ?? ''))) rmSync(path, { force: true });
      held = false;
    },
  };
}

/** Who holds the data directory now; undefined when nobody does, or when the holder is gone. */
export function readDataDirLock(directory: string): DataDirLock | undefined {
  const root = resolve(directory);
  try {
    const text = readText(join(root, lockName));
    return text === undefined ? undefined : heldBy(text);
  } catch (error) {
    throw explain(error, root);
  }
}

/** Adds to the lock where its holder, this process, can be reached. */
export function updateDataDirLock(directory: string, details: DataDirLockDetails): void {
  const path = join(resolve(directory), lockName);
  const lock = parse(readText(path) ?? '');
  if (!lock || !isOurs(lock)) {
    throw new StorageError(
      'data_dir_in_use',
      `Expected ${path} to be held by this process: call lockDataDir first`,
    );
  }
  try {
    write(path, { ...lock, ...details }, (temporary) => renameSync(temporary, path));
  } catch (error) {
    throw explain(error, dirname(path));
  }
}
