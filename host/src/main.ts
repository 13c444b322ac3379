// The otw command. Started by bin/otw.js, and by `npm start` from the sources.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { CommanderError } from 'commander';
import { createProgram, usageExitCode } from './cli/program.ts';
import { exitCodes, HostError } from './host-error.ts';
import { isUnreachable } from './storage/database.ts';

function version(): string {
  const manifest = readFileSync(join(import.meta.dirname, '..', 'package.json'), 'utf8');
  return (JSON.parse(manifest) as { version: string }).version;
}

/** What a failed command says, and its exit code. */
function report(error: unknown): number {
  if (error instanceof CommanderError) return usageExitCode(error);
  if (error instanceof HostError) {
    process.stderr.write(`${error.message}\n`);
    return error.exitCode;
  }
  const message = error instanceof Error ? error.message : String(error);
  if (isUnreachable(error)) {
    process.stderr.write(`Expected the database to be reachable, but: ${message}. Check that it runs\n`);
    return exitCodes.unreachable;
  }
  process.stderr.write(`Unexpected: ${message}\n`);
  if (process.env['OTW_LOG_LEVEL'] === 'debug' && error instanceof Error)
    process.stderr.write(`${error.stack}\n`);
  return exitCodes.failed;
}

async function main(): Promise<number> {
  let exitCode: number = exitCodes.done;
  try {
    await createProgram(version(), (code) => {
      exitCode = code;
    }).parseAsync();
    return exitCode;
  } catch (error) {
    return report(error);
  }
}

// What commands write down is a person's data or what leads to it: for this user alone, unless a file says otherwise.
process.umask(0o077);

// Whoever read our output (head, less) has seen enough.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(exitCodes.done);
  throw error;
});

// Exit outright: back-off timers and keep-alive sockets of what was given up must not hold the process.
process.exit(await main());
