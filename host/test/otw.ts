import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { vi } from 'vitest';
import { runCommandLine } from '../src/cli/command-line.ts';

const root = join(import.meta.dirname, '..', '..');
const main = join(root, 'host', 'src', 'main.ts');

/** A finished command. */
export interface Finished {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A command under way. */
export interface Running {
  readonly process: ChildProcess;
  readonly finished: Promise<Finished>;
  /** What it has said on stderr so far. */
  stderr(): string;
  /** Resolves with the match when stderr has it; rejects when the command ends without. */
  said(pattern: RegExp): Promise<RegExpExecArray>;
}

/** How a command is started. */
export interface OtwOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly uid?: number;
  readonly gid?: number;
}

// Nothing of the machine's own settings may decide a test.
const basics = {
  PATH: process.env['PATH'] ?? '',
  HOME: tmpdir(),
  NO_COLOR: '1',
  API_PORT: '0',
  // Half of a short command's time goes into reading TypeScript; what was read once is kept by content.
  NODE_COMPILE_CACHE: join(tmpdir(), 'otw-test-compile-cache'),
};

/** Starts `otw` from the sources with only the given environment. */
export function startOtw(args: readonly string[], options: OtwOptions = {}): Running {
  const child = spawn(process.execPath, ['--conditions=@on-the-way/source', main, ...args], {
    cwd: options.cwd ?? root,
    env: { ...basics, ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
    ...(options.uid !== undefined && { uid: options.uid, gid: options.gid ?? options.uid }),
  });
  let stdout = '';
  let stderr = '';
  const listeners = new Set<() => void>();
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
    for (const listener of listeners) listener();
  });
  const finished = new Promise<Finished>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => resolve({ code, signal, stdout, stderr }));
  });
  return {
    process: child,
    finished,
    stderr: () => stderr,
    said: (pattern) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          const match = pattern.exec(stderr);
          if (!match) return;
          listeners.delete(look);
          resolve(match);
        };
        listeners.add(look);
        look();
        void finished.then(({ code }) =>
          reject(new Error(`Expected ${pattern} on stderr, but the command ended with ${code}:\n${stderr}`)),
        );
      }),
  };
}

/** Runs `otw` to its end. */
export function otw(args: readonly string[], options: OtwOptions = {}): Promise<Finished> {
  return startOtw(args, options).finished;
}

let before: Promise<unknown> = Promise.resolve();

async function runHere(args: readonly string[], { env, cwd = root }: OtwOptions): Promise<Finished> {
  let stdout = '';
  let stderr = '';
  const taken = [
    vi.spyOn(process.stdout, 'write').mockImplementation((text) => ((stdout += String(text)), true)),
    vi.spyOn(process.stderr, 'write').mockImplementation((text) => ((stderr += String(text)), true)),
    vi.spyOn(process, 'cwd').mockReturnValue(cwd),
  ];
  const own = process.env;
  process.env = { ...basics, ...env };
  try {
    return { code: await runCommandLine('0.0.0', args), signal: null, stdout, stderr };
  } finally {
    process.env = own;
    for (const spy of taken) spy.mockRestore();
  }
}

/** As `otw`, within the test's own process: what a command does is the same, and starting one takes a second. */
export function otwHere(args: readonly string[], options: OtwOptions = {}): Promise<Finished> {
  // They share the process' output and environment, so one after the other.
  const finished = before.then(() => runHere(args, options));
  before = finished.catch(() => undefined);
  return finished;
}

/** A folder of a test's own. */
export function temporaryFolder(): { readonly path: string; remove(): void } {
  const path = mkdtempSync(join(tmpdir(), 'otw-test-'));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}
