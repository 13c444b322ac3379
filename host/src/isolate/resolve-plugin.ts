import { readdirSync, realpathSync } from 'node:fs';
import { findPackageJSON } from 'node:module';
import { basename, dirname, extname, isAbsolute, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { entryOfPackage, isFile, isFolder } from './package-entry.ts';
import { PluginError } from './plugin-error.ts';

const namePattern = /^(@[a-z0-9-]+\/)?[a-z0-9][a-z0-9._-]*$/;
const moduleEndings = ['.js', '.mjs', '.cjs', '.ts', '.mts'];

/**
 * Where a plugin was found: at a path, in the plugins folder, among the packages of the configuration's project, or
 * among those beside the host.
 */
export type PluginOrigin = 'path' | 'folder' | 'package' | 'host';

/** A plugin's module on this machine. */
export interface ResolvedPlugin {
  /** As configured. */
  readonly name: string;
  /** Entry module, symbolic links resolved. */
  readonly path: string;
  readonly url: string;
  /** The folder of what belongs to it, which its process may read; symbolic links resolved. */
  readonly folder: string;
  readonly from: PluginOrigin;
  /** A module among others in the plugins folder: the files beside it belong to it, packages there do not. */
  readonly isAlone?: true;
}

type Found = Omit<ResolvedPlugin, 'name' | 'url'>;

/** The folder of the package that holds the file; the file's own folder when no package does. */
export function packageFolder(path: string): string {
  const manifest = findPackageJSON(pathToFileURL(path));
  return manifest === undefined ? dirname(path) : dirname(realpathSync(manifest));
}

/** The plugins folder of a configuration that names none. */
export function defaultPluginsDir(baseDir: string): string {
  return join(baseDir, 'plugins');
}

function packageAt(folder: string, from: PluginOrigin): Found {
  const real = realpathSync(folder);
  return { path: realpathSync(entryOfPackage(real)), folder: real, from };
}

function atPath(path: string): Found | undefined {
  if (isFolder(path)) return packageAt(path, 'path');
  if (!isFile(path)) return undefined;
  const real = realpathSync(path);
  return { path: real, folder: packageFolder(real), from: 'path' };
}

/** A module in the plugins folder. What belongs to it is that folder, not the project around it. */
function moduleAt(path: string): Found {
  const real = realpathSync(path);
  return { path: real, folder: dirname(real), from: 'folder', isAlone: true };
}

function inFolder(name: string, pluginsDir: string): Found[] {
  const folder = join(pluginsDir, name);
  const modules = moduleEndings.map((ending) => folder + ending).filter(isFile);
  return [
    ...(isFile(join(folder, 'package.json')) ? [packageAt(folder, 'folder')] : []),
    ...modules.map(moduleAt),
  ];
}

/** The nearest node_modules on the way up that has the package. */
function installed(name: string, folder: string): string | undefined {
  const here = join(folder, 'node_modules', name);
  if (isFile(join(here, 'package.json'))) return here;
  const parent = dirname(folder);
  return parent === folder ? undefined : installed(name, parent);
}

/** The project's own packages first, then those beside the host. */
function inPackages(name: string, baseDir: string): Found | undefined {
  const own = installed(name, resolve(baseDir));
  if (own !== undefined) return packageAt(own, 'package');
  const beside = installed(name, import.meta.dirname);
  return beside === undefined ? undefined : packageAt(beside, 'host');
}

/** Names under which the plugins folder has something; nothing where there is no such folder. */
export function namesInFolder(pluginsDir: string): string[] {
  if (!isFolder(pluginsDir)) return [];
  const names = readdirSync(pluginsDir)
    .filter((name) => !/^\.|\.d\.[cm]?ts$|\.(test|config)\.[cm]?[jt]s$/.test(name) && name !== 'node_modules')
    .flatMap((name) => {
      if (isFile(join(pluginsDir, name, 'package.json'))) return [name];
      const isModule = moduleEndings.includes(extname(name)) && isFile(join(pluginsDir, name));
      return isModule ? [basename(name, extname(name))] : [];
    });
  return [...new Set(names)].filter((name) => namePattern.test(name)).toSorted();
}

function notFound(name: string, baseDir: string, pluginsDir: string): PluginError {
  if (name.startsWith('@')) {
    const message = `Expected the package ${name} to be installed, found none from ${baseDir}: npm install ${name}`;
    return new PluginError('plugin_not_found', message);
  }
  const lone = join(pluginsDir, name);
  if (isFolder(lone)) {
    const message = `Expected a package.json in ${lone}, found none: write one with "type": "module" and "exports": "./index.ts"`;
    return new PluginError('plugin_not_found', message);
  }
  const known = namesInFolder(pluginsDir);
  const has = known.length === 0 ? '' : ` (it has ${known.join(', ')})`;
  return new PluginError(
    'plugin_not_found',
    `Expected a plugin called ${name}, found none in ${pluginsDir}${has} and no such package from ${baseDir}: ` +
      `npm install ${name}, or give a path that begins with ./`,
  );
}

function ambiguous(name: string, found: readonly Found[]): PluginError {
  const places = found.map(({ path }) => path).join(' and ');
  return new PluginError(
    'plugin_ambiguous',
    `Expected one plugin called ${name}, found ${places}: name the one you mean by its path, such as ` +
      `plugin: './plugins/${name}', or rename the one in the plugins folder`,
  );
}

function byName(name: string, baseDir: string, pluginsDir: string): Found {
  const inPackage = inPackages(name, baseDir);
  // A name with a scope is a package's.
  const candidates = [...(name.startsWith('@') ? [] : inFolder(name, pluginsDir)), inPackage];
  const found = new Map(candidates.flatMap((one) => (one ? [[one.path, one] as const] : [])).toReversed());
  const [only] = found.values();
  if (!only) throw notFound(name, baseDir, pluginsDir);
  if (found.size > 1) throw ambiguous(name, [...found.values()].toReversed());
  return only;
}

/**
 * Finds a plugin: by the path of a module or of a package's folder (`./my-connector.ts`, relative to `baseDir`); else by
 * its name in the plugins folder, or as a package. A name that stands for two of them is refused.
 *
 * @throws PluginError (exit 78) `plugin_not_found` when there is none, `plugin_ambiguous` when there are two.
 */
export function resolvePlugin(
  name: string,
  baseDir: string,
  pluginsDir: string = defaultPluginsDir(baseDir),
): ResolvedPlugin {
  const isPath = name.startsWith('./') || name.startsWith('../') || isAbsolute(name);
  if (!isPath && !namePattern.test(name)) {
    throw new PluginError(
      'plugin_not_found',
      `plugin: expected a name or a path that begins with ./, found ${JSON.stringify(name)}; for example plugin: '@on-the-way/plugin-garmin'`,
    );
  }
  const found = isPath ? atPath(resolve(baseDir, name)) : byName(name, baseDir, pluginsDir);
  if (!found) {
    const path = resolve(baseDir, name);
    const message = `Expected a module or a folder with a package.json at ${path}, found nothing: correct the path, which is relative to ${baseDir}`;
    throw new PluginError('plugin_not_found', message);
  }
  return { name, ...found, url: pathToFileURL(found.path).href };
}
