import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { PluginOptionError } from './options.ts';

/** The nearest folder above whose packages npm or pnpm installs together. */
function workspaceAbove(folder: string): string | undefined {
  const parent = dirname(folder);
  if (parent === folder) return undefined;
  if (existsSync(join(parent, 'pnpm-workspace.yaml')) || hasWorkspaces(join(parent, 'package.json')))
    return parent;
  return workspaceAbove(parent);
}

function hasWorkspaces(manifest: string): boolean {
  try {
    const { workspaces } = JSON.parse(readFileSync(manifest, 'utf8')) as { workspaces?: unknown };
    return workspaces !== undefined;
  } catch {
    // None there, or none that npm could read either.
    return false;
  }
}

function entriesOf(folder: string): string[] | undefined {
  if (!existsSync(folder)) return undefined;
  return statSync(folder).isDirectory() ? readdirSync(folder) : [];
}

/**
 * Makes sure that a package can be made in the folder, given with its whole path.
 *
 * @throws PluginOptionError where something is there already, or, unless `inWorkspace`, where npm would install the package
 *   together with others.
 */
export function checkFolder(folder: string, inWorkspace: boolean): void {
  const entries = entriesOf(folder);
  const isFile = entries !== undefined && !statSync(folder).isDirectory();
  // A repository that was just begun is as good as empty.
  const there = entries?.filter((name) => name !== '.git') ?? [];
  if (isFile || there.length > 0) {
    const found = isFile ? 'a file' : `${there.slice(0, 3).join(', ')}${there.length > 3 ? ', …' : ''}`;
    throw new PluginOptionError(
      `--directory: expected ${folder} to be empty or not there yet, found ${found}: nothing is overwritten; ` +
        'choose another folder with --directory',
    );
  }
  const workspace = inWorkspace ? undefined : workspaceAbove(folder);
  if (workspace === undefined) return;
  throw new PluginOptionError(
    `--directory: expected a folder outside of a workspace, found ${folder} below ${workspace}, where npm installs ` +
      'packages together; choose another folder with --directory, or give --in-workspace',
  );
}
