// `npm run compat`: what users of the last published versions rely on, held against what stands in this folder.
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { brokenPromises, type Surface } from '../sdk/src/testing/surface.ts';
import { isWarning } from '../sdk/src/testing/version-warning.ts';
import { lastPublished, type Published } from './compat/last-published.ts';
import { brokenTypes } from './compat/sdk-types.ts';
import { isPlugin, publishedPackages, type Package } from './packages.ts';
import { pluginSurface } from './plugin-surface.ts';

const root = join(import.meta.dirname, '..');

/** What became of a package's promises. */
interface Comparison {
  readonly found: Package;
  readonly before: Published | undefined;
  readonly broken: readonly string[];
}

async function brokenBy(found: Package, before: Published): Promise<string[]> {
  const now = join(root, found.folder);
  if (!isPlugin(found)) {
    return brokenTypes({ before: before.folder, now, scratch: join(root, 'node_modules', '.compat') });
  }
  const promised = join(before.folder, 'published.json');
  if (!existsSync(promised)) return [];
  return brokenPromises(JSON.parse(readFileSync(promised, 'utf8')) as Surface, await pluginSurface(now));
}

/** Prints it; answers whether users would find something broken without having been warned by the version. */
function report({ found, before, broken }: Comparison): boolean {
  const { name, version } = found.manifest;
  if (!before) {
    console.log(`${name}: not published yet`);
    return false;
  }
  if (broken.length === 0) {
    console.log(`${name}: keeps what ${before.version} promised`);
    return false;
  }
  const isWarned = isWarning(before.version, version);
  console.log(`${name}: ${version} breaks what ${before.version} promised${isWarned ? ', as it may' : ''}`);
  for (const sentence of broken) console.log(`  ${sentence}`);
  return !isWarned;
}

async function main(): Promise<number> {
  const scratch = mkdtempSync(join(tmpdir(), 'otw-compat-'));
  try {
    // Authors write against the SDK, users rely on plugins; what else we publish promises nothing of this kind.
    const promising = publishedPackages(root).filter(
      (found) => isPlugin(found) || found.manifest.name === '@on-the-way/sdk',
    );
    const published = await lastPublished(
      promising.map(({ manifest }) => manifest.name),
      { root, scratch },
    );
    const comparisons: Comparison[] = [];
    for (const found of promising) {
      const before = published.get(found.manifest.name);
      comparisons.push({ found, before, broken: before ? await brokenBy(found, before) : [] });
    }
    if (!comparisons.map(report).includes(true)) return 0;
    console.log(
      'Expected users to be warned by the version: keep the promise, or make a new major version (minor while it is 0.x) with ' +
        'npx lerna version minor',
    );
    return 1;
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

process.exitCode = await main();
