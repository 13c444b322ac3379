import { mkdirSync, realpathSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { temporaryFolder } from '../../test/otw.ts';
import { namesInFolder, resolvePlugin } from './resolve-plugin.ts';

let folder: ReturnType<typeof temporaryFolder>;
beforeEach(() => (folder = temporaryFolder()));
afterEach(() => folder.remove());

function file(path: string, content: unknown = ''): string {
  const full = join(folder.path, path);
  mkdirSync(dirname(full), { recursive: true });
  writeFileSync(full, typeof content === 'string' ? content : JSON.stringify(content));
  return full;
}

/** Where it is found, from the temporary folder on. */
function found(name: string, pluginsDir?: string) {
  const { path, folder: own, from } = resolvePlugin(name, folder.path, pluginsDir);
  const root = `${realpathSync(folder.path)}/`;
  return [from, path.replace(root, ''), own.replace(root, '').replace(root.slice(0, -1), '.')];
}

function refusal(name: string) {
  try {
    return resolvePlugin(name, folder.path);
  } catch (error) {
    return error;
  }
}

const refused = (code: string, message: RegExp) =>
  expect.objectContaining({ code, exitCode: 78, message: expect.stringMatching(message) as unknown });

test.each([
  ['exports', { name: 'steps', exports: './main.mjs' }, 'main.mjs'],
  ['exports for imports alone', { name: 'steps', exports: { '.': { import: './main.mjs' } } }, 'main.mjs'],
  ['exports without a name', { exports: { types: './main.d.ts', default: './main.ts' } }, 'main.ts'],
  ['main', { main: 'lib' }, 'lib/index.js'],
  ['nothing', { name: 'steps' }, 'index.ts'],
])('a folder of the plugins folder is found by its name, its entry by %s', (_by, manifest, entry) => {
  file('plugins/steps/package.json', manifest);
  file(`plugins/steps/${entry}`);
  expect(found('steps')).toEqual(['folder', `plugins/steps/${entry}`, 'plugins/steps']);
  expect(found('./plugins/steps')).toEqual(['path', `plugins/steps/${entry}`, 'plugins/steps']);
});

test('a single module of the plugins folder is found without its ending, and that folder belongs to it', () => {
  file('package.json', {});
  file('plugins/steps.ts');
  expect(found('steps')).toEqual(['folder', 'plugins/steps.ts', 'plugins']);
  // By its path it is a part of the project around it.
  expect(found('./plugins/steps.ts')).toEqual(['path', 'plugins/steps.ts', '.']);
});

test('the plugins folder may be another one', () => {
  file('plugins/steps.ts');
  file('mine/steps.ts');
  expect(found('steps', join(folder.path, 'mine'))).toEqual(['folder', 'mine/steps.ts', 'mine']);
});

test('a package is found on the way up, with and without scope, and beside the host', () => {
  file('node_modules/weather/package.json', { name: 'weather', exports: { import: './dist.js' } });
  file('node_modules/weather/dist.js');
  file('node_modules/@me/steps/package.json', { main: 'index' });
  file('node_modules/@me/steps/index.js');
  expect(found('weather')).toEqual(['package', 'node_modules/weather/dist.js', 'node_modules/weather']);
  expect(found('@me/steps')).toEqual([
    'package',
    'node_modules/@me/steps/index.js',
    'node_modules/@me/steps',
  ]);
  expect(found('@on-the-way/plugin-garmin')[0]).toBe('host');
});

test.each([
  ['folder and package', ['plugins/steps/package.json', 'node_modules/steps/package.json']],
  ['module and folder', ['plugins/steps.js', 'plugins/steps/package.json']],
  ['two modules', ['plugins/steps.js', 'plugins/steps.ts']],
])('a name that stands for two is refused with both: %s', (_what, paths) => {
  for (const path of paths) {
    file(path, '{}');
    if (path.endsWith('.json')) file(join(dirname(path), 'index.js'));
  }
  expect(refusal('steps')).toEqual(refused('plugin_ambiguous', /steps.* and .*steps/));
});

test('a folder that is linked into node_modules is one plugin', () => {
  file('plugins/steps/package.json', {});
  file('plugins/steps/index.ts');
  mkdirSync(join(folder.path, 'node_modules'));
  symlinkSync(join(folder.path, 'plugins/steps'), join(folder.path, 'node_modules/steps'));
  expect(found('steps')).toEqual(['folder', 'plugins/steps/index.ts', 'plugins/steps']);
});

test.each([
  ['steps', /found none in .*plugins \(it has walks\) and no such package.*npm install steps/],
  ['@me/steps', /npm install @me\/steps/],
  ['./steps', /at .*\/steps, found nothing: correct the path/],
  // A module of Node's own.
  ['http', /found none in/],
  ['bare', /Expected a package\.json in .*plugins\/bare/],
  ['empty', /Expected an index\.js or index\.ts in .*empty.*"exports"/],
  ['unbuilt', /Expected dist\/index\.js in .*unbuilt.*build the plugin/],
  ['Steps Connector', /expected a name or a path/],
])('%s is not found, with what to do', (name, message) => {
  file('plugins/walks.ts');
  mkdirSync(join(folder.path, 'plugins/bare'));
  file('node_modules/empty/package.json', {});
  file('node_modules/unbuilt/package.json', { name: 'unbuilt', exports: 'dist/index.js' });
  expect(refusal(name)).toEqual(refused('plugin_not_found', message));
});

test('a package.json that is not JSON is named', () => {
  file('plugins/steps/package.json', '{');
  expect(refusal('steps')).toEqual(
    refused('plugin_not_loaded', /Expected an object of JSON in .*steps\/package\.json/),
  );
});

test('the plugins folder has what can be named, and nothing else', () => {
  file('plugins/steps/package.json', {});
  for (const name of [
    'walks.ts',
    'walks.test.ts',
    'types.d.ts',
    'notes.md',
    '.hidden.ts',
    'node_modules/x.js',
  ])
    file(`plugins/${name}`);
  expect(namesInFolder(join(folder.path, 'plugins'))).toEqual(['steps', 'walks']);
  expect(namesInFolder(join(folder.path, 'nowhere'))).toEqual([]);
  // What nobody can follow or enter hides none of the others.
  symlinkSync('round', join(folder.path, 'plugins', 'round'));
  expect(namesInFolder(join(folder.path, 'plugins'))).toEqual(['steps', 'walks']);
});
