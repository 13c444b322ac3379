import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stripTypeScriptTypes } from 'node:module';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createPlugin } from './create-plugin.ts';
import { describeMade } from './describe-made.ts';
import { fillTemplate } from './fill-template.ts';
import { factsOf, pluginKinds, PluginOptionError, type PluginOptions } from './options.ts';

const root = join(import.meta.dirname, '..', '..');

let cwd: string;

beforeEach(() => {
  cwd = mkdtempSync(join(tmpdir(), 'otw-create-'));
});

afterEach(() => rmSync(cwd, { recursive: true }));

function make(options: Partial<PluginOptions> = {}) {
  return createPlugin({ name: 'steps', cwd, ...options });
}

function refusal(options: Partial<PluginOptions>): string {
  try {
    make(options);
  } catch (error) {
    if (error instanceof PluginOptionError) return error.message;
  }
  throw new Error('Expected a PluginOptionError, got none');
}

function read(...path: readonly string[]): string {
  return readFileSync(join(cwd, ...path), 'utf8');
}

interface Manifest {
  readonly [part: string]: unknown;
  readonly dependencies: Record<string, string>;
  readonly devDependencies: Record<string, string>;
  readonly peerDependencies: Record<string, string>;
}

const manifestOf = (path: string): Manifest => JSON.parse(readFileSync(path, 'utf8')) as Manifest;

describe('what is made', () => {
  test.each(pluginKinds)('of a %s has all that a package needs, and nothing left to fill in', (kind) => {
    const made = make({ kind });
    const here = readdirSync(join(cwd, 'steps'), { recursive: true, withFileTypes: true });
    expect(here.filter((entry) => entry.isFile())).toHaveLength(made.files.length);
    expect(made.files).toEqual(
      expect.arrayContaining([
        '.github/workflows/test.yml',
        '.gitignore',
        'README.md',
        'otw.config.ts',
        'package.json',
        'src/index.ts',
        'test/plugin.test.ts',
        'test/subject.ts',
        'tsconfig.json',
      ]),
    );
    for (const file of made.files) expect(read('steps', file), file).not.toMatch(/__[A-Z]+__/);
    expect(read('steps', 'README.md')).toMatch(/^# otw-\w+-steps\n/);
  });

  test('says what was made and what to type next, with the folder as a shell takes it', () => {
    const { next, ...made } = make({ directory: "my plugins/steps'" });
    expect(next).toEqual([`cd 'my plugins/steps'\\'''`, 'npm install', 'npm test', 'npm run demo']);
    expect(describeMade({ ...made, next })).toContain('Made the connector steps in ');
    expect(made.directory).toBe(join(cwd, "my plugins/steps'"));
  });

  test('can be the folder one stands in, and a repository that was just begun', () => {
    mkdirSync(join(cwd, '.git'));
    expect(make({ directory: '.' }).next[0]).toBe('npm install');
  });

  test('has the names it was asked for', () => {
    make({ package: '@me/otw-steps', source: 'example_steps', description: 'What was walked.' });
    expect(manifestOf(join(cwd, 'steps/package.json'))).toMatchObject({
      name: '@me/otw-steps',
      description: 'What was walked.',
      license: 'UNLICENSED',
    });
    expect(read('steps/src/index.ts')).toMatch(/name: 'steps',\s+source: 'example_steps',/);
  });

  test('is for the SDK of this version, with the tools that this repository is tested with', () => {
    const own = manifestOf(join(root, 'package.json')).devDependencies;
    const sdk = manifestOf(join(root, 'sdk/package.json'));
    const range = `^${String(manifestOf(join(root, 'create/package.json'))['version'])}`;
    for (const kind of pluginKinds) {
      make({ name: kind, kind });
      const { dependencies, devDependencies, peerDependencies } = manifestOf(join(cwd, kind, 'package.json'));
      expect(peerDependencies).toEqual({ '@on-the-way/sdk': range });
      // The same range, so that npm installs one zod for both: the types of two do not fit each other.
      expect(dependencies).toEqual({ zod: sdk.dependencies['zod'] });
      const { '@on-the-way/host': host, '@on-the-way/sdk': ofSdk, ...tools } = devDependencies;
      expect([host, ofSdk]).toEqual([range, range]);
      for (const [name, version] of Object.entries(tools)) expect([name, version]).toEqual([name, own[name]]);
    }
  });

  test('has a description as it was given, whatever stands in it', () => {
    const line = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 60 });
    const given = line.filter((text) => /^(?=.*\S)[^\p{Cc}\p{Cs}\u2028\u2029]+$/u.test(text));
    fc.assert(
      fc.property(given, (description) => {
        const files = new Map(
          fillTemplate(factsOf({ name: 'steps', description })).map(({ path, text }) => [path, text]),
        );
        expect(JSON.parse(files.get('package.json') ?? '')).toMatchObject({ description });
        const literal = /^ {2}description: (.+),$/m.exec(files.get('src/index.ts') ?? '')?.[1] ?? '';
        // A literal of a string and nothing else: what came out of it would not be the same text.
        expect(runInNewContext(literal)).toBe(description);
      }),
    );
  });

  test('is short: a whole connector in 60 lines, a sink in 80, and the smallest connector in 30', () => {
    const lines = (path: string): number => readFileSync(path, 'utf8').trimEnd().split('\n').length;
    for (const kind of pluginKinds) make({ name: kind, kind });
    expect(lines(join(root, 'examples/hello-connector/index.ts'))).toBeLessThanOrEqual(30);
    expect(lines(join(cwd, 'connector/src/index.ts'))).toBeLessThanOrEqual(60);
    expect(lines(join(cwd, 'sink/src/index.ts'))).toBeLessThanOrEqual(80);
  });

  test('runs without its types being looked at', () => {
    for (const kind of pluginKinds) {
      const { directory, files } = make({ name: kind, kind });
      for (const file of files.filter((name) => name.endsWith('.ts')))
        expect(() => stripTypeScriptTypes(readFileSync(join(directory, file), 'utf8'))).not.toThrow();
    }
  });
});

