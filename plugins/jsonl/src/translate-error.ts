import { ConnectorError } from '@on-the-way/sdk';

/** The system's name for what went wrong; undefined for errors that are not the system's. */
export function systemCode(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error) || !('syscall' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}

/** What the system's code says about the directory, and what helps. */
const known: Readonly<Record<string, { readonly found: string; readonly remedy: string }>> = {
  ENOSPC: { found: 'no space left there', remedy: 'make room and try again' },
  EDQUOT: { found: 'no space left for this user', remedy: 'make room and try again' },
  EFBIG: { found: 'that files may not grow so large there', remedy: 'raise the limit and try again' },
  EIO: { found: 'an error of the disk', remedy: "look at the disk and the system's log, then try again" },
  EMFILE: { found: 'too many open files', remedy: 'try again, or raise the limit' },
  ENFILE: { found: 'too many open files', remedy: 'try again, or raise the limit' },
  EACCES: {
    found: 'that this user may not write there',
    remedy: 'make it writable or set another directory',
  },
  EPERM: { found: 'that this user may not write there', remedy: 'make it writable or set another directory' },
  EROFS: { found: 'a file system that is read-only', remedy: 'mount it writable or set another directory' },
  ENOENT: { found: 'that something of it is gone', remedy: 'put it back, or start the host again' },
  ENOTDIR: { found: 'a file where a directory has to be', remedy: 'move it or set another directory' },
  EEXIST: { found: 'a file where a directory has to be', remedy: 'move it or set another directory' },
  EISDIR: { found: 'a directory where a file has to be', remedy: 'move it or set another directory' },
};

const passing = new Set([
  'ENOSPC',
  'EDQUOT',
  'EFBIG',
  'EIO',
  'EMFILE',
  'ENFILE',
  'EAGAIN',
  'EBUSY',
  'ENOMEM',
]);

/** An error of the system as what it means for the run; anything that is not one is returned as it is. */
export function translateError(error: unknown, directory: string): unknown {
  const code = systemCode(error);
  if (code === undefined || ConnectorError.is(error)) return error;
  const { found, remedy } = known[code] ?? { found: 'that it cannot be used', remedy: 'look at the cause' };
  return new ConnectorError(
    passing.has(code) ? 'transient' : 'config',
    `Expected to store events in ${directory}, found ${found} (${code}): ${remedy}`,
    { cause: error },
  );
}
