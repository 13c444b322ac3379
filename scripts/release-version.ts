// Run by lerna behind a new version and before its commit (`version` of the root): what says the version besides the
// package.json files, and what each plugin promises as of it.
import { globSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { outputOf } from './commands.ts';
import { isPlugin, publishedPackages, type Package } from './packages.ts';
import { pluginSurface } from './plugin-surface.ts';

/** The text of a module, with the version of the plugin that it defines; the same text where it defines none. */
export function withPluginVersion(text: string, version: string): string {
  return text.replace(/(\bdefine(?:Connector|Sink)\(\{[^]*?\n\s*version: )'[^']*'/, `$1'${version}'`);
}

/** Puts the version of each plugin's package into the plugin. Answers with the files that are others now. */
function writeVersions(root: string, plugins: readonly Package[]): string[] {
  return plugins.flatMap(({ folder, manifest }) => {
    const files = globSync(`${folder}/{src/,}*.ts`, { cwd: root });
    return files.filter((file) => {
      const before = readFileSync(join(root, file), 'utf8');
      const after = withPluginVersion(before, manifest.version);
      if (after === before) return false;
      writeFileSync(join(root, file), after);
      return true;
    });
  });
}

/** Writes `published.json` of each plugin; answers with the files. */
async function writeSurfaces(root: string, plugins: readonly Package[]): Promise<string[]> {
  const files: string[] = [];
  for (const { folder } of plugins) {
    const file = join(folder, 'published.json');
    const surface = await pluginSurface(join(root, folder));
    writeFileSync(join(root, file), `${JSON.stringify(surface, undefined, 2)}\n`);
    files.push(file);
  }
  return files;
}

if (import.meta.main) {
  const root = join(import.meta.dirname, '..');
  // Templates and examples stay as they are: what they define is an author's own, and pages show it as it stands.
  const plugins = publishedPackages(root).filter(isPlugin);
  const versions = writeVersions(root, plugins);
  const surfaces = await writeSurfaces(root, plugins);
  await outputOf(['git', 'add', '--force', '--', ...versions, ...surfaces], { cwd: root });
}
