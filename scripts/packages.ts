import { globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** What of a package.json the scripts of a release look at. */
export interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly private?: boolean;
  readonly exports?: Readonly<Record<string, Readonly<Record<string, string>>>>;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly [key: string]: unknown;
}

/** A package of this repository. */
export interface Package {
  /** Relative to the root, such as `plugins/garmin`. */
  readonly folder: string;
  readonly manifest: Manifest;
}

/**
 * The packages of the repository at `root` that get its version, private ones too, in the order of their folders: those
 * that `lerna.json` names. What somebody makes for himself in `mine/` is installed with them and is none of them.
 */
export function allPackages(root: string): Package[] {
  const { packages } = JSON.parse(readFileSync(join(root, 'lerna.json'), 'utf8')) as {
    readonly packages: readonly string[];
  };
  const files = packages.flatMap((pattern) => globSync(`${pattern}/package.json`, { cwd: root }));
  return files.toSorted().map((file) => {
    const folder = dirname(file);
    return { folder, manifest: readManifest(join(root, folder)) };
  });
}

/** The packages that a release publishes: all that are not private. */
export function publishedPackages(root: string): Package[] {
  return allPackages(root).filter(({ manifest }) => manifest.private !== true);
}

/** Whether the package is a connector or a sink: it promises a configuration and datasets besides its types. */
export function isPlugin({ folder }: Package): boolean {
  return folder.startsWith('plugins/');
}

/** Reads the package.json of a folder. */
export function readManifest(folder: string): Manifest {
  return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Manifest;
}
