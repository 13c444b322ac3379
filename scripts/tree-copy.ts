import { cpSync, existsSync, mkdirSync, readdirSync, symlinkSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { outputOf } from './commands.ts';
import { allPackages, isPlugin, readManifest, type Manifest, type Package } from './packages.ts';

const scope = '@on-the-way';

/**
 * Copies what git tracks of the repository at `from`, as it stands in the folder now, to `to`, which must not exist, and
 * makes it installed: ours are the copied ones, and packages of others are links to those of `from`. Only those that plugins
 * need are copies too: their processes may read what is installed around them, and not where a link leads from there. What is
 * built in the copy is built of the copy, and nothing is written to `from`.
 */
export async function copyTree(from: string, to: string): Promise<void> {
  const tracked = await outputOf(['git', 'ls-files', '-z'], { cwd: from });
  for (const file of tracked.split('\0').filter((name) => name !== '' && existsSync(join(from, name)))) {
    mkdirSync(dirname(join(to, file)), { recursive: true });
    cpSync(join(from, file), join(to, file));
  }
  const packages = allPackages(to);
  const modules = join(from, 'node_modules');
  linkModules(modules, join(to, 'node_modules'), neededBy(packages.filter(isPlugin), modules));
  const own = join(to, 'node_modules', scope);
  mkdirSync(own);
  for (const { folder, manifest } of packages) {
    symlinkSync(relative(own, join(to, folder)), join(own, manifest.name.replace(`${scope}/`, '')));
    const nested = join(from, folder, 'node_modules');
    if (existsSync(nested)) symlinkSync(nested, join(to, folder, 'node_modules'));
  }
}

/** One link an entry, so that a folder of links of our own can stand among them; but what plugins need is copied. */
function linkModules(from: string, to: string, copied: ReadonlySet<string>): void {
  mkdirSync(to);
  const entries = readdirSync(from).filter((name) => name === '.bin' || !name.startsWith('.'));
  for (const name of entries.filter((entry) => entry !== scope)) {
    if (copied.has(name)) cpSync(join(from, name), join(to, name), { recursive: true });
    else symlinkSync(join(from, name), join(to, name));
  }
}

/** Packages of others that plugins are made with, and those that these need. */
function neededBy(plugins: readonly Package[], modules: string): ReadonlySet<string> {
  const found = new Set<string>();
  const add = ({ dependencies = {} }: Manifest): void => {
    for (const name of Object.keys(dependencies)) {
      if (found.has(name) || !existsSync(join(modules, name))) continue;
      found.add(name);
      if (!name.startsWith(scope)) add(readManifest(join(modules, name)));
    }
  };
  for (const { manifest } of plugins) add(manifest);
  return found;
}

/** Makes the copy a git repository of its own with one commit, as lerna wants one. */
export async function commitTree(folder: string): Promise<void> {
  const git = (...args: string[]): Promise<string> => outputOf(['git', ...args], { cwd: folder });
  await git('init', '--quiet', '--initial-branch', 'main');
  await git('config', 'user.name', 'Release');
  await git('config', 'user.email', 'release@example.com');
  await git('add', '--all', '--force', '--', '.', ':!node_modules');
  await git('commit', '--quiet', '--message', 'Copy');
}
