import { existsSync, readFileSync, statSync } from 'node:fs';
import { dirname, extname, isAbsolute, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parse as parseYaml } from 'yaml';
import { configError, exitCodes, HostError } from '../host-error.ts';
import { fileSchema, type FileConfig } from './file-schema.ts';

const fileNames = ['otw.config.ts', 'otw.config.mjs', 'otw.config.json', 'otw.config.yaml', 'otw.config.yml'];

/** A configuration file that was found and read. */
export interface ReadFile {
  readonly path: string;
  readonly content: FileConfig;
}

async function load(path: string): Promise<unknown> {
  switch (extname(path)) {
    case '.json':
      return JSON.parse(readFileSync(path, 'utf8')) as unknown;
    case '.yaml':
    case '.yml':
      return parseYaml(readFileSync(path, 'utf8')) as unknown;
    default: {
      const module = (await import(pathToFileURL(path).href)) as { default?: unknown };
      return module.default;
    }
  }
}

function found(value: unknown): string {
  return value === undefined ? 'nothing' : (JSON.stringify(value)?.slice(0, 60) ?? typeof value);
}

function at(value: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (inner, key) => (inner as Record<PropertyKey, unknown> | undefined)?.[key],
    value,
  );
}

/** Reads `{ file: PATH }` and leaves everything else; the file must be private. */
function resolveSecrets(value: unknown, key: string, baseDir: string): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value))
    return value.map((item, index) => resolveSecrets(item, `${key}[${index}]`, baseDir));
  const members = Object.entries(value);
  const only = members[0];
  if (members.length === 1 && only?.[0] === 'file' && typeof only[1] === 'string') {
    return readSecretFile(only[1], key, baseDir);
  }
  return Object.fromEntries(
    members.map(([name, inner]) => [name, resolveSecrets(inner, `${key}.${name}`, baseDir)]),
  );
}

function readSecretFile(file: string, key: string, baseDir: string): string {
  const path = resolve(baseDir, file);
  const example = `{ file: ${JSON.stringify(file)} } with mode 0600`;
  if (!existsSync(path))
    throw configError({ key, expected: 'a file that exists', found: `no ${path}`, example });
  const mode = statSync(path).mode & 0o777;
  if (process.platform !== 'win32' && (mode & 0o077) !== 0) {
    const shown = mode.toString(8).padStart(4, '0');
    throw configError({
      key,
      expected: 'a file only you can read',
      found: `mode ${shown}`,
      example: `chmod 600 ${path}`,
    });
  }
  return readFileSync(path, 'utf8').replace(/\r?\n$/, '');
}

/** A value taken from the environment when the configuration is read, for files that must not hold it. */
export function env(name: string): string | undefined {
  return process.env[name];
}

/**
 * Finds and reads the configuration file: the given one, else the first of the usual names in `cwd`.
 *
 * @throws HostError (exit 78) naming file, key, what was expected and found.
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
  let raw: unknown;
  try {
    raw = await load(path);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message.split('\n')[0] : String(cause);
    throw new HostError(exitCodes.badConfig, `${path}: expected a file that can be read, but: ${why}`, {
      cause,
    });
  }
  const result = fileSchema.safeParse(raw);
  if (!result.success) {
    const issue = result.error.issues[0]!;
    const key = issue.path.join('.') || 'the file';
    const value = /password|secret|token|database/i.test(key)
      ? 'a value that is not (not shown)'
      : found(at(raw, issue.path));
    throw new HostError(
      exitCodes.badConfig,
      `${path}: ${key}: ${issue.message}, found ${value}; a correct file: ` +
        `export default { connections: { garmin: { plugin: '@on-the-way/plugin-garmin', every: '1h' } } }`,
    );
  }
  return { path, content: resolveSecrets(result.data, 'config', dirname(path)) as FileConfig };
}

/** `path` made absolute from `base`. */
export function absolute(base: string, path: string): string {
  return isAbsolute(path) ? path : resolve(base, path);
}
