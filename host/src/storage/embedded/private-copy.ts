import { createHash } from 'node:crypto';
import {
  chmodSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { StorageError } from '../storage-error.ts';
import { makeLibrarySymlinks } from './library-symlinks.ts';

function copyName(root: string, version: string): string {
  // Size and time too: a reinstalled package at the same path is another source.
  const { size, mtimeMs } = statSync(join(root, 'native', 'bin', 'postgres'));
  const hash = createHash('sha256').update(`${root}\0${size}\0${mtimeMs}`).digest('hex').slice(0, 12);
  const uid = process.geteuid?.() ?? 0;
  return `otw-postgres-${version}-${hash}${uid === 0 ? '' : `-${uid}`}`;
}

/** A copy is run only if it is ours and nobody else can have changed it. */
function verify(path: string): void {
  const found = lstatSync(path);
  const uid = process.geteuid?.() ?? 0;
  if (found.isDirectory() && found.uid === uid && (found.mode & 0o022) === 0) return;
  throw new StorageError(
    'permission',
    `Expected ${path} to be a directory of user ${uid} that only he can write, found user ${found.uid}, ` +
      `mode ${(found.mode & 0o7777).toString(8)}: remove it`,
  );
}

function makeReadable(path: string): void {
  const found = lstatSync(path);
  if (found.isSymbolicLink()) return;
  const executable = found.isDirectory() || (found.mode & 0o100) !== 0;
  chmodSync(path, executable ? 0o755 : 0o644);
  if (found.isDirectory()) for (const name of readdirSync(path)) makeReadable(join(path, name));
}

/**
 * A copy of the package's binaries where the user Postgres runs as can reach them, made once: needed
 * when the package lies below a private folder (root's home) or in one we cannot write.
 */
export function privateCopy(root: string, version: string): string {
  const parent = existsSync('/var/tmp') ? '/var/tmp' : tmpdir();
  const path = join(parent, copyName(root, version));
  if (!lstatSync(path, { throwIfNoEntry: false })) {
    const temporary = mkdtempSync(`${path}.`);
    try {
      cpSync(join(root, 'native'), join(temporary, 'native'), { recursive: true, verbatimSymlinks: true });
      makeLibrarySymlinks(temporary);
      makeReadable(temporary);
      renameSync(temporary, path);
    } catch (error) {
      rmSync(temporary, { recursive: true, force: true });
      // Another host was faster: its copy is as good as ours, if it passes the check below.
      if (!lstatSync(path, { throwIfNoEntry: false })) {
        throw new StorageError(
          'no_postgres',
          `Could not copy ${basename(root)} to ${path}: free some space`,
          {
            cause: error,
          },
        );
      }
    }
  }
  verify(path);
  return path;
}
