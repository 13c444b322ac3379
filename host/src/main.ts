// The otw command. Started by bin/otw.js, and by `npm start` from the sources.
import { runCommandLine } from './cli/command-line.ts';
import { exitCodes } from './host-error.ts';
import { hostVersion } from './host-version.ts';

// What commands write down is a person's data or what leads to it: for this user alone, unless a file says otherwise.
process.umask(0o077);

// Whoever read our output (head, less) has seen enough.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(exitCodes.done);
  throw error;
});

// Exit outright: back-off timers and keep-alive sockets of what was given up must not hold the process.
process.exit(await runCommandLine(hostVersion(), process.argv.slice(2)));
