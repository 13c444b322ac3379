import { spawn, type ChildProcess } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import type { Page } from './markdown.ts';
import { applyEdit, missingLine, stepsOf, type Step } from './tutorial-steps.ts';

/** Where a tutorial is followed. */
export interface Desk {
  /** An empty folder. */
  readonly folder: string;
  /** All the environment there is. */
  readonly env: Readonly<Record<string, string>>;
  /** Told of each step that was done, and how long it took. */
  readonly onStep?: (line: number, durationMs: number) => void;
}

type Run = Extract<Step, { kind: 'run' }>;

interface State {
  /** The folder the shell stands in. */
  cwd: string;
  readonly background: Set<ChildProcess>;
}

interface Started {
  readonly child: ChildProcess;
  readonly ended: Promise<number | null>;
  output(): string;
  /** Resolves when all of it was printed, or the process ended. */
  printed(expected: readonly string[]): Promise<void>;
}

/** Runs commands in a shell of their own that stops at the first one that fails, and leaves the folder it ended in. */
function start(command: string, cwd: string, { folder, env }: Desk): Started {
  // One pipe for both, so that lines stay in the order they were printed in.
  const script = `exec 2>&1\ntrap 'pwd > "$TUTORIAL_PWD"' EXIT\nset -e\n${command}`;
  const child = spawn('sh', ['-c', script], {
    cwd,
    env: { ...env, TUTORIAL_PWD: pwdFile(folder) },
    stdio: ['ignore', 'pipe', 'inherit'],
    // A group of its own, so that what it started ends with it.
    detached: true,
  });
  let output = '';
  const heard = new EventTarget();
  const hear = (text: string): void => {
    output += stripVTControlCharacters(text);
    heard.dispatchEvent(new Event('output'));
  };
  child.stdout.setEncoding('utf8').on('data', hear);
  const ended = new Promise<number | null>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', resolve);
  });
  return {
    child,
    ended,
    output: () => output,
    printed: (expected) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          if (missingLine(output, expected) === undefined) resolve();
        };
        heard.addEventListener('output', look);
        ended.then(() => resolve(), reject);
        look();
      }),
  };
}

function pwdFile(folder: string): string {
  return `${folder}.pwd`;
}

function check({ exit, expected }: Run, code: number | null, output: string): void {
  if (code !== exit) throw new Error(`Expected exit ${exit}, got ${code}:\n${output}`);
  const missing = missingLine(output, expected);
  if (missing !== undefined)
    throw new Error(`Expected the output to go on with\n${missing}\ngot:\n${output}`);
}

async function run(step: Run, state: State, desk: Desk): Promise<void> {
  const started = start(step.command, state.cwd, desk);
  if (step.isBackground) {
    state.background.add(started.child);
    await started.printed(step.expected);
    // Still there: as if it had ended as it should.
    check(step, started.child.exitCode ?? step.exit, started.output());
    return;
  }
  const code = await started.ended;
  check(step, code, started.output());
  state.cwd = readFileSync(pwdFile(desk.folder), 'utf8').trimEnd();
}

async function take(step: Step, state: State, desk: Desk): Promise<void> {
  if (step.kind === 'run') return run(step, state, desk);
  const path = join(state.cwd, step.file);
  if (step.kind === 'edit') return writeFileSync(path, applyEdit(readFileSync(path, 'utf8'), step.text));
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, step.text);
}

async function end(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once('close', resolve));
  process.kill(-child.pid, 'SIGTERM');
  await ended;
}

/**
 * Does what a page says, word for word, one step after the other, as {@link stepsOf} reads it.
 *
 * @throws Error with the line of the page where something else happens than it says.
 */
export async function followTutorial(page: Page, desk: Desk): Promise<void> {
  const state: State = { cwd: desk.folder, background: new Set() };
  try {
    for (const step of stepsOf(page)) {
      const begun = performance.now();
      try {
        await take(step, state, desk);
      } catch (cause) {
        const message = cause instanceof Error ? cause.message : String(cause);
        throw new Error(`${page.path}:${step.line}: ${message}`, { cause });
      }
      desk.onStep?.(step.line, Math.round(performance.now() - begun));
    }
  } finally {
    await Promise.all([...state.background].map(end));
  }
}
