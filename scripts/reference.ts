import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { format, resolveConfig } from 'prettier';
import { readEntryPoints } from './reference-model.ts';
import { anchorsOf, referencePage } from './reference-page.ts';

const root = join(import.meta.dirname, '..');

async function formatted(path: string, text: string): Promise<string> {
  const options = await resolveConfig(join(root, path));
  return format(text, { ...options, filepath: path });
}

/** The pages of the SDK's reference by their path in the repository, as they should be. */
export async function referencePages(): Promise<ReadonlyMap<string, string>> {
  const { index, 'testing/index': testing } = readEntryPoints(['index', 'testing/index']);
  const links = [...anchorsOf(index)].map(([name, anchor]) => [name, `sdk.md${anchor}`] as const);
  const pages = {
    'docs/reference/sdk.md': referencePage({
      title: 'Reference of the SDK',
      module: '@on-the-way/sdk',
      entry: index,
    }),
    'docs/reference/sdk-testing.md': referencePage({
      title: 'Reference of the conformance suite',
      module: '@on-the-way/sdk/testing',
      entry: testing,
      elsewhere: new Map(links),
    }),
  };
  const made = Object.entries(pages).map(
    async ([path, text]) => [path, await formatted(path, text)] as const,
  );
  return new Map(await Promise.all(made));
}

// `npm run reference`
if (import.meta.main) {
  for (const [path, text] of await referencePages()) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
    console.error(`Wrote ${path}`);
  }
}
