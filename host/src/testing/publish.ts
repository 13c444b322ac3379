import { readFileSync, writeFileSync } from 'node:fs';
import { findPackageJSON } from 'node:module';
import { join } from 'node:path';
import { countResults, currentSurface, type Report } from '@on-the-way/sdk/testing';
import { z } from 'zod';
import { exitCodes, HostError } from '../host-error.ts';
import type { FoundSubject } from './find-subject.ts';

const versioned = z.object({ version: z.string() });

function versionIn(path: string): string {
  return versioned.parse(JSON.parse(readFileSync(path, 'utf8'))).version;
}

/** Version of the SDK whose suite was run. */
function suiteVersion(): string {
  const path = findPackageJSON('@on-the-way/sdk', import.meta.url);
  if (path === undefined) throw new Error('Expected @on-the-way/sdk to be installed, found none');
  return versionIn(path);
}

/** @throws HostError (exit 78) without a package.json, or where it states another version than the plugin does. */
function checkedFolder({ folder, subject: { plugin } }: FoundSubject): string {
  if (folder === undefined)
    throw new HostError(exitCodes.badConfig, '--publish: expected the folder of a package, found a module');
  const stated = versionIn(join(folder, 'package.json'));
  if (stated === plugin.version) return folder;
  throw new HostError(
    exitCodes.badConfig,
    `--publish: expected one version, found ${stated} in package.json and ${plugin.version} in the plugin: make them the same`,
  );
}

/**
 * Writes beside package.json what the suite found, and what users of this version rely on, for the next version to be
 * compared with. Resolves with the paths of the files.
 */
export async function publish(found: FoundSubject, report: Report): Promise<string[]> {
  const folder = checkedFolder(found);
  const { passed, failed } = countResults(report);
  const skipped = report.results
    .filter(({ status }) => status === 'skipped')
    .map(({ check: { id }, reason = '' }) => ({ id, reason }));
  const conformance = {
    plugin: report.plugin,
    version: report.version,
    sdk: suiteVersion(),
    tested_at: new Date().toISOString(),
    passed,
    failed,
    skipped,
  };
  const files = { 'conformance.json': conformance, 'published.json': await currentSurface(found.subject) };
  return Object.entries(files).map(([name, content]) => {
    const path = join(folder, name);
    writeFileSync(path, `${JSON.stringify(content, null, 2)}\n`);
    return path;
  });
}
