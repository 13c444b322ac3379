import { exitCodes } from '../host-error.ts';

/** What tells a daemon to stop. */
export const stopSignals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

const leave = (): never => process.exit(exitCodes.done);

/** From here on a signal ends the daemon that is still being loaded, as one that has nothing to finish. */
export function beginEarlyStop(): void {
  for (const signal of stopSignals) process.on(signal, leave);
}

/** Leaves signals to who listens for them by now. */
export function endEarlyStop(): void {
  for (const signal of stopSignals) process.off(signal, leave);
}
