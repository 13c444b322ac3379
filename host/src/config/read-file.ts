import { existsSync } from 'node:fs';
import { dirname, isAbsolute, join, resolve } from 'node:path';
import { configError, exitCodes, HostError } from '../host-error.ts';
import { describeIssue } from './describe-issue.ts';
import { fileSchema, type FileConfig } from './file-schema.ts';
import { parseFile } from './parse-file.ts';
import { resolveSecrets } from './secret-files.ts';

const fileNames = [
  'otw.config.ts',
  'otw.config.mts',
  'otw.config.mjs',
  'otw.config.json',
  'otw.config.yaml',
  'otw.config.yml',
];

/** A configuration file that was found and read. */
export interface ReadFile {
  readonly path: string;
  readonly content: FileConfig;
}

/** A value taken from the environment when the configuration is read, for files that must not hold it. */
export function env(name: string): string | undefined {
  return process.env[name];
}

/**
 * Finds and reads the configuration file: the given one, else the first of the usual names in `cwd`.
 *
 * @throws HostError (exit 78) naming file, key, what was expected and found; never a secret.
 */
export async function readConfigFile(cwd: string, given: string | undefined): Promise<ReadFile | undefined> {
  const candidates = given === undefined ? fileNames.map((name) => join(cwd, name)) : [resolve(cwd, given)];
  const path = candidates.find((candidate) => existsSync(candidate));
  if (path === undefined) {
    if (given === undefined) return undefined;
    throw configError({
      key: '--config',
      expected: 'a file that exists',
      found: given,
      example: '--config otw.config.ts',
    });
  }
  const raw = await parseFile(path);
  const result = fileSchema.safeParse(raw);
  if (!result.success) {
    throw new HostError(exitCodes.badConfig, `${path}: ${describeIssue(result.error.issues, raw)}`);
  }
  return { path, content: resolveSecrets(result.data, dirname(path)) as FileConfig };
}

/** `path` made absolute from `base`. */
export function absolute(base: string, path: string): string {
  return isAbsolute(path) ? path : resolve(base, path);
}
