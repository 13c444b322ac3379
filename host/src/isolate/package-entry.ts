import { readFileSync, statSync, type Stats } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { PluginError } from './plugin-error.ts';

const ranges = z.record(z.string(), z.string()).optional().catch(undefined);
const text = z.string().optional().catch(undefined);

/** What the host reads in a package.json; what is not as npm wants it counts as not there. */
const manifestSchema = z.object({
  name: text,
  version: text,
  main: text,
  exports: z.unknown().optional(),
  dependencies: ranges,
  peerDependencies: ranges,
});

/** The package.json of a plugin. */
export type Manifest = z.output<typeof manifestSchema>;

/** What is at the path; undefined also where this process may not look, or links lead round in a circle. */
function lookAt(path: string): Stats | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch (error) {
    if (
      ['EACCES', 'EPERM', 'ELOOP', 'ENOTDIR', 'ERR_ACCESS_DENIED'].includes(
        String((error as NodeJS.ErrnoException).code),
      )
    )
      return undefined;
    throw error;
  }
}

/** Whether there is a folder at the path, as far as this process can see. */
export function isFolder(path: string): boolean {
  return lookAt(path)?.isDirectory() === true;
}

/** Whether there is a file at the path, as far as this process can see. */
export function isFile(path: string): boolean {
  return lookAt(path)?.isFile() === true;
}

/**
 * The package.json that makes a file of the ending .js or .ts CommonJS, as `npm init` writes it; undefined where none does, or
 * the ending decides.
 */
export function commonJsManifest(path: string): string | undefined {
  const folder = dirname(path);
  if (/\.[cm][jt]s$/.test(path) || folder === path) return undefined;
  const manifest = join(folder, 'package.json');
  if (!isFile(manifest)) return commonJsManifest(folder);
  const { type } = JSON.parse(readFileSync(manifest, 'utf8')) as { readonly type?: unknown };
  return type === 'commonjs' ? manifest : undefined;
}

/**
 * The package.json of the folder; undefined where it has none.
 *
 * @throws PluginError `plugin_not_loaded` when it is not an object of JSON.
 */
export function readManifest(folder: string): Manifest | undefined {
  const path = join(folder, 'package.json');
  if (!isFile(path)) return undefined;
  try {
    return manifestSchema.parse(JSON.parse(readFileSync(path, 'utf8')));
  } catch (cause) {
    const message = `Expected an object of JSON in ${path}, found something else: correct it`;
    throw new PluginError('plugin_not_loaded', message, { cause });
  }
}

const indexNames = ['index.js', 'index.mjs', 'index.cjs', 'index.ts', 'index.mts'];
// What Node asks for when a package is imported.
const conditions = new Set(['node', 'import', 'module-sync', 'default']);

/** What `exports` names for an import of the package itself. */
function exportedEntry(exports: unknown): string | undefined {
  if (typeof exports === 'string') return exports;
  if (typeof exports !== 'object' || exports === null) return undefined;
  const targets = exports as Readonly<Record<string, unknown>>;
  if ('.' in targets) return exportedEntry(targets['.']);
  const fit = Object.entries(targets).filter(([key]) => Array.isArray(exports) || conditions.has(key));
  return fit.map(([, target]) => exportedEntry(target)).find((entry) => entry !== undefined);
}

/** As Node resolves it, with the conditions this process was started with; undefined where it cannot. */
function resolvedByNode(folder: string, { name, exports }: Manifest): string | undefined {
  if (name === undefined || exports === undefined) return undefined;
  try {
    return createRequire(join(folder, 'package.json')).resolve(name);
  } catch {
    // It may be for imports alone, or its entry may be missing: that is looked at by name.
    return undefined;
  }
}

/**
 * The module that an import of the package in this folder would load: what its package.json says in `exports` or `main`,
 * else index.js, .mjs, .cjs, .ts or .mts.
 *
 * @throws PluginError `plugin_not_found` when there is no such file.
 */
export function entryOfPackage(folder: string): string {
  const manifest = readManifest(folder);
  const resolved = manifest && resolvedByNode(folder, manifest);
  if (resolved !== undefined) return resolved;
  const stated = manifest && (exportedEntry(manifest.exports) ?? manifest.main);
  const names = stated === undefined ? indexNames : [stated, `${stated}.js`, join(stated, 'index.js')];
  const entry = names.map((name) => join(folder, name)).find(isFile);
  if (entry !== undefined) return entry;
  const expected = stated === undefined ? `an index.js or index.ts` : stated;
  const todo =
    stated === undefined
      ? 'name the module in "exports" of its package.json'
      : 'build the plugin, or correct "exports" in its package.json';
  throw new PluginError(
    'plugin_not_found',
    `Expected ${expected} in the plugin's folder ${folder}, found no such file: ${todo}`,
  );
}
