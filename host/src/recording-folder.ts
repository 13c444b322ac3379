import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, renameSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import type { RecordedAnswer } from '@on-the-way/sdk';
import { exitCodes, HostError } from './host-error.ts';

/** A recording that is being made; nobody sees it before it is finished. */
export interface RecordingFolder {
  /** How many answers of each dataset there are so far; `login` is what signing in asked for. */
  readonly answers: ReadonlyMap<string, number>;
  /** How many values were replaced so far, by kind. */
  readonly replaced: ReadonlyMap<string, number>;
  /** Adds an answer. Never throws: what goes wrong is thrown by `finish`. */
  add(answer: RecordedAnswer): void;
  /** Writes the list and the page about it, and puts all of it in place at once. */
  finish(readme: string): void;
  /** Removes what was written; nothing once it is finished. */
  discard(): void;
}

interface IndexEntry {
  readonly file: string;
  readonly metric_type: string;
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  readonly status: number;
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}

/** @throws HostError where something lies there already. */
function checkIsFree(path: string): void {
  let files: string[];
  try {
    files = readdirSync(path);
  } catch (error) {
    if (isMissing(error)) return;
    const message = `--out: expected a folder that is empty or not there yet, found ${path}, which is neither; for example --out recording`;
    throw new HostError(exitCodes.usage, message, { cause: error });
  }
  if (files.length === 0) return;
  throw new HostError(
    exitCodes.usage,
    `--out: expected a folder that is empty or not there yet, found ${path} with ${files.length} files in it; ` +
      'give another one, a recording is never overwritten',
  );
}

/** The plugin names it, and it becomes part of a path. */
function folderOf(dataset = 'login'): string {
  return /^[a-z0-9_]{1,64}$/.test(dataset) ? dataset : 'other';
}

const increase = (counts: Map<string, number>, name: string, by = 1): number => {
  const count = (counts.get(name) ?? 0) + by;
  counts.set(name, count);
  return count;
};

/**
 * Begins a recording beside the folder it will become.
 *
 * @throws HostError where the folder is not empty.
 */
export function createRecordingFolder(out: string): RecordingFolder {
  const target = resolve(out);
  checkIsFree(target);
  const staging = `${target}.partial-${randomBytes(4).toString('hex')}`;
  const index: IndexEntry[] = [];
  const answers = new Map<string, number>();
  const replaced = new Map<string, number>();
  let failure: unknown;

  function write({ dataset, path, query, status, body, replaced: counts = {} }: RecordedAnswer): void {
    const folder = folderOf(dataset);
    const number = String(increase(answers, folder) - 1).padStart(2, '0');
    const file = `${folder}/${number}_${status}.json`;
    mkdirSync(join(staging, folder), { recursive: true });
    writeFileSync(join(staging, file), body === null ? '' : JSON.stringify(body), { flag: 'wx' });
    // Only a question of GraphQL is sent with POST.
    const method = path.endsWith('/graphql') ? 'POST' : 'GET';
    index.push({ file, metric_type: folder, method, path, query, status });
    for (const [kind, count] of Object.entries(counts)) increase(replaced, kind, count);
  }

  return {
    answers,
    replaced,
    add(answer) {
      try {
        if (failure === undefined) write(answer);
      } catch (error) {
        failure = error;
      }
    },
    finish(readme) {
      if (failure !== undefined) throw failure;
      mkdirSync(staging, { recursive: true });
      writeFileSync(join(staging, 'README.md'), readme);
      writeFileSync(join(staging, 'index.json'), `${JSON.stringify(index, null, 1)}\n`);
      mkdirSync(dirname(target), { recursive: true });
      checkIsFree(target);
      // Not every system renames onto a folder, also where it is empty.
      if (existsSync(target)) rmdirSync(target);
      renameSync(staging, target);
    },
    discard: () => rmSync(staging, { recursive: true, force: true }),
  };
}
