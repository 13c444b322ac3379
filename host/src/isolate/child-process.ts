import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, readdirSync, realpathSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, extname, isAbsolute, join, relative, resolve } from 'node:path';
import type { Duplex } from 'node:stream';
import { ConnectorError } from '@on-the-way/sdk';
import { packageFolder, type ResolvedPlugin } from './resolve-plugin.ts';

const entry = join(import.meta.dirname, `child${extname(import.meta.filename)}`);
const require = createRequire(import.meta.filename);

/** Every node_modules folder that a module in `folder` may import from; a link is followed, and may be read itself. */
function moduleFolders(folder: string): string[] {
  const here = join(folder, 'node_modules');
  const parent = dirname(folder);
  const above = parent === folder ? [] : moduleFolders(parent);
  if (!existsSync(here)) return above;
  const real = realpathSync(here);
  return [join(here, '*'), ...(real === here ? [] : [here, join(real, '*')]), ...above];
}

/** Whether `path` is `folder` or lies below it. */
function within(folder: string, path: string): boolean {
  const way = relative(folder, path);
  return way === '' || (!way.startsWith('..') && !isAbsolute(way));
}

/**
 * What of a package the child may read: everything but what begins with a dot at its top (.env, .git, .otw) and the host's data,
 * which both may lie in the same folder when the plugin is a file of the user's project.
 */
function readableParts(folder: string, privateFolder: string): string[] {
  return readdirSync(folder, { withFileTypes: true })
    .filter(({ name }) => !name.startsWith('.') && name !== 'node_modules')
    .flatMap((item) => {
      const path = join(folder, item.name);
      if (within(path, privateFolder)) {
        return path === privateFolder ? [] : readableParts(path, privateFolder);
      }
      return item.isDirectory() ? [join(path, '*')] : [path];
    });
}

/** What a connector's process may read; a path that ends in * is a folder with all that is in it. */
export interface Readable {
  /** Of the plugin itself. */
  readonly own: readonly string[];
  /** Packages it may import. */
  readonly packages: readonly string[];
  /** Code of the host, which carries it. */
  readonly host: readonly string[];
}

/** What the child may read: the code it runs, nothing else. `privateFolder` is absolute. */
export function readableBy(
  plugin: Pick<ResolvedPlugin, 'folder' | 'isAlone'>,
  privateFolder: string,
): Readable {
  const ours = ['@on-the-way/core', '@on-the-way/sdk'].map((name) => packageFolder(require.resolve(name)));
  const host = packageFolder(entry);
  const modules = [plugin.folder, ...ours, host].flatMap(moduleFolders);
  return {
    own: readableParts(plugin.folder, privateFolder).filter((path) => !plugin.isAlone || !path.endsWith('*')),
    packages: [...new Set(modules)],
    host: [
      ...ours.flatMap((folder) => readableParts(folder, privateFolder)),
      join(dirname(entry), '*'),
      join(dirname(entry), '..', `host-error${extname(entry)}`),
      join(host, 'package.json'),
    ],
  };
}

function readFlags(plugin: ResolvedPlugin, privateFolder: string): string[] {
  const { own, packages, host } = readableBy(plugin, privateFolder);
  return [...new Set([...own, ...host, ...packages])].map((path) => `--allow-fs-read=${path}`);
}

/** From the sources, the child must resolve our packages to sources too. */
const conditions = extname(entry) === '.ts' ? ['--conditions=@on-the-way/source'] : [];

/** A child with its three streams and the socket both sides talk over. */
export interface ConnectorChild {
  readonly process: ChildProcess;
  readonly channel: Duplex;
}

// A host that is killed cannot end its children, and a plugin that loops hears nothing. So a shell's
// background job reads descriptor 4, which only the host holds open, and ends the child when it closes.
// No core file may keep what was in its memory, and what it opens is bounded.
const watch =
  'unset PWD OLDPWD; ulimit -c 0 2>/dev/null; ulimit -n 4096 2>/dev/null; (read -r line <&4 || kill -9 $$) >/dev/null 2>&1 3>&- & exec "$@" 4>&-';

function tiedToHost(program: string, args: readonly string[]): [string, string[]] {
  if (process.platform === 'win32') return [program, [...args]];
  return ['/bin/sh', ['-c', watch, 'sh', program, ...args]];
}

/** What tells one process from another: those of a kind can stand in for each other. */
export interface ProcessKind {
  readonly plugin: ResolvedPlugin;
  /** Never readable for the child, wherever the plugin lies. */
  readonly privateFolder: string;
  /** The memory it may have; half of it is for JavaScript's own heap, the rest for code and buffers. */
  readonly memoryMb: number;
}

/**
 * Starts the process a connector runs in: its own files readable and nothing else, no child processes,
 * no workers, an environment of two variables, a process group of its own (so that Ctrl-C at the
 * terminal reaches the host alone, which then ends its children in order).
 */
export function spawnChild({ plugin, privateFolder, memoryMb }: ProcessKind): ConnectorChild {
  const flags = [
    ...conditions,
    '--permission',
    ...readFlags(plugin, resolve(privateFolder)),
    `--max-old-space-size=${Math.ceil(memoryMb / 2)}`,
    '--max-semi-space-size=8',
    '--disable-warning=ExperimentalWarning',
    '--disable-warning=SecurityWarning',
  ];
  const child = spawn(...tiedToHost(process.execPath, [...flags, entry]), {
    stdio: ['ignore', 'pipe', 'pipe', 'pipe', 'pipe'],
    env: { TZ: 'UTC', NODE_ENV: 'production' },
    cwd: plugin.folder,
    detached: true,
  });
  // Told again to whoever uses the process; unheard it would end the host.
  child.on('error', () => undefined);
  // No streams at all where the host has no file descriptor left.
  const [, , , channel, tie] = child.stdio ?? [];
  if (!channel || !tie) {
    throw new ConnectorError(
      'transient',
      'Expected to start a process for the connector, but this host may open no more files: see ulimit -n',
    );
  }
  // Ended by itself: tell the watcher, so that it does not end whoever has the process id by then.
  child.once('exit', () => (tie as Duplex).end('ended\n'));
  tie.on('error', () => undefined);
  return { process: child, channel: channel as Duplex };
}
