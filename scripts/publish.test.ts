import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { checkPackage, createPackageFromTarballData } from '@arethetypeswrong/core';
import { publint } from 'publint';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { checkApi } from './check-api.ts';
import { npmCommand, outputOf, runCommand, type Finished } from './commands.ts';
import { startPublishedTree, type PublishedTree } from './local-registry.ts';
import { isPlugin, publishedPackages, readManifest, type Manifest } from './packages.ts';
import { noRegistry, readTutorial } from './reader.ts';

// The repository as authors and users get it: published to a registry on this machine, and installed from there.
const root = join(import.meta.dirname, '..');
const packages = publishedPackages(root);
const names = packages.map(({ manifest }) => manifest.name);

let published: PublishedTree;
/** Of all packages, the one that lerna made. */
let version: string;
const tarballs = new Map<string, Uint8Array<ArrayBuffer>>();

beforeAll(async () => {
  published = await startPublishedTree(root, {
    GITHUB_SERVER_URL: 'https://git.example.com',
    GITHUB_REPOSITORY: 'somebody/on-the-way',
  });
  version = readManifest(join(published.tree, 'sdk')).version;
  for (const name of names) {
    const packument = await fetch(`${published.registry.url}/${name}/${version}`);
    const { dist } = (await packument.json()) as { dist: { tarball: string } };
    tarballs.set(name, new Uint8Array(await (await fetch(dist.tarball)).arrayBuffer()));
  }
}, 180_000);

afterAll(() => published?.close(), 180_000);

