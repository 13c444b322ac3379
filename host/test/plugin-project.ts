import { globSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import { dirname, join } from 'node:path';
import { temporaryFolder } from './otw.ts';

const root = join(import.meta.dirname, '..', '..');

/** A folder with plugins of a test's own, and nothing installed. */
export interface PluginProject {
  readonly path: string;
  /** Writes a file, text or JSON, and the folders it lies in; resolves its path. */
  write(path: string, content: unknown): string;
  remove(): void;
}

/** Makes one. */
export function pluginProject(): PluginProject {
  const { path: folder, remove } = temporaryFolder();
  const write = (path: string, content: unknown): string => {
    const full = join(folder, path);
    mkdirSync(dirname(full), { recursive: true });
    writeFileSync(full, typeof content === 'string' ? content : JSON.stringify(content));
    return full;
  };
  return { path: folder, write, remove };
}

/** The text of a small connector; `before` stands in front of it, `fetch` is the body of a dataset's. */
export function connectorText({
  name = 'steps',
  source,
  version = '0.1.0',
  before = '',
  fetch = 'yield { day: window.from, data: { steps: 1 } };',
}: {
  readonly name?: string;
  readonly source?: string;
  readonly version?: string;
  readonly before?: string;
  readonly fetch?: string;
} = {}): string {
  return `import { checkpoint, ConnectorError, defineConnector, rawJson, secret } from '@on-the-way/sdk';
import { z } from 'zod';
${before}
export default defineConnector({
  name: '${name}', version: '${version}', description: 'Steps a day.', source: '${source ?? name}',
  config: z.object({ phrase: secret().optional() }),
  login: async ({ config }) => config,
  account: () => 'me',
  datasets: {
    steps: { granularity: 'day', settleDays: 1, description: 'Steps.', async *fetch({ window, session }) { ${fetch} } },
    news: { granularity: 'cursor', description: 'News.', async *fetch() {
      yield { key: 'a', occurredAt: '2026-02-26T08:00:00Z', data: rawJson('{"id":12345678901234567890}') };
      yield checkpoint('a');
    } },
    phrases: { granularity: 'snapshot', settleDays: 0, description: 'Tells too much.', async *fetch({ session }) {
      if (session.phrase) throw new ConnectorError('bad_data', 'Expected another phrase than ' + session.phrase);
    } },
  },
});
`;
}

/** Installs a copy of the SDK as JavaScript, as a package of the registry brings one; zod is the one that is there. */
export function installSdk({ path, write }: PluginProject, folder: string, version: string): void {
  const modules = join(folder, 'node_modules');
  const sources = join(root, 'sdk', 'src');
  const exports = { '.': './index.js', './which.js': './which.js' };
  const manifest = { name: '@on-the-way/sdk', version, type: 'module', exports };
  write(join(modules, '@on-the-way/sdk/package.json'), manifest);
  for (const file of globSync('**/*.ts', { cwd: sources }).filter((name) => !name.endsWith('.test.ts'))) {
    const text = stripTypeScriptTypes(readFileSync(join(sources, file), 'utf8'));
    const script = text.replaceAll(/(from '\.[^']*)\.ts'/g, "$1.js'");
    write(join(modules, '@on-the-way/sdk', file.replace(/\.ts$/, '.js')), script);
  }
  symlinkSync(join(root, 'node_modules/zod'), join(path, modules, 'zod'));
  // So that a test sees which copy was loaded.
  write(join(modules, '@on-the-way/sdk/which.js'), `export default '${modules}';`);
}
