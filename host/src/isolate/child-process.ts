import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { extname, dirname, join } from 'node:path';
import type { Duplex } from 'node:stream';
import { packageFolder, type ResolvedPlugin } from './resolve-plugin.ts';

const entry = join(import.meta.dirname, `child${extname(import.meta.filename)}`);
const require = createRequire(import.meta.filename);

// Unpaid room for JSON and buffers; a plugin that needs more is doing something else than reading.
const heapMegabytes = 512;

/** Every node_modules folder that a module in `folder` may import from. */
function moduleFolders(folder: string): string[] {
  const here = join(folder, 'node_modules');
  const parent = dirname(folder);
  return [...(existsSync(here) ? [here] : []), ...(parent === folder ? [] : moduleFolders(parent))];
}

/** What the child may read: the code it runs, nothing else. */
function readableFolders(plugin: ResolvedPlugin): string[] {
  const ours = ['@on-the-way/core', '@on-the-way/sdk'].map((name) => packageFolder(require.resolve(name)));
  const host = packageFolder(entry);
  const packages = [packageFolder(plugin.path), ...ours];
  return [
    ...new Set([
      ...packages.map((folder) => join(folder, '*')),
      join(dirname(entry), '*'),
      join(host, 'package.json'),
      ...[...packages, host].flatMap(moduleFolders).map((folder) => join(folder, '*')),
    ]),
  ];
}

/** From the sources, the child must resolve our packages to sources too. */
const conditions = extname(entry) === '.ts' ? ['--conditions=@on-the-way/source'] : [];

/** A child with its three streams and the socket both sides talk over. */
export interface ConnectorChild {
  readonly process: ChildProcess;
  readonly channel: Duplex;
}

/**
 * Starts the process a connector runs in: its own files readable and nothing else, no child processes,
 * no workers, an environment of two variables, a process group of its own (so that Ctrl-C at the
 * terminal reaches the host alone, which then ends its children in order).
 */
export function spawnChild(plugin: ResolvedPlugin): ConnectorChild {
  const flags = [
    ...conditions,
    '--permission',
    ...readableFolders(plugin).map((folder) => `--allow-fs-read=${folder}`),
    `--max-old-space-size=${heapMegabytes}`,
    '--disable-warning=ExperimentalWarning',
    '--disable-warning=SecurityWarning',
  ];
  const child = spawn(process.execPath, [...flags, entry], {
    stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
    env: { TZ: 'UTC', NODE_ENV: 'production' },
    cwd: packageFolder(plugin.path),
    detached: true,
  });
  return { process: child, channel: child.stdio[3] as Duplex };
}
