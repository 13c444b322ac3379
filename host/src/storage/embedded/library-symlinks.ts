import { existsSync, lstatSync, readFileSync, symlinkSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { systemCode } from '../storage-error.ts';

interface Link {
  readonly source: string;
  readonly target: string;
}

function isLink(value: unknown): value is Link {
  const link = value as Partial<Link> | null;
  return typeof link?.source === 'string' && typeof link.target === 'string';
}

/** The package's own list of links; npm packages cannot contain symbolic links themselves. */
function linksOf(root: string): Link[] {
  const list = join(root, 'native', 'pg-symlinks.json');
  if (!existsSync(list)) return [];
  const links: unknown = JSON.parse(readFileSync(list, 'utf8'));
  return Array.isArray(links) ? links.filter(isLink) : [];
}

function exists(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}

/**
 * Makes the library links that the package's install script would make; we install with scripts off.
 * Answers false where the folder cannot be written. Several hosts may do this at once.
 */
export function makeLibrarySymlinks(root: string): boolean {
  for (const { source, target } of linksOf(root)) {
    const path = join(root, target);
    if (exists(path)) continue;
    try {
      symlinkSync(relative(dirname(path), join(root, source)), path);
    } catch (error) {
      const code = systemCode(error);
      if (code === 'EEXIST') continue;
      if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS') return false;
      throw error;
    }
  }
  return true;
}
