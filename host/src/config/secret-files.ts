import { readFileSync, statSync, type Stats } from 'node:fs';
import { resolve } from 'node:path';
import { configError } from '../host-error.ts';
import { systemCode } from '../storage/storage-error.ts';

// Passwords and tokens are far smaller; what is larger is another file.
const maxBytes = 64 * 1024;

interface Problem {
  readonly expected: string;
  readonly found: string;
  readonly example: string;
}

function problemOf(path: string, example: string, stats: Stats): Problem | undefined {
  if (!stats.isFile()) {
    const found = `${stats.isDirectory() ? 'a folder' : 'something else'} at ${path}`;
    return { expected: 'a file', found, example };
  }
  const mode = stats.mode & 0o777;
  if (process.platform !== 'win32' && (mode & 0o077) !== 0) {
    const found = `mode ${mode.toString(8).padStart(4, '0')}`;
    return { expected: 'a file only you can read', found, example: `chmod 600 ${path}` };
  }
  if (stats.size <= maxBytes) return undefined;
  return {
    expected: 'a file of up to 64 KB with one secret',
    found: `${stats.size} bytes at ${path}`,
    example,
  };
}

function readSecretFile(file: string, key: string, baseDir: string): string {
  const path = resolve(baseDir, file);
  const example = `{ file: ${JSON.stringify(file)} } with mode 0600`;
  let problem: Problem | undefined;
  try {
    problem = problemOf(path, example, statSync(path));
    if (!problem) return readFileSync(path, 'utf8').replace(/\r?\n$/, '');
  } catch (error) {
    const code = systemCode(error);
    if (code === undefined) throw error;
    problem = {
      expected: code === 'ENOENT' ? 'a file that exists' : 'a file you can read',
      found: code === 'ENOENT' ? `no ${path}` : `${code} at ${path}`,
      example,
    };
  }
  throw configError({ key, ...problem });
}

/**
 * Reads `{ file: PATH }` wherever it stands in a configuration and leaves everything else; the file must
 * be private.
 *
 * @throws HostError (exit 78) naming the key, never what the file holds.
 */
export function resolveSecrets(value: unknown, baseDir: string, key = ''): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value))
    return value.map((item, index) => resolveSecrets(item, baseDir, `${key}[${index}]`));
  const members = Object.entries(value);
  const only = members[0];
  if (members.length === 1 && only?.[0] === 'file' && typeof only[1] === 'string') {
    return readSecretFile(only[1], key, baseDir);
  }
  return Object.fromEntries(
    members.map(([name, inner]) => [
      name,
      resolveSecrets(inner, baseDir, key === '' ? name : `${key}.${name}`),
    ]),
  );
}
