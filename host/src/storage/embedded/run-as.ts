import { chownSync, lstatSync, readdirSync, statSync } from 'node:fs';
import type { Stats } from 'node:fs';
import { join } from 'node:path';
import { StorageError, systemCode } from '../storage-error.ts';

/** The user a Postgres program runs as; undefined: the user we are. */
export interface RunAs {
  readonly uid: number;
  readonly gid: number;
}

// `nobody` on nearly every system, and a number works where no such name exists.
const unprivileged: RunAs = { uid: 65534, gid: 65534 };

/** Undefined only for what is certainly not there; throws where we may not look. */
export function statOf(path: string): Stats | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch (cause) {
    throw new StorageError(
      'permission',
      `Expected to look at ${path}, got ${systemCode(cause)}: run as the user who started the host before`,
      { cause },
    );
  }
}

/**
 * Postgres refuses to run as root. Root therefore runs it as the owner of the cluster, so that one
 * `sudo` does not lock an ordinary user out of his own data; a cluster not there yet is nobody's.
 */
export function chooseRunAs(cluster: string): RunAs | undefined {
  const self = process.geteuid?.();
  const owner = statOf(cluster);
  if (self === 0) return owner && owner.uid !== 0 ? { uid: owner.uid, gid: owner.gid } : unprivileged;
  if (owner && self !== undefined && owner.uid !== self) {
    throw new StorageError(
      'permission',
      `Expected ${cluster} to belong to user ${self}, found it belongs to user ${owner.uid}: ` +
        'run as that user or as root, or choose another OTW_DATA_DIR',
    );
  }
  return undefined;
}

/** Gives a file or a whole tree to the user; only what is not his yet. Symbolic links are left alone. */
export function giveTo(path: string, user: RunAs): void {
  const found = lstatSync(path);
  if (found.isSymbolicLink()) return;
  if (found.uid !== user.uid) chownSync(path, user.uid, user.gid);
  if (!found.isDirectory()) return;
  for (const name of readdirSync(path)) giveTo(join(path, name), user);
}

/** Turns a refused spawn into a sentence; anything else is returned as it is. */
export function explainSpawnError(error: unknown, program: string, user: RunAs | undefined): unknown {
  const code = systemCode(error);
  if (code !== 'EPERM' && code !== 'EACCES') return error;
  const as = user ? ` as user ${user.uid}` : '';
  return new StorageError(
    'permission',
    `Expected to run ${program}${as}, got ${code}: allow it (in a container, the capabilities SETUID and ` +
      'SETGID), run the host as an ordinary user, or set DATABASE_URL',
    { cause: error },
  );
}
