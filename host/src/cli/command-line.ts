import { CommanderError } from 'commander';
import { exitCodes, HostError } from '../host-error.ts';
import { createProgram, usageExitCode } from './program.ts';

/** What a failed command says, and its exit code. */
async function report(error: unknown): Promise<number> {
  if (error instanceof CommanderError) return usageExitCode(error);
  if (error instanceof HostError) {
    process.stderr.write(`${error.message}\n`);
    return error.exitCode;
  }
  const message = error instanceof Error ? error.message : String(error);
  const { isUnreachable } = await import('../storage/database.ts');
  if (isUnreachable(error)) {
    process.stderr.write(`Expected the database to be reachable, but: ${message}. Check that it runs\n`);
    return exitCodes.unreachable;
  }
  process.stderr.write(`Unexpected: ${message}\n`);
  if (process.env['OTW_LOG_LEVEL'] === 'debug' && error instanceof Error)
    process.stderr.write(`${error.stack}\n`);
  return exitCodes.failed;
}

/** Runs one command, of these arguments, to its end; resolves with its exit code. */
export async function runCommandLine(version: string, args: readonly string[]): Promise<number> {
  let exitCode: number = exitCodes.done;
  try {
    await createProgram(version, (code) => {
      exitCode = code;
    }).parseAsync(args, { from: 'user' });
    return exitCode;
  } catch (error) {
    return await report(error);
  }
}
