import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { otwHere, startOtw, temporaryFolder } from './otw.ts';

const root = join(import.meta.dirname, '..', '..');
const hello = 'examples/hello-connector';

interface Shown {
  readonly plugin: string;
  readonly results: readonly { readonly check: { readonly id: number }; readonly status: string }[];
  readonly counts: Readonly<Record<string, number>>;
}

/** A package of a connector that asks nothing of a network, in a folder of its own; `files` are more of it. */
function makePackage(files: Readonly<Record<string, string>> = {}): string {
  const { path, remove } = temporaryFolder();
  onTestFinished(remove);
  symlinkSync(join(root, 'node_modules'), join(path, 'node_modules'));
  const all = {
    'package.json': JSON.stringify({
      name: 'quiet-connector',
      version: '1.2.3',
      type: 'module',
      exports: './index.ts',
    }),
    'index.ts': connector('1.2.3'),
    ...files,
  };
  for (const [name, text] of Object.entries(all)) {
    mkdirSync(dirname(join(path, name)), { recursive: true });
    writeFileSync(join(path, name), text);
  }
  return path;
}

const connector = (version: string, config = 'z.object({})') => `
  import { defineConnector } from '@on-the-way/sdk';
  import { z } from 'zod';
  export default defineConnector({
    name: 'quiet', version: '${version}', description: 'Says nothing.', source: 'quiet',
    config: ${config}, login: async () => ({}), account: () => 'me', datasets: {},
  });`;

const skips = Object.fromEntries([21, 31, 32, 33, 37, 38, 45].map((id) => [id, `${id} is not promised`]));
const subject = `
  import { defineSubject } from '@on-the-way/sdk/testing';
  import plugin from '../index.ts';
  export default defineSubject({
    plugin, module: import.meta.resolve('../index.ts'), skips: ${JSON.stringify(skips)},
    window: { from: '2026-02-24', to: '2026-02-27' },
  });`;

test('the package here is tested, and the table ends with the sums', async () => {
  const { code, stdout, stderr } = await otwHere(['plugin', 'test', '--only', '1,6'], {
    cwd: join(root, hello),
  });
  expect(stdout.split('\n')).toEqual([
    'Spec',
    expect.stringMatching(/^ 1 {2}ok {7}the configuration /),
    expect.stringMatching(/^ 6 {2}ok {7}name, /),
    '',
    expect.stringMatching(/^hello \d+\.\d+\.\d+: 2 passed, 0 failed, 0 skipped with a reason$/),
    '',
  ]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
});

test('--json prints one object, with the counts', async () => {
  const { code, stdout } = await otwHere(['plugin', 'test', hello, '--only', '6,5', '--json']);
  const shown = JSON.parse(stdout) as Shown;
  expect(shown).toMatchObject({ plugin: 'hello', version: '0.1.0', kind: 'connector' });
  expect(shown.results.map(({ check, status }) => [check.id, status])).toEqual([
    [5, 'skipped'],
    [6, 'passed'],
  ]);
  expect(shown.counts).toEqual({ passed: 1, failed: 0, skipped: 1, undeclared: 0 });
  expect(code).toBe(0);
});

test('a check that fails is 1, and says what was expected', async () => {
  const folder = makePackage({ 'index.ts': connector('one') });
  const { code, stdout } = await otwHere(['plugin', 'test', folder, '--only', '1,6']);
  expect(stdout).toMatch(/6 {2}FAILED {3}name.*\n +Expected a semantic version such as 1.2.3, got one/);
  expect(code).toBe(1);
});

test('a check that is skipped without a reason is 3; a module without a subject is tested with {}', async () => {
  const module = join(makePackage(), 'index.ts');
  const { code, stdout, stderr } = await otwHere(['plugin', 'test', module, '--only', '6,31']);
  expect(stdout).toContain('1 passed, 0 failed, 0 skipped with a reason, 1 without');
  expect(stderr).toContain('quiet has no subject: it is tested with the configuration {}');
  expect(code).toBe(3);
});

test.each([
  ['exports for imports alone', '{"name":"a","type":"module","exports":{".":{"import":"./index.ts"}}}'],
  ['no exports', '{"name":"a","type":"module"}'],
])('a package with %s is found as a host finds it', async (_, manifest) => {
  const folder = makePackage({ 'package.json': manifest, 'index.ts': connector('1.2.3') });
  const { code, stdout } = await otwHere(['plugin', 'test', folder, '--only', '6']);
  expect({ code, stdout }).toEqual({ code: 0, stdout: expect.stringContaining('1 passed') });
});

test('a package names its subject, and what its plugin prints stays out of the results', async () => {
  const folder = makePackage({
    'package.json': JSON.stringify({ name: 'quiet-connector', 'on-the-way': { subject: './suite/mine.ts' } }),
    'suite/mine.ts': `process.stdout.write('loaded');${subject}`,
    'index.ts': connector('1.2.3').replace(
      'async () => ({})',
      "async () => (process.stdout.write('signed in'), {})",
    ),
  });
  const { code, stdout, stderr } = await otwHere(['plugin', 'test', folder, '--json', '--only', '7,31']);
  expect(JSON.parse(stdout)).toMatchObject({ counts: { passed: 1, skipped: 1 } });
  expect(stderr).toMatch(/^loaded(signed in)+$/);
  expect(code).toBe(0);
});

test('where a subject is needed and there is none, it is shown: 78', async () => {
  const sink = await otwHere(['plugin', 'test', 'plugins/http/src/index.ts']);
  expect(sink).toMatchObject({ code: 78, stdout: '', stderr: expect.stringContaining('stored: async') });
  const needy = makePackage({ 'index.ts': connector('1.2.3', 'z.object({ key: z.string() })') });
  const { code, stderr } = await otwHere(['plugin', 'test', needy]);
  expect(stderr).toMatch(/^Expected a subject that says how quiet is configured, .* test\/subject\.ts /);
  expect(stderr).toContain("import { defineSubject } from '@on-the-way/sdk/testing';");
  expect(code).toBe(78);
});

test.each([
  ['nothing at all', () => join(makePackage(), 'nowhere'), /Expected a folder or a module/],
  ['a folder without a package', () => join(makePackage({ 'empty/a.txt': '' }), 'empty'), /no package\.json/],
  [
    'a package that is not built',
    () => makePackage({ 'package.json': '{"name":"a","exports":{".":{"import":"./dist/index.js"}}}' }),
    /build the plugin/,
  ],
  [
    'a plugin of another line of the SDK',
    () => makePackage({ 'package.json': '{"name":"a","peerDependencies":{"@on-the-way/sdk":"^99.0.0"}}' }),
    /to be written for @on-the-way\/sdk .* found \^99\.0\.0/,
  ],
  [
    'a module of something else',
    () => join(makePackage({ 'a.ts': 'export default 1' }), 'a.ts'),
    /A subject:/,
  ],
  [
    'a module that does not load',
    () => join(makePackage({ 'a.ts': "throw new Error('no luck')" }), 'a.ts'),
    /to load, but: no luck/,
  ],
])('%s is 78, with what to do', async (_, make, said) => {
  const { code, stderr } = await otwHere(['plugin', 'test', make()]);
  expect({ code, stderr }).toEqual({ code: 78, stderr: expect.stringMatching(said) });
});

test.each(['0', '1,x', '39', ''])('--only %s is wrong usage for a connector', async (only) => {
  const { code, stderr } = await otwHere(['plugin', 'test', hello, '--only', only]);
  expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringMatching(/^--only: expected numbers/) });
});

