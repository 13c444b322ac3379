import type { SpawnOptions } from 'node:child_process';
import { closeSync, existsSync, openSync } from 'node:fs';
import type { RunAs } from './run-as.ts';

/** How to name paths to a Postgres program, and the descriptors it inherits for that. */
export interface Handover {
  /** The path to give on the command line, in the order of the paths asked for. */
  readonly paths: readonly string[];
  /** Descriptors to append to `stdio`, as its fourth and later entries. */
  readonly descriptors: readonly number[];
  /** To call once the program has been spawned. */
  close(): void;
}

/**
 * Root runs Postgres as another user, who may not traverse the folders above the data (a clone in
 * /root). They are the person's folders and stay as they are: root opens the cluster and hands over
 * the descriptor, and `/proc/self/fd/N` leads there without a look at the parents. (The working
 * directory would do the same, but Postgres 15 and older leave it and cannot come back.)
 */
export function handOver(paths: readonly string[], runAs: RunAs | undefined): Handover {
  if (!runAs || !existsSync('/proc/self/fd')) return { paths, descriptors: [], close: () => {} };
  const descriptors = paths.map((path) => openSync(path, 'r'));
  return {
    paths: descriptors.map((_, index) => `/proc/self/fd/${index + 3}`),
    descriptors,
    close: () => descriptors.forEach((descriptor) => closeSync(descriptor)),
  };
}

/** Options common to all Postgres programs: nothing of our environment, no terminal, no folder of ours. */
export function spawnOptions(runAs: RunAs | undefined): SpawnOptions {
  return {
    ...runAs,
    cwd: '/',
    env: { PATH: '/usr/local/bin:/usr/bin:/bin', LC_ALL: 'C' },
    // Own session: a Ctrl-C at the terminal is the host's to handle.
    detached: true,
  };
}
