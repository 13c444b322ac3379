import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  chownSync,
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { randomBytes } from 'node:crypto';
import { basename, dirname, join } from 'node:path';
import { StorageError } from '../storage-error.ts';
import type { Binaries } from './find-binaries.ts';
import { databaseName, layoutOf } from './layout.ts';
import type { Layout } from './layout.ts';
import { explainSpawnError, giveTo, statOf } from './run-as.ts';
import type { RunAs } from './run-as.ts';
import { handOver, spawnOptions } from './spawn-postgres.ts';

// An initdb whose host was killed writes on for a second: then removing takes more than one try.
const removal = { recursive: true, force: true, maxRetries: 10, retryDelay: 50 } as const;

interface InitOptions {
  readonly layout: Layout;
  readonly binaries: Binaries;
  readonly runAs: RunAs | undefined;
  readonly durable: boolean;
}

/**
 * True where there is a cluster, whole or damaged: then it is Postgres' to judge. Only a certain "not
 * there" counts as none; a folder we may not look into must never be taken for an empty one.
 */
export function isInitialised(layout: Layout): boolean {
  return statOf(join(layout.cluster, 'global', 'pg_control')) !== undefined;
}

/**
 * Removes what an interrupted creation left, and moves aside a directory in which there has never
 * been a cluster. Answers where it went. Only for the holder of the data directory's lock.
 */
export function clearLeftovers(layout: Layout): string | undefined {
  const parent = dirname(layout.directory);
  const prefix = `${basename(layout.directory)}.new-`;
  for (const name of existsSync(parent) ? readdirSync(parent) : []) {
    if (name.startsWith(prefix)) rmSync(join(parent, name), removal);
  }
  if (!existsSync(layout.directory) || isInitialised(layout)) return undefined;
  if (readdirSync(layout.directory).length === 0) return undefined;
  const aside = `${layout.directory}.aside-${randomBytes(4).toString('hex')}`;
  renameSync(layout.directory, aside);
  return aside;
}

/** Creates the cluster beside its place and renames it there when it is whole. */
export async function initCluster(options: InitOptions): Promise<void> {
  const { directory } = options.layout;
  mkdirSync(dirname(directory), { recursive: true, mode: 0o700 });
  const temporary = layoutOf(`${directory}.new-${randomBytes(4).toString('hex')}`);
  try {
    // Without /proc there is only the path to come by, so others may pass through, but not look.
    mkdirSync(temporary.directory, { mode: options.runAs && !existsSync('/proc/self/fd') ? 0o711 : 0o700 });
    mkdirSync(temporary.cluster, { mode: 0o700 });
    writeFileSync(temporary.password, `${randomBytes(24).toString('base64url')}\n`, {
      mode: 0o600,
      flush: true,
    });
    if (options.runAs)
      for (const path of [temporary.cluster, temporary.password]) giveTo(path, options.runAs);
    await runInitdb({ ...options, layout: temporary });
    takeBack(temporary);
    renameSync(temporary.directory, directory);
    if (options.durable) syncDirectory(dirname(directory));
  } catch (error) {
    rmSync(temporary.directory, { recursive: true, force: true });
    throw error;
  }
}

/** The password was the server's user's to read for as long as initdb needed it. */
function takeBack(layout: Layout): void {
  const uid = process.geteuid?.();
  if (uid !== undefined) chownSync(layout.password, uid, process.getegid?.() ?? -1);
  chmodSync(layout.password, 0o600);
}

function syncDirectory(path: string): void {
  const descriptor = openSync(path, 'r');
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

async function runInitdb({ layout, binaries, runAs, durable }: InitOptions): Promise<void> {
  const program = join(binaries.bin, 'initdb');
  const handover = handOver([layout.cluster, layout.password], runAs);
  const [cluster, password] = handover.paths;
  const args = ['-D', `${cluster}`, `--pwfile=${password}`, `--username=${databaseName}`, '--encoding=UTF8'];
  args.push('--locale=C', '--auth=scram-sha-256', '--data-checksums', ...(durable ? [] : ['--no-sync']));
  const child = spawn(program, args, {
    ...spawnOptions(runAs),
    stdio: ['ignore', 'ignore', 'pipe', ...handover.descriptors],
  });
  let said = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (said = (said + text).slice(-4_000)));
  try {
    const [code, signal] = (await once(child, 'close')) as [number | null, string | null];
    if (code !== 0) throw initFailed(said, code ?? signal);
  } catch (error) {
    throw explainSpawnError(error, program, runAs);
  } finally {
    handover.close();
  }
}

function initFailed(said: string, ended: number | string | null): StorageError {
  if (said.includes('could not look up effective user ID')) {
    return new StorageError(
      'no_user_name',
      `Expected user ${process.geteuid?.()} to have a name, found no passwd entry, and initdb needs one: ` +
        'set DATABASE_URL to a Postgres of yours, or add a line for this user to /etc/passwd',
    );
  }
  return new StorageError(
    'init_failed',
    `Expected initdb to create the database, but it ended with ${ended}: ${said.trim()}`,
  );
}
