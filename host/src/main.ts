// The otw command. Started by bin/otw.js, and by `npm start` from the sources.
import { keepCompiledCode } from './cli/compile-cache.ts';
import { beginEarlyStop } from './cli/early-stop.ts';
import { exitCodes } from './host-error.ts';
import { hostVersion } from './host-version.ts';

// All else takes half a second to load, and a supervisor may stop the daemon within it.
if (process.argv[2] === 'start') beginEarlyStop();

// What commands write down is a person's data or what leads to it: for this user alone, unless a file says otherwise.
process.umask(0o077);

keepCompiledCode();
const { runCommandLine } = await import('./cli/command-line.ts');

// Whoever read our output (head, less) has seen enough.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(exitCodes.done);
  throw error;
});

// Exit outright: back-off timers and keep-alive sockets of what was given up must not hold the process.
process.exit(await runCommandLine(hostVersion(), process.argv.slice(2)));
