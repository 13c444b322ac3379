import { mkdirSync, statSync } from 'node:fs';
import { enableCompileCache } from 'node:module';
import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';

/** Whose folders, and what says where they are. */
export interface CacheOwner {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly home: string;
  /** Missing on Windows, where a user's folder is theirs by other means. */
  readonly uid: number | undefined;
}

// Of a mode: the group and all others may write.
const othersWrite = 0o022;

/** Whether a folder is the user's, and nobody else may write into it, or rename what lies there. */
function isOwn(folder: string, uid: number | undefined): boolean {
  const found = statSync(folder, { throwIfNoEntry: false });
  if (found?.isDirectory() !== true) return false;
  return uid === undefined || (found.uid === uid && (found.mode & othersWrite) === 0);
}

/**
 * The folder where this user's compiled code may lie, made where it is missing: `~/.cache/on-the-way`, below
 * `XDG_CACHE_HOME` or `LOCALAPPDATA` where these are set. What lies in it is run, so there is none where anybody else
 * could put something into it, as where a user's home was kept for a command of root's.
 */
export function cacheFolder({ env, home, uid }: CacheOwner): string | undefined {
  const { XDG_CACHE_HOME: wanted, LOCALAPPDATA: local } = env;
  const given = uid === undefined ? local : wanted;
  const isGiven = given !== undefined && isAbsolute(given);
  const base = isGiven ? given : join(home, '.cache');
  const folder = join(base, 'on-the-way');
  try {
    if (!isOwn(isGiven ? base : home, uid)) return undefined;
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    return isOwn(base, uid) && isOwn(folder, uid) ? folder : undefined;
  } catch {
    // A cache is no reason to fail: a home may be missing or not writable.
    return undefined;
  }
}

/**
 * Keeps what is compiled from here on, types stripped, for the next command of this user. Where Node's own variables
 * say otherwise (NODE_COMPILE_CACHE, NODE_DISABLE_COMPILE_CACHE), these hold. Connectors neither read nor write it.
 */
export function keepCompiledCode(): void {
  const folder = cacheFolder({ env: process.env, home: homedir(), uid: process.getuid?.() });
  if (folder !== undefined) enableCompileCache(folder);
}
