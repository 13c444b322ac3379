import { createRequire } from 'node:module';
import intersects from 'semver/ranges/intersects.js';
import satisfies from 'semver/functions/satisfies.js';
import validRange from 'semver/ranges/valid.js';
import { readManifest } from './isolate/package-entry.ts';
import { PluginError } from './isolate/plugin-error.ts';
import { packageFolder, type ResolvedPlugin } from './isolate/resolve-plugin.ts';

/**
 * How the SDK that a plugin was written for goes with the host's: `fits`; `other_release` of the same line, such as 0.1.4
 * for a host with 0.1.2; `not_stated`, or not as a range of versions; `wrong`: another line, which is refused.
 */
export type SdkFit = 'fits' | 'other_release' | 'not_stated' | 'wrong';

/** The SDK of a plugin. */
export interface PluginSdk {
  /** The range of versions its package.json states; null where it states none. */
  readonly range: string | null;
  readonly fit: SdkFit;
}

const sdkName = '@on-the-way/sdk';

/** Version of the SDK that the host carries. */
export function hostSdkVersion(): string {
  const folder = packageFolder(createRequire(import.meta.filename).resolve(sdkName));
  return readManifest(folder)?.version ?? '0.0.0';
}

/** Versions that get on with this one: of the same major, below 1.0.0 of the same minor. */
function lineOf(version: string): string {
  const [major = '0', minor = '0'] = version.split('.');
  return major === '0' ? `0.${minor}.x` : `${major}.x`;
}

/** Compares the range of versions a plugin states with a version of the SDK. */
export function sdkFit(range: string | undefined, version: string): SdkFit {
  const plain = range?.replace(/^workspace:/, '');
  if (plain === undefined || validRange(plain) === null) return 'not_stated';
  const options = { includePrerelease: true };
  if (satisfies(version, plain, options)) return 'fits';
  return intersects(plain, lineOf(version), options) ? 'other_release' : 'wrong';
}

/** The SDK that the plugin's package.json names among `peerDependencies`, else among `dependencies`. */
export function sdkOf({ folder }: Pick<ResolvedPlugin, 'folder'>, version = hostSdkVersion()): PluginSdk {
  const manifest = readManifest(folder);
  const range = manifest?.peerDependencies?.[sdkName] ?? manifest?.dependencies?.[sdkName];
  return { range: range ?? null, fit: sdkFit(range, version) };
}

/**
 * Called before any code of the plugin runs.
 *
 * @throws PluginError `plugin_wrong_sdk` for a plugin that was written for another line of the SDK.
 */
export function checkSdk(plugin: Pick<ResolvedPlugin, 'folder' | 'path'>): void {
  const version = hostSdkVersion();
  const { range, fit } = sdkOf(plugin, version);
  if (fit !== 'wrong') return;
  throw new PluginError(
    'plugin_wrong_sdk',
    `Expected ${plugin.path} to be written for ${sdkName} ${lineOf(version)}, found ${range} in ${plugin.folder}/package.json: ` +
      `install a version of the plugin for ${version}, or a host that fits it; as its author, move it to ${version} and state "^${version}"`,
  );
}
