import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { followTutorial } from '../docs/follow-tutorial.ts';
import { readPage } from '../docs/markdown.ts';
import { cleanEnvironment } from './commands.ts';
import type { PublishedTree } from './local-registry.ts';

/** Why npm could install nothing, where that is because no registry answered; undefined for any other error. */
export function noRegistry(error: unknown): string | undefined {
  return /E(?:NOTFOUND|CONNREFUSED|AI_AGAIN|TIMEDOUT|CONNRESET|NETUNREACH)\b.*/.exec(String(error))?.[0];
}

/** Writes the settings of somebody whose npm takes our packages from the registry: those of this machine, and that. */
function writeSettings(file: string, { registry }: PublishedTree): void {
  const own = process.env['npm_config_userconfig'] ?? join(homedir(), '.npmrc');
  const settings = existsSync(own) ? readFileSync(own, 'utf8') : '';
  writeFileSync(file, `${settings}\nfund=false\naudit=false\nprefer-offline=true\n${registry.npmrc}`);
}

/**
 * Follows a tutorial of this repository in an empty folder, with our packages from the registry and all others from the one
 * that npm is configured for.
 *
 * @throws Error with the line of the page where something else happens than it says.
 */
export async function readTutorial(path: string, published: PublishedTree): Promise<void> {
  const folder = published.emptyFolder('reader');
  const settings = `${folder}.npmrc`;
  writeSettings(settings, published);
  await followTutorial(readPage(path), {
    folder,
    env: { ...cleanEnvironment(), npm_config_userconfig: settings },
  });
}
