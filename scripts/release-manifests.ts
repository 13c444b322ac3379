// Run by lerna between the check that nothing is uncommitted and the packing (`prepublishOnly` of the root). Afterwards lerna
// puts the package.json files back as they were.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isPlugin, publishedPackages, type Manifest, type Package } from './packages.ts';

/** The condition under which a clone runs from its sources, which are not published. */
const sourceCondition = '@on-the-way/source';

/**
 * Where the repository is, as the machine that releases says; npm compares it with where a package says it was built.
 *
 * @throws Error where provenance is wanted and nothing says it.
 */
export function repositoryUrl(env: NodeJS.ProcessEnv): string | undefined {
  const { GITHUB_SERVER_URL: server, GITHUB_REPOSITORY: name } = env;
  if (server !== undefined && name !== undefined) return `git+${server}/${name}.git`;
  if (env['NPM_CONFIG_PROVENANCE'] !== 'true') return undefined;
  throw new Error(
    'Expected GITHUB_SERVER_URL and GITHUB_REPOSITORY, since NPM_CONFIG_PROVENANCE is true and npm publishes with provenance ' +
      'only what says where its repository is: release from the workflow, or set them',
  );
}

const sdk = '@on-the-way/sdk';

/**
 * What a package needs of ours. A plugin runs with every SDK that keeps what its own promised, so that hosts can be newer; all
 * other packages know the inside of each other.
 */
function dependenciesOf(found: Package): Manifest['dependencies'] {
  const { dependencies = {} } = found.manifest;
  const own = dependencies[sdk];
  return isPlugin(found) && own !== undefined ? { ...dependencies, [sdk]: `^${own}` } : dependencies;
}

/** The package.json that is published: without ways to what is not packed, with where the package comes from. */
export function publishedManifest(found: Package, url: string | undefined): Manifest {
  const { folder, manifest } = found;
  const { exports = {} } = manifest;
  const entries = Object.entries(exports).map(([entry, conditions]) => {
    const { [sourceCondition]: _, ...published } = conditions;
    return [entry, published];
  });
  return {
    ...manifest,
    dependencies: dependenciesOf(found) ?? {},
    exports: Object.fromEntries(entries) as NonNullable<Manifest['exports']>,
    ...(url !== undefined && { repository: { type: 'git', url, directory: folder } }),
  };
}

if (import.meta.main) {
  const root = join(import.meta.dirname, '..');
  const url = repositoryUrl(process.env);
  for (const found of publishedPackages(root)) {
    const text = JSON.stringify(publishedManifest(found, url), undefined, 2);
    writeFileSync(join(root, found.folder, 'package.json'), `${text}\n`);
  }
}
