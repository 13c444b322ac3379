import { spawn } from 'node:child_process';
import { delimiter, dirname } from 'node:path';

/** A command that has ended. */
export interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Where and how a command runs. */
export interface CommandOptions {
  readonly cwd: string;
  /** Besides what is kept of this process's own; see {@link cleanEnvironment}. */
  readonly env?: Readonly<Record<string, string>>;
}

// What npm and vitest tell the processes they start about themselves, and what would decide how ours behave.
const ownOfParents =
  /^(npm_(lifecycle|package|command|config_(local_prefix|omit|include|loglevel|engine_strict|conditions))|VITEST|OTW_|NODE_(ENV|OPTIONS|PATH|V8_COVERAGE)|INIT_CWD|(TEST|DEV|PROD|SSR|MODE|BASE_URL|DATABASE_URL|API_PORT|CI|NX_|LERNA)\b|GITHUB_)/i;

/** The environment of somebody who opens a new terminal, with this Node first on the PATH. */
export function cleanEnvironment(): Record<string, string> {
  const kept = Object.entries(process.env).filter(([name]) => !ownOfParents.test(name));
  const path = `${dirname(process.execPath)}${delimiter}${process.env['PATH'] ?? ''}`;
  return { ...(Object.fromEntries(kept) as Record<string, string>), PATH: path, NO_COLOR: '1' };
}

/** How to start npm: the one that runs this process if there is one, else the one on the PATH. */
export function npmCommand(): readonly [string, ...string[]] {
  const own = process.env['npm_execpath'];
  return own?.endsWith('.js') === true ? [process.execPath, own] : ['npm'];
}

/** Runs a command to its end, whatever its exit code. */
export async function runCommand(
  [command, ...args]: readonly [string, ...string[]],
  { cwd, env = {} }: CommandOptions,
): Promise<Finished> {
  const child = spawn(command, args, {
    cwd,
    env: { ...cleanEnvironment(), ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const [out, error]: [string[], string[]] = [[], []];
  child.stdout.setEncoding('utf8').on('data', (text: string) => out.push(text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => error.push(text));
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, stdout: out.join(''), stderr: error.join('') }));
  });
}

/**
 * Runs a command and answers with what it printed on stdout.
 *
 * @throws Error with all that it printed, where its exit code is not 0.
 */
export async function outputOf(
  command: readonly [string, ...string[]],
  options: CommandOptions,
): Promise<string> {
  const { code, stdout, stderr } = await runCommand(command, options);
  if (code === 0) return stdout;
  throw new Error(
    `Expected ${command.join(' ')} in ${options.cwd} to succeed, but it ended with ${code}:\n${stdout}${stderr}`,
  );
}
