import { openSync, readFileSync, statSync } from 'node:fs';

// One restart loop writes about 1 kB a turn; 10 MB hold months and are read in one go.
const maxLogBytes = 10 * 1024 * 1024;

/** Opens the log for appending; begins anew when it has grown too long. */
export function openLog(path: string): number {
  const size = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  const descriptor = openSync(path, size > maxLogBytes ? 'w' : 'a', 0o600);
  return descriptor;
}

/** Where the log ends now, to quote later only what came after. */
export function logEnd(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}

/** What was written since, its last lines. */
export function logSince(path: string, start: number): string {
  const text = readFileSync(path).subarray(start).toString('utf8');
  return text.trimEnd().split('\n').slice(-12).join('\n');
}
