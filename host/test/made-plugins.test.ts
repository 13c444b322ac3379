import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { createPlugin, describeMade, pluginKinds } from '@on-the-way/create-plugin';
import { testPlugin, type Subject } from '@on-the-way/sdk/testing';
import { afterAll, describe, expect, test } from 'vitest';
import { startSuiteHost } from '../src/testing/index.ts';
import { otwHere, temporaryFolder } from './otw.ts';
import { createMigratedDatabase } from './postgres.ts';

// Packages as `otw plugin new` makes them, with this repository's node_modules in place of an install. What an install
// from a registry adds is tested with the publishing.
const root = join(import.meta.dirname, '..', '..');
const source = '--conditions=@on-the-way/source';
const folder = temporaryFolder();
afterAll(() => folder.remove());

interface Ended {
  readonly code: number | null;
  readonly output: string;
}

/** Runs a script of Node in a made package, which finds our packages' sources. */
function run(
  cwd: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Ended> {
  return new Promise((resolve) => {
    const options = { cwd, env: { ...process.env, ...env, NODE_OPTIONS: source, NO_COLOR: '1' } };
    const child = execFile(process.execPath, args, options, (_, stdout, stderr) =>
      resolve({ code: child.exitCode, output: `${stdout}${stderr}` }),
    );
  });
}

symlinkSync(join(root, 'node_modules'), join(folder.path, 'node_modules'));

function made(kind: string): string {
  return createPlugin({ name: `made_${kind}`, kind, cwd: folder.path }).directory;
}

const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
const compile = ['--customConditions', '@on-the-way/source'];

const packages = pluginKinds.map((kind) => [kind, made(kind)] as const);

test('made packages compile under their own settings, with tests and configurations', async () => {
  // Together, since most of it is reading the host's own types.
  const settings = { extends: './made_connector/tsconfig.json', include: ['made_connector', 'made_sink'] };
  writeFileSync(join(folder.path, 'tsconfig.json'), JSON.stringify(settings));
  const ofSink = readFileSync(join(folder.path, 'made_sink', 'tsconfig.json'), 'utf8');
  expect(ofSink).toBe(readFileSync(join(folder.path, 'made_connector', 'tsconfig.json'), 'utf8'));
  expect(await run(folder.path, [tsc, ...compile])).toEqual({ code: 0, output: '' });
});

describe.each(packages)('a made %s', (kind, directory) => {
  test('builds to a module that exports the plugin', async () => {
    expect(await run(directory, [tsc, '-p', 'tsconfig.build.json', ...compile])).toEqual({
      code: 0,
      output: '',
    });
    const say = `const { default: plugin } = await import('otw-${kind === 'sink' ? 'sink' : 'plugin'}-made_${kind}');
      console.log(plugin.kind, plugin.name, plugin.version);`;
    expect(await run(directory, ['--input-type=module', '--eval', say])).toEqual({
      code: 0,
      output: `${kind} made_${kind} 0.1.0\n`,
    });
    expect(existsSync(join(directory, 'dist', 'index.d.ts'))).toBe(true);
  });

  test('runs in a host as it is, and shows the rows', async () => {
    const database = await createMigratedDatabase();
    try {
      const { code, output } = await run(directory, ['demo.ts'], { DATABASE_URL: database.url });
      expect(output).toMatch(/succeeded: (9|10) new, 0 unchanged, 0 failed days/);
      expect(
        output.match(/\w+::[0-9a-f]{12}::steps::\d{4}-\d\d-\d\d::[0-9a-f]{16}/g)?.length,
      ).toBeGreaterThan(8);
      expect(code).toBe(0);
    } finally {
      await database.drop();
    }
  });
});

describe('the conformance suite', async () => {
  const database = await createMigratedDatabase();
  const host = await startSuiteHost({ databaseUrl: database.url });
  afterAll(async () => {
    await host.close();
    await database.drop();
  });
  for (const [kind, directory] of packages) {
    const module = pathToFileURL(join(directory, 'test', 'subject.ts')).href;
    const { default: subject } = (await import(module)) as { readonly default: Subject };
    // A gigabyte takes half a minute here; check 38 reads from the same source.
    const skips = { ...subject.skips, ...(kind === 'connector' && { 37: 'it would take half a minute' }) };
    testPlugin({ ...subject, skips, host }, test);
  }
});

describe('otw plugin new', () => {
  test('makes what npm create makes, and says the same', async () => {
    const here = temporaryFolder();
    try {
      const asked = ['archive', '--kind', 'sink', '--directory', 'one/archive'];
      const { code, stdout } = await otwHere(['plugin', 'new', ...asked], { cwd: here.path });
      const other = createPlugin({ name: 'archive', kind: 'sink', directory: 'two/archive', cwd: here.path });
      expect(code).toBe(0);
      expect(stdout).toBe(`${describeMade(other).replaceAll('two/archive', 'one/archive')}\n`);
    } finally {
      here.remove();
    }
  });

  test('prints one object when asked for JSON', async () => {
    const { stdout } = await otwHere(['plugin', 'new', 'jsonly', '--json'], { cwd: folder.path });
    expect(JSON.parse(stdout)).toMatchObject({
      name: 'jsonly',
      kind: 'connector',
      source: 'jsonly',
      directory: join(folder.path, 'jsonly'),
      next: ['cd jsonly', 'npm install', 'npm test', 'npm run demo'],
    });
  });

  test('refuses a name that cannot be one, a folder in use and one below a workspace with 2', async () => {
    mkdirSync(join(folder.path, 'used', 'already'), { recursive: true });
    for (const [args, said] of [
      [['Steps'], 'name: expected 1 to 32 lower-case letters'],
      [['used'], 'nothing is overwritten'],
      [['inside', '--directory', join(root, 'plugins', 'inside')], 'give --in-workspace'],
    ] as const) {
      const { code, stdout, stderr } = await otwHere(['plugin', 'new', ...args], { cwd: folder.path });
      expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
      expect(stderr).toContain(said);
    }
    expect(existsSync(join(root, 'plugins', 'inside'))).toBe(false);
  });
});
