import { followTutorial } from '../docs/follow-tutorial.ts';
import { readPage } from '../docs/markdown.ts';
import { cleanEnvironment } from './commands.ts';
import type { PublishedTree } from './local-registry.ts';

/** Why npm could install nothing, where that is because no registry answered; undefined for any other error. */
export function noRegistry(error: unknown): string | undefined {
  return /E(?:NOTFOUND|CONNREFUSED|AI_AGAIN|TIMEDOUT|CONNRESET|NETUNREACH)\b.*/.exec(String(error))?.[0];
}

/**
 * Follows a tutorial of this repository in an empty folder, with our packages from the registry and all others from the one
 * that npm is configured for, by the line that `npm run registry` prints.
 *
 * @throws Error with the line of the page where something else happens than it says.
 */
export async function readTutorial(path: string, published: PublishedTree): Promise<void> {
  await followTutorial(readPage(path), {
    folder: published.emptyFolder('reader'),
    env: {
      ...cleanEnvironment(),
      npm_config_userconfig: published.settings,
      npm_config_fund: 'false',
      npm_config_audit: 'false',
      npm_config_prefer_offline: 'true',
    },
  });
}
