import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { temporaryFolder } from '../../test/otw.ts';
import { exitCodes } from '../host-error.ts';
import { createContractSet } from './contracts.ts';

let folder: ReturnType<typeof temporaryFolder>;
beforeEach(() => {
  folder = temporaryFolder();
});
afterEach(() => folder.remove());

function plugin(file: string, ...names: string[]): string {
  const contracts = names.map(
    (name) => `'${name}': { source: '${file}', externalIdLength: 8, mayBeAhead: true }`,
  );
  return pluginWith(file, contracts.join());
}

function pluginWith(file: string, contracts: string): string {
  const verbs = 'login, account, listDatasets, fetch, fetchSince'.replaceAll(/\w+/g, '$&() {}');
  const about = `name: 'a', version: '0.1.0', description: 'A.', source: 'a', service: 'a', config: { safeParse() {} }`;
  writeFileSync(
    join(folder.path, file),
    `export default { kind: 'connector', ${about}, ${verbs}, ingest: { ${contracts} } };`,
  );
  return `./${file}`;
}

const refused = (message: RegExp) =>
  expect.objectContaining({
    exitCode: exitCodes.badConfig,
    message: expect.stringMatching(message) as unknown,
  });

test('the contracts of the named plugins are served under their names, in their order, and the host’s own', async () => {
  const set = createContractSet([plugin('one.mjs', 'b', 'a'), plugin('two.mjs', 'c')], folder.path);
  expect((await set.all()).map(({ name, source }) => [name, source])).toEqual([
    ['b', 'one.mjs'],
    ['a', 'one.mjs'],
    ['c', 'two.mjs'],
    ['events', undefined],
  ]);
  expect(await set.get('c')).toMatchObject({ name: 'c', source: 'two.mjs' });
  expect([await set.get('d'), await set.get('constructor'), await set.get('__proto__')]).toEqual([
    undefined,
    undefined,
    undefined,
  ]);
});

test('no plugin named is no contract served but the host’s own', async () => {
  expect(await createContractSet([], folder.path).all()).toMatchObject([{ name: 'events' }]);
});

test('the host’s own contract knows those of a source, whichever plugin declares them', async () => {
  const set = createContractSet([plugin('one.mjs', 'a', 'b'), plugin('two.mjs', 'c')], folder.path);
  const events = await set.get('events');
  const namesOf = (source: string) => events?.contractsOf?.(source).map(({ name }) => name);
  expect([namesOf('one.mjs'), namesOf('two.mjs'), namesOf('__proto__')]).toEqual([['a', 'b'], ['c'], []]);
});

test.each(['{}', "{ source: '' }"])('a contract that names no source (%s) is refused', async (contract) => {
  const set = createContractSet([pluginWith('loose.mjs', `a: ${contract}`)], folder.path);
  await expect(set.all()).rejects.toEqual(
    refused(/expected the contract a of \.\/loose\.mjs to name its source/),
  );
});

test('what the host’s own contract alone may do no plugin’s may', async () => {
  const set = createContractSet([plugin('one.mjs', 'a')], folder.path);
  expect(await set.get('a')).not.toHaveProperty('mayBeAhead');
});

test('no plugin may declare a contract that is called as the host’s own is', async () => {
  await expect(createContractSet([plugin('one.mjs', 'events')], folder.path).all()).rejects.toEqual(
    refused(/ingest\.plugins: .*events is the host's own, and also in \.\/one\.mjs/),
  );
});

test('nothing is loaded before somebody asks, and what could not be loaded is tried again', async () => {
  const set = createContractSet(['./late.mjs'], folder.path);
  await expect(set.get('a')).rejects.toEqual(refused(/late\.mjs/));
  plugin('late.mjs', 'a');
  expect(await set.get('a')).toMatchObject({ name: 'a' });
});

test('one name declared by two plugins is a configuration that cannot be used', async () => {
  const set = createContractSet([plugin('one.mjs', 'same'), plugin('two.mjs', 'same')], folder.path);
  await expect(set.all()).rejects.toEqual(
    refused(/ingest\.plugins: .*same twice in \.\/one\.mjs, \.\/two\.mjs/),
  );
});

test.each([
  ['no contracts', [], /found none/],
  ['a name that no path has', ['Not A Name'], /"Not A Name"/],
])('a plugin with %s is one too', async (_name, names, message) => {
  await expect(createContractSet([plugin('one.mjs', ...names)], folder.path).all()).rejects.toEqual(
    refused(message),
  );
});
