// `npm run compat`: what users of the last published versions rely on, held against what stands in this folder.
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
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
  /** Why it could not be compared. */
  readonly failure?: string;
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

/** What is said where a plugin cannot be asked what it promises. The message of a schema has no values in it. */
function failureOf(error: unknown): string {
  if (!(error instanceof z.ZodError)) return `what it promises cannot be read: ${String(error)}`;
  const issues = error.issues.map(({ path, message }) => `${path.join('.') || 'all of it'}: ${message}`);
  return `its test configuration is no longer taken: ${issues.join('; ')}`;
}

async function compare(found: Package, before: Published | undefined): Promise<Comparison> {
  if (!before) return { found, before, broken: [] };
  try {
    return { found, before, broken: await brokenBy(found, before) };
  } catch (error) {
    return { found, before, broken: [], failure: failureOf(error) };
  }
}

/** Whether users would find something broken without having been warned by the version. */
function isUnwarned({ found, before, broken }: Comparison): boolean {
  return broken.length > 0 && before !== undefined && !isWarning(before.version, found.manifest.version);
}

function report(comparison: Comparison): void {
  const { found, before, broken, failure } = comparison;
  const { name, version } = found.manifest;
  if (failure !== undefined) return console.log(`${name}: ${failure}`);
  if (!before) return console.log(`${name}: not published yet`);
  if (broken.length === 0) return console.log(`${name}: keeps what ${before.version} promised`);
  const asItMay = isUnwarned(comparison) ? '' : ', as it may';
  console.log(`${name}: ${version} breaks what ${before.version} promised${asItMay}`);
  for (const sentence of broken) console.log(`  ${sentence}`);
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
      comparisons.push(await compare(found, published.get(found.manifest.name)));
    }
    for (const comparison of comparisons) report(comparison);
    const unwarned = comparisons.some(isUnwarned);
    if (unwarned)
      console.log(
        'Expected users to be warned by the version: keep the promise, or make a new major version (minor while it is 0.x) with ' +
          'npx lerna version minor',
      );
    return unwarned || comparisons.some(({ failure }) => failure !== undefined) ? 1 : 0;
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

process.exitCode = await main();
