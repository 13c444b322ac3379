import { createRequire, findPackageJSON } from 'node:module';
import { dirname, isAbsolute, join, resolve } from 'node:path';
import { existsSync, realpathSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { exitCodes, HostError } from '../host-error.ts';

const namePattern = /^(@[a-z0-9-]+\/)?[a-z0-9][a-z0-9._-]*$/;

/** A plugin's module on this machine. */
export interface ResolvedPlugin {
  /** As configured. */
  readonly name: string;
  /** Entry module, symbolic links resolved. */
  readonly path: string;
  readonly url: string;
}

function fromPackages(name: string, baseDir: string): string | undefined {
  // The project's own packages first, then those beside the host.
  for (const base of [join(baseDir, 'noop.js'), import.meta.filename]) {
    try {
      return createRequire(base).resolve(name);
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'MODULE_NOT_FOUND')) throw error;
    }
  }
  return undefined;
}

/**
 * Finds a plugin by package name, or by the path of a module (`./my-connector.ts`, relative to `baseDir`).
 *
 * @throws HostError (exit 78) when there is none.
 */
export function resolvePlugin(name: string, baseDir: string): ResolvedPlugin {
  const isPath = name.startsWith('./') || name.startsWith('../') || isAbsolute(name);
  if (!isPath && !namePattern.test(name)) {
    throw new HostError(
      exitCodes.badConfig,
      `plugin: expected a package name or a path that begins with ./, found ${JSON.stringify(name)}; for example plugin: '@on-the-way/plugin-garmin'`,
    );
  }
  const candidate = isPath ? resolve(baseDir, name) : fromPackages(name, baseDir);
  if (candidate === undefined || !existsSync(candidate)) {
    throw new HostError(
      exitCodes.badConfig,
      `plugin: expected ${name} to be installed, found nothing from ${baseDir}; for example npm install ${isPath ? '@on-the-way/plugin-garmin' : name}`,
    );
  }
  const path = realpathSync(candidate);
  return { name, path, url: pathToFileURL(path).href };
}

/** The folder of the package that holds the file; the file's own folder when no package does. */
export function packageFolder(path: string): string {
  const manifest = findPackageJSON(pathToFileURL(path));
  return manifest === undefined ? dirname(path) : dirname(realpathSync(manifest));
}
