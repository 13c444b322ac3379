import { existsSync, statfsSync } from 'node:fs';
import { dirname } from 'node:path';
import { ApiError } from '../http/api-error.ts';

/** Space for the embedded database to grow into. */
export interface FreeSpace {
  /** What is wrong, in a sentence; undefined while there is enough. Costs next to nothing. */
  problem(): string | undefined;
  /** @throws ApiError 503 with Retry-After when the disk is nearly full. */
  check(): void;
}

/** What {@link createFreeSpace} looks at. */
export interface FreeSpaceOptions {
  /** A folder; it need not be there yet. Undefined: the database is not ours to watch, there is always enough. */
  readonly folder: string | undefined;
  /** Below this there is not enough. */
  readonly minFreeMb: number;
  /** Megabytes free to the user we are; default asks the file system. */
  readonly freeMb?: (folder: string) => number;
}

// A disk does not fill in that time by what comes in here: 3 s at full speed are some 20 MB.
const lookEveryMs = 3_000;
// Somebody must make room first.
const retryAfterSeconds = 30;

function freeMbOf(folder: string): number {
  const there = existsSync(folder) ? folder : dirname(folder);
  if (there !== folder && !existsSync(there)) return freeMbOf(there);
  const { bavail, bsize } = statfsSync(there);
  return (bavail * bsize) / 2 ** 20;
}

/** Watches the disk below the data directory. A disk that cannot be asked does not stop anything. */
export function createFreeSpace({ folder, minFreeMb, freeMb = freeMbOf }: FreeSpaceOptions): FreeSpace {
  let lookedAt = -Infinity;
  let found: string | undefined;
  function look(): string | undefined {
    if (folder === undefined) return undefined;
    const free = Math.floor(freeMb(folder));
    return free >= minFreeMb
      ? undefined
      : `Expected ${minFreeMb} MB free on the disk of the data directory, found ${free} MB: make room`;
  }
  function problem(): string | undefined {
    const now = performance.now();
    if (now - lookedAt < lookEveryMs) return found;
    lookedAt = now;
    return (found = look());
  }
  return {
    problem,
    check() {
      if (problem() === undefined) return;
      throw new ApiError(
        503,
        'DEPENDENCY_UNAVAILABLE',
        'The disk of the database is nearly full: nothing is taken in until there is room',
        retryAfterSeconds,
      );
    },
  };
}
