import { openSync, readFileSync, rmSync, statSync } from 'node:fs';

// A start writes about 1 kB; 10 MB hold months and are read in one go.
const maxLogBytes = 10 * 1024 * 1024;

/** Begins anew where the log has grown too long. Answers where it ends, to quote only what comes after. */
export function trimLog(path: string): number {
  const size = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  if (size <= maxLogBytes) return size;
  rmSync(path);
  return 0;
}

/** Opens the log for appending. */
export function openLog(path: string): number {
  return openSync(path, 'a', 0o600);
}

/** What was written since, its last lines. */
export function logSince(path: string, start: number): string {
  const text = readFileSync(path).subarray(start).toString('utf8');
  return text.trimEnd().split('\n').slice(-12).join('\n');
}