describe('what is published of each package', () => {
  test.each(packages.map((found) => [found.manifest.name, found] as const))(
    '%s is what runs, with its licence, its page and where it comes from',
    async (name, found) => {
      const folder = published.emptyFolder('unpacked');
      writeFileSync(join(folder, 'package.tgz'), tarballs.get(name)!);
      await outputOf(['tar', '-xzf', 'package.tgz'], { cwd: folder });
      const files = (await outputOf(['tar', '-tzf', 'package.tgz'], { cwd: folder }))
        .trim()
        .split('\n')
        .map((file) => file.replace('package/', ''));
      const read = (file: string): unknown => JSON.parse(readFileSync(join(folder, 'package', file), 'utf8'));
      const manifest = read('package.json') as Manifest;
      expect(manifest).toMatchObject({
        version,
        license: 'MIT',
        type: 'module',
        description: expect.stringMatching(/\.$/),
        keywords: expect.arrayContaining(['on-the-way']),
        engines: { node: '>=24' },
        publishConfig: { access: 'public' },
        repository: {
          type: 'git',
          url: 'git+https://git.example.com/somebody/on-the-way.git',
          directory: found.folder,
        },
      });
      const { '@on-the-way/sdk': sdk = version, ...others } = manifest.dependencies ?? {};
      expect(sdk).toBe(isPlugin(found) ? `^${version}` : version);
      const ours = Object.entries(others).filter(([other]) => other.startsWith('@on-the-way/'));
      expect(ours.map(([, range]) => range)).toEqual(ours.map(() => version));
      for (const conditions of Object.values(manifest.exports ?? {}))
        expect(Object.keys(conditions)).toEqual(['types', 'default']);
      const notRun = /^dist\/.*(\.test\.|\.map$|\.tsbuildinfo$)/;
      expect(
        files.filter((file) => !/^(dist|bin|templates)\//.test(file) || notRun.test(file)).toSorted(),
      ).toEqual(['LICENSE', 'README.md', 'package.json', ...(isPlugin(found) ? ['published.json'] : [])]);
      if (isPlugin(found)) expect(read('published.json')).toMatchObject({ version });
      expect(readFileSync(join(folder, 'package', 'LICENSE'), 'utf8')).toBe(
        readFileSync(join(root, 'LICENSE'), 'utf8'),
      );
    },
  );

  test.each(names)('%s has nothing that publint would change', async (name) => {
    const tarball = tarballs.get(name)!.buffer;
    const { messages } = await publint({ pack: { tarball }, strict: true });
    // The package.json of a template is that of the package which is made of it.
    expect(messages.filter(({ args }) => !/templates\//.test(JSON.stringify(args)))).toEqual([]);
  });

  test.each(names)('the types of %s are found by whoever imports it as a module', async (name) => {
    const { types, ...checked } = await checkPackage(createPackageFromTarballData(tarballs.get(name)!));
    expect(types, 'has types').toBeTruthy();
    // What attw --profile esm-only leaves out: there is nothing to require.
    const problems = 'problems' in checked ? checked.problems : [];
    const ours = problems.filter(
      (problem) =>
        !('resolutionKind' in problem) || !['node10', 'node16-cjs'].includes(problem.resolutionKind),
    );
    expect(ours).toEqual([]);
  });
});

describe('the commit of a new version', () => {
  test('passes the tests that show or list versions, as the workflow of a release wants of it', async () => {
    const vitest = join(published.tree, 'node_modules', 'vitest', 'vitest.mjs');
    const files = ['docs/docs.test.ts', 'host/test/plugin-test.test.ts', 'host/test/plugins.test.ts'];
    const command = [process.execPath, vitest, 'run', ...files] as const;
    const { code, stderr } = await runCommand(command, { cwd: published.tree });
    expect({ code, failed: stderr.match(/^ *FAIL .*/gm) ?? [] }).toEqual({ code: 0, failed: [] });
  }, 180_000);
});

describe('the names of the SDK', () => {
  test('are those of the reports, and each member has a comment', () => {
    const sdk = join(published.tree, 'sdk');
    expect(checkApi(sdk, 'api-extractor.json')).toEqual([]);
    expect(checkApi(sdk, 'api-extractor.testing.json')).toEqual([]);
  });

  test('a member without a comment is refused, and so is one that is not in the report', () => {
    const sdk = join(published.tree, 'sdk');
    const file = join(sdk, 'dist', 'log.d.ts');
    const text = readFileSync(file, 'utf8');
    writeFileSync(file, text.replace(/\}(?=[^}]*$)/, '    shout(message: string): void;\n}'));
    expect(checkApi(sdk, 'api-extractor.json').toSorted()).toEqual([
      'Missing documentation for "shout".',
      expect.stringMatching(/^You have changed the API signature/),
    ]);
    writeFileSync(file, text);
  });
});

// Neither writes what the other reads, and most of the time both wait for npm.
describe.concurrent('the registry in use', () => {
  const compare = (): Promise<Finished> =>
    runCommand([process.execPath, '--conditions=@on-the-way/source', 'scripts/compat.ts'], {
      cwd: published.tree,
    });

  /** Changes a file of the copy while the work is done. */
  async function changed<T>(changes: readonly (readonly [string, string, string])[], work: () => Promise<T>) {
    const before = changes.map(([name]) => readFileSync(join(published.tree, name), 'utf8'));
    try {
      for (const [index, [name, was, is]] of changes.entries()) {
        expect(before[index], `${name} has what is changed`).toContain(was);
        writeFileSync(join(published.tree, name), before[index]!.replace(was, is));
      }
      return await work();
    } finally {
      for (const [index, [name]] of changes.entries())
        writeFileSync(join(published.tree, name), before[index]!);
    }
  }

  test('npm run compat passes when there is only more, and names what is gone or asked for', async () => {
    const more = await changed(
      [
        [
          'sdk/src/connector.ts',
          'readonly spanDays?: number;',
          'readonly spanDays?: number; readonly more?: true;',
        ],
        ['plugins/http/src/index.ts', '  apiKey:', '  more: z.string().optional(),\n  apiKey:'],
      ],
      compare,
    );
    expect(more).toMatchObject({ code: 0, stderr: '' });
    expect(more.stdout).toContain(`@on-the-way/sdk: keeps what ${version} promised`);
    expect(more.stdout).toContain(`@on-the-way/sink-http: keeps what ${version} promised`);
    expect(more.stdout).not.toContain('not published yet');

    const breaks = [
      ['sdk/src/sink.ts', 'readonly requestId: string;', ''],
      ['plugins/signal/src/index.ts', 'random_signal: {', 'signals: {'],
      ['plugins/http/src/index.ts', 'apiKey: secret().optional()', 'apiKey: secret()'],
      // The tests of this plugin configure the old name.
      ['plugins/strava/src/config.ts', 'perPage: z', 'pageSize: z'],
    ] as const;
    const warning = [['sdk/package.json', `"version": "${version}"`, '"version": "99.0.0"']] as const;
    const { code, stdout, stderr } = await changed([...breaks, ...warning], compare);
    expect({ code, stderr }).toEqual({ code: 1, stderr: '' });
    const signal = `@on-the-way/plugin-signal: ${version} breaks what ${version} promised`;
    const http = `@on-the-way/sink-http: ${version} breaks what ${version} promised`;
    expect(stdout).toContain(`${signal}\n  dataset random_signal is gone\n`);
    expect(stdout).toContain(`${http}\n  config apiKey is required, and was not\n`);
    const strava = '@on-the-way/plugin-strava: its test configuration is no longer taken';
    expect(stdout).toContain(`${strava}: all of it: Unrecognized key: "perPage"\n`);
    expect(stdout).toContain('npx lerna version minor');
    expect(stdout).toContain(
      `@on-the-way/sdk: 99.0.0 breaks what ${version} promised, as it may\n  RawEvent.requestId is no longer there\n`,
    );
  }, 180_000);

  const npm = (cwd: string, ...args: readonly string[]): Promise<string> => {
    // What was installed before need not be asked for again.
    const quick = { npm_config_prefer_offline: 'true', npm_config_loglevel: 'error' };
    return outputOf([...npmCommand(), ...args], {
      cwd,
      env: { ...quick, npm_config_userconfig: published.settings },
    });
  };
  const otw = (cwd: string, ...args: readonly string[]): Promise<string> =>
    npm(cwd, 'exec', '--offline', '--', 'otw', ...args);

  test('an author with an empty folder installs the SDK and the host, and makes a connector', async ({
    skip,
  }) => {
    const folder = published.emptyFolder('author');
    try {
      // The embedded database is installed below, with what is made.
      await npm(folder, 'install', '@on-the-way/sdk', '@on-the-way/host', '--omit=optional');
    } catch (error) {
      // Our packages are here; what they need comes from the registry that npm is configured for.
      const reason = noRegistry(error);
      if (reason === undefined) throw error;
      console.log(`No registry answers, so nothing can be installed from one: ${reason}`);
      return skip(`no registry answers: ${reason}`);
    }
    expect(await otw(folder, '--version')).toBe(`${version}\n`);
    const imported = "import('@on-the-way/sdk'), import('@on-the-way/sdk/testing')";
    const script = `Promise.all([${imported}]).then(([a, b]) => console.log(typeof a.defineConnector, typeof b.testPlugin))`;
    expect(await outputOf([process.execPath, '-e', script], { cwd: folder })).toBe('function function\n');

    await otw(folder, 'plugin', 'new', 'steps');
    // That it installs, builds, keeps its promises and runs in a host is shown below and, from the sources, in host/test.
    expect(readFileSync(join(folder, 'steps', 'package.json'), 'utf8')).toContain(
      `"@on-the-way/sdk": "^${version}"`,
    );
  }, 180_000);
});

describe.concurrent('a reader with an empty folder', () => {
  test.for(['docs/write-a-connector.md', 'docs/write-a-sink.md'])(
    'can follow %s word for word',
    { timeout: 600_000 },
    async (path, { skip }) => {
      try {
        await readTutorial(path, published);
      } catch (error) {
        const reason = noRegistry(error);
        if (reason === undefined) throw error;
        console.log(`No registry answers, so ${path} was not followed to its end: ${reason}`);
        skip(`no registry answers: ${reason}`);
      }
    },
  );
});
