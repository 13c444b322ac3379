import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Connector, Sink } from '@on-the-way/sdk';
import { currentSurface, surfaceOf, type Subject, type Surface } from '@on-the-way/sdk/testing';

async function defaultOf<T>(folder: string, file: string): Promise<T> {
  return ((await import(pathToFileURL(join(folder, file)).href)) as { default: T }).default;
}

/**
 * What users of a plugin of this repository rely on now; of a connector with the datasets of its subject's account.
 *
 * @param folder The folder of the plugin's package.
 * @throws Error of the import where a connector has no `test/subject.ts`.
 */
export async function pluginSurface(folder: string): Promise<Surface> {
  const plugin = await defaultOf<Connector | Sink>(folder, 'src/index.ts');
  if (plugin.kind === 'sink') return surfaceOf(plugin);
  return currentSurface(await defaultOf<Subject>(folder, 'test/subject.ts'));
}