describe('what cannot be made', () => {
  test.each([
    [{ name: '' }, 'name: expected 1 to 32 lower-case letters'],
    [{ name: 'Steps' }, 'found "Steps"; for example steps'],
    [{ name: '../steps' }, 'name: expected'],
    [{ name: '2steps' }, 'name: expected'],
    [{ name: 'x'.repeat(33) }, 'name: expected'],
    [{ kind: 'source' }, '--kind: expected connector or sink, found "source"'],
    [{ package: 'Steps' }, '--package: expected a name that npm takes'],
    [{ package: '.steps' }, '--package: expected'],
    [{ package: 'x'.repeat(215) }, '--package: expected'],
    [{ description: ' ' }, '--description: expected one line'],
    [{ description: 'two\nlines' }, '--description: expected one line'],
    [{ description: 'x'.repeat(201) }, '--description: expected one line'],
    [{ source: 'a b' }, '--source: expected 1 to 64'],
    [{ kind: 'sink', source: 'steps' }, '--source: expected a connector for it, found a sink'],
  ])('%j is refused, and nothing is written', (options, message) => {
    expect(refusal(options)).toContain(message);
    expect(readdirSync(cwd)).toEqual([]);
  });

  test.each(readdirSync(join(root, 'plugins')))('the name of our plugin %s is refused', (name) => {
    for (const kind of pluginKinds)
      expect(refusal({ name, kind })).toContain(
        `name: expected one that no plugin of on the way has, found "${name}"`,
      );
    expect(readdirSync(cwd)).toEqual([]);
  });

  test('a folder with something in it stays as it is', () => {
    mkdirSync(join(cwd, 'steps'));
    writeFileSync(join(cwd, 'steps/notes.txt'), 'mine');
    expect(refusal({})).toMatch(/to be empty or not there yet, found notes\.txt: nothing is overwritten/);
    expect(readdirSync(join(cwd, 'steps'))).toEqual(['notes.txt']);
  });

  test('a file is no folder, and nothing can be made below one', () => {
    writeFileSync(join(cwd, 'steps'), 'mine');
    expect(refusal({})).toContain('found a file');
    expect(refusal({ directory: 'steps/below' })).toContain('expected to write to');
    expect(read('steps')).toBe('mine');
  });

  test.each([
    ['package.json', '{ "workspaces": ["plugins/*"] }'],
    ['pnpm-workspace.yaml', 'packages: []'],
  ])('a folder below a %s that installs packages together is refused, unless it is meant', (file, text) => {
    writeFileSync(join(cwd, file), text);
    expect(refusal({ directory: 'plugins/steps' })).toMatch(/outside of a workspace, .* give --in-workspace/);
    expect(existsSync(join(cwd, 'plugins'))).toBe(false);
    expect(make({ directory: 'plugins/steps', inWorkspace: true }).files).toContain('package.json');
  });

  test('a package without workspaces above is none of its business', () => {
    writeFileSync(join(cwd, 'package.json'), '{ "name": "notes" }');
    expect(make().files).toContain('package.json');
  });
});