test('--publish writes what was found and what is promised beside package.json, when all is well', async () => {
  const folder = makePackage({ 'test/subject.ts': subject });
  const { code, stdout, stderr } = await otwHere(['plugin', 'test', folder, '--publish', '--json']);
  const { counts } = JSON.parse(stdout) as Shown;
  expect({ code, stderr }).toEqual({ code: 0, stderr: expect.stringContaining('Wrote ') });
  const read = (name: string): unknown => JSON.parse(readFileSync(join(folder, name), 'utf8'));
  const conformance = read('conformance.json') as Record<string, unknown>;
  expect(conformance).toMatchObject({
    plugin: 'quiet',
    version: '1.2.3',
    passed: counts['passed'],
    failed: 0,
  });
  expect(conformance['skipped']).toContainEqual({ id: 31, reason: '31 is not promised' });
  expect(conformance['skipped']).toHaveLength(counts['skipped'] ?? 0);
  expect(Date.parse(String(conformance['tested_at']))).toBeGreaterThan(Date.now() - 600_000);
  expect(conformance['sdk']).toMatch(/^\d+\.\d+\.\d+$/);
  expect(read('published.json')).toMatchObject({
    name: 'quiet',
    version: '1.2.3',
    source: 'quiet',
    datasets: {},
  });
});

test('--publish writes nothing for what fails, for a part of the suite, or for two versions', async () => {
  const failing = makePackage({ 'test/subject.ts': subject, 'index.ts': connector('one') });
  expect(await otwHere(['plugin', 'test', failing, '--publish'])).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('Nothing was written'),
  });
  const other = makePackage({ 'test/subject.ts': subject, 'index.ts': connector('1.2.4') });
  expect(await otwHere(['plugin', 'test', other, '--publish'])).toMatchObject({
    code: 78,
    stderr: expect.stringContaining('1.2.3 in package.json and 1.2.4 in the plugin'),
  });
  const part = await otwHere(['plugin', 'test', other, '--publish', '--only', '1']);
  expect(part.code).toBe(2);
  for (const folder of [failing, other]) expect(existsSync(join(folder, 'published.json'))).toBe(false);
});

test('Ctrl-C ends it with what is known', async () => {
  const hanging = connector('1.2.3').replace(
    'async () => ({})',
    "() => (process.stderr.write('asked to log in'), new Promise(() => setTimeout(() => {}, 3_600_000)))",
  );
  const folder = makePackage({ 'test/subject.ts': subject, 'index.ts': hanging });
  const running = startOtw(['plugin', 'test', folder, '--only', '6,7']);
  await running.said(/asked to log in/);
  running.process.kill('SIGINT');
  const { code, stdout, stderr } = await running.finished;
  expect(stderr).toContain('Stopping');
  expect(stdout).toContain('quiet 1.2.3: 1 passed, 0 failed, 0 skipped with a reason');
  expect(code).toBe(130);
});
