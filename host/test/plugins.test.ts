import { symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createConnectorPool } from '../src/isolate/connector-pool.ts';
import { describePlugin } from '../src/isolate/describe-plugin.ts';
import { resolvePlugin } from '../src/isolate/resolve-plugin.ts';
import { createPluginNames } from '../src/plugin-names.ts';
import { hostSdkVersion } from '../src/plugin-sdk.ts';
import { otw, otwHere, startOtw, type Running } from './otw.ts';
import { connectorText, installSdk, pluginProject, type PluginProject } from './plugin-project.ts';
import { createMigratedDatabase, type TestDatabase } from './postgres.ts';

// How plugins are found, loaded, refused and listed, with real processes.
const pool = createConnectorPool({ most: 3 });
let project: PluginProject;
beforeAll(() => (project = pluginProject()));
afterAll(async () => {
  await pool.close();
  project.remove();
});

const sdkRange = { '@on-the-way/sdk': `^${hostSdkVersion()}` };

function describeIt(name: string) {
  const plugin = resolvePlugin(name, project.path);
  return describePlugin(plugin, { pool, privateFolder: join(project.path, '.otw'), wanted: 'connector' });
}

describe('a plugin that is loaded', () => {
  test('finds SDK and zod without having installed them, and what lies beside it', async () => {
    project.write('package.json', { type: 'module' });
    project.write('plugins/lone-source.ts', "export const source: string = 'lone';");
    const before = "import { source as beside } from './lone-source.ts'; console.log(beside);";
    project.write('plugins/lone.ts', connectorText({ name: 'lone', before }));
    expect(await describeIt('lone')).toEqual({
      kind: 'connector',
      name: 'lone',
      version: '0.1.0',
      description: 'Steps a day.',
      source: 'lone',
      contracts: [],
    });
  });

  test.each([
    ['throws', "throw new Error('no network');", 'plugin_not_loaded', /found Error: no network: correct it/],
    ['imports-nothing', "import 'left-pad';", 'plugin_not_loaded', /left-pad.*npm install/],
    ['has-enums', 'enum Colour { Red } console.log(Colour);', 'plugin_not_loaded', /without enums/],
    [
      'reads-passwords',
      "(await import('node:fs')).readFileSync('/etc/passwd');",
      'plugin_not_loaded',
      /\/etc\/passwd was refused: .*its own folder/,
    ],
    ['exits', 'process.exit(4);', 'plugin_not_loaded', /its process ended: exit code 4/],
    ['has-no-default', 'export const steps = 1;', 'plugin_no_default', /default export/],
  ])('and %s is refused with what to do', async (name, before, code, message) => {
    const text = code === 'plugin_no_default' ? before : connectorText({ before });
    project.write(`plugins/${name}.ts`, text);
    await expect(describeIt(name)).rejects.toMatchObject({
      code,
      exitCode: 78,
      message: expect.stringMatching(message),
    });
  });

  test('from a node_modules that is a link to another disk is given what it imports', async () => {
    project.write('linked/package.json', { type: 'module' });
    const before = "import { greeting } from 'kept-elsewhere'; console.log(greeting);";
    project.write('linked/index.ts', connectorText({ name: 'linked', before }));
    project.write('disk/kept-elsewhere/package.json', { type: 'module', exports: './index.js' });
    project.write('disk/kept-elsewhere/index.js', "export const greeting = 'hello';");
    symlinkSync(join(project.path, 'disk'), join(project.path, 'linked/node_modules'));
    expect(await describeIt('./linked')).toMatchObject({ name: 'linked' });
  });

  test('and is written as a module in a package that says CommonJS is told which package.json', async () => {
    project.write('common/package.json', { type: 'commonjs' });
    project.write('common/index.ts', connectorText());
    await expect(describeIt('./common')).rejects.toMatchObject({
      code: 'plugin_not_loaded',
      message: expect.stringMatching(/set "type": "module" in .*common\/package\.json/),
    });
  });

  test('and is TypeScript below node_modules is refused with what to publish', async () => {
    project.write('node_modules/typed-steps/package.json', {
      name: 'typed-steps',
      type: 'module',
      exports: './index.ts',
    });
    project.write('node_modules/typed-steps/index.ts', connectorText());
    const message = expect.stringMatching(/publish JavaScript/) as unknown;
    await expect(describeIt('typed-steps')).rejects.toMatchObject({ code: 'plugin_typescript', message });
  });
});

test('two connectors of one name are refused, whichever is opened; of one source they are warned of once', async () => {
  for (const [file, name, source] of [
    ['first', 'twin', 'one'],
    ['second', 'twin', 'two'],
    ['third', 'other', 'one'],
  ] as const)
    project.write(`twins/${file}.ts`, connectorText({ name, source }));
  const named = (...files: string[]) => files.map((file) => `./twins/${file}.ts`);
  const warnings: string[] = [];
  const guard = (connectors: readonly string[]) =>
    createPluginNames({
      connectors,
      baseDir: project.path,
      dataDir: join(project.path, '.otw'),
      pool,
      warn: (message) => warnings.push(message),
    });
  const { signal } = new AbortController();
  const [first, second] = named('first', 'second').map((name) => resolvePlugin(name, project.path));
  const both = guard(named('first', 'second', 'first', 'nowhere'));
  const refused = {
    code: 'plugin_duplicate',
    message: expect.stringMatching(/first\.ts and .*second\.ts|second\.ts and .*first\.ts/) as unknown,
  };
  await expect(both.check(first!, signal)).rejects.toMatchObject(refused);
  await expect(both.check(second!, signal)).rejects.toMatchObject(refused);
  const sharing = guard(named('first', 'third'));
  await Promise.all([sharing.check(first!, signal), sharing.check(first!, signal)]);
  expect(warnings).toEqual([expect.stringMatching(/twin and other have the same source one/)]);
  await guard(named('first', 'first')).check(first!, signal);
});

const listed = z.object({
  sdk: z.string(),
  plugins: z.array(
    z.looseObject({
      named: z.string(),
      name: z.string().nullable(),
      from: z.string().nullable(),
      problem: z.object({ code: z.string() }).nullable(),
    }),
  ),
});

describe('otw plugin list', () => {
  let home: PluginProject;
  beforeAll(() => {
    home = pluginProject();
    home.write('otw.config.json', {
      database: 'postgresql://nobody@127.0.0.1:1/none',
      connections: {
        walks: { plugin: 'walks' },
        runs: { plugin: './mine/runs.js' },
        future: { plugin: 'future' },
        missing: { plugin: '@me/missing' },
        shelf: { plugin: '@on-the-way/sink-http' },
      },
      ingest: { plugins: [] },
    });
    home.write('plugins/walks/package.json', {
      name: 'walks',
      version: '0.2.0',
      type: 'module',
      peerDependencies: sdkRange,
    });
    home.write('plugins/walks/index.ts', connectorText({ name: 'walks', version: '0.2.0' }));
    home.write('plugins/walks/conformance.json', {
      plugin: 'walks',
      version: '0.1.0',
      sdk: '0.1.0',
      tested_at: '2026-02-26T08:00:00+08:00',
      passed: 20,
      failed: 1,
      skipped: [{ id: 7, reason: 'no cursors' }],
    });
    home.write('plugins/idle.ts', connectorText({ name: 'idle' }));
    // Never run, since it says for whom it was written.
    home.write('plugins/future/package.json', {
      type: 'module',
      peerDependencies: { '@on-the-way/sdk': '^99.0.0' },
    });
    home.write('plugins/future/index.js', `process.exit(1);`);
    home.write('mine/runs.js', connectorText({ name: 'walks' }));
  });
  afterAll(() => home.remove());

  test('shows where each came from, its checks, its permissions and what is wrong with it', async () => {
    const { code, stdout } = await otwHere(['plugin', '--json'], { cwd: home.path });
    const { plugins } = listed.parse(JSON.parse(stdout));
    const by = (named: string) => plugins.find((plugin) => plugin.named === named);
    expect(code).toBe(1);
    expect(by('walks')).toMatchObject({
      from: 'folder',
      used_by: [{ as: 'connection', name: 'walks' }],
      package: { name: 'walks', version: '0.2.0' },
      sdk: { fit: 'fits' },
      conformance: { passed: 20, failed: 1, skipped: [{ id: 7 }] },
      permissions: {
        runs_in: ['child'],
        network: true,
        writes: false,
        child_processes: false,
        workers: false,
        addons: false,
      },
      problem: { code: 'plugin_duplicate' },
      warnings: ['1 of its conformance checks failed', 'tested as 0.1.0, this is 0.2.0: test it again'],
    });
    expect(by('./mine/runs.js')).toMatchObject({ from: 'path', problem: { code: 'plugin_duplicate' } });
    expect(by('future')).toMatchObject({ problem: { code: 'plugin_wrong_sdk' } });
    expect(by('@me/missing')).toMatchObject({ from: null, problem: { code: 'plugin_not_found' } });
    expect(by('@on-the-way/sink-http')).toMatchObject({ problem: { code: 'plugin_wrong_kind' } });
    expect(by('@on-the-way/sink-postgres')).toMatchObject({
      from: 'host',
      permissions: { runs_in: ['host'], reads: null, writes: true },
      problem: null,
    });
    expect(by('idle')).toMatchObject({
      from: 'folder',
      used_by: [],
      conformance: null,
      sdk: { fit: 'not_stated' },
      problem: null,
    });
  });

  test('says the same for people', async () => {
    const file = home.write('fewer.json', {
      pluginsDir: 'fewer',
      connections: { walks: { plugin: './plugins/walks' }, missing: { plugin: '@me/missing' } },
      ingest: { plugins: [] },
    });
    const { code, stdout } = await otwHere(['plugin', 'list', '--config', file], { cwd: home.path });
    expect(code).toBe(1);
    for (const line of [
      /ok {5}walks 0\.2\.0 \(connector\): Steps a day\.\n +warning {3}1 of its conformance checks failed/,
      new RegExp(`SDK {7}${RegExp.escape(sdkRange['@on-the-way/sdk'])}, fits \\(the host has `),
      /checks {4}20 passed, 1 failed, 1 skipped \(version 0\.1\.0, SDK 0\.1\.0, /,
      /may {7}read 3 parts of its own folder, \d+ folders? of packages; use the network/,
      /may not {3}write files, start processes or workers/,
      /ok {5}postgres [^]*checks {4}not tested\n +may {7}everything: it runs in the host/,
      /failed @me\/missing\n +plugin_not_found: .*npm install @me\/missing/,
    ])
      expect(stdout).toMatch(line);
    const doctor = await otwHere(['doctor', '--config', file], { cwd: home.path });
    expect(doctor.stdout).toMatch(
      /ok {5}plugin of walks: .*walks\/index\.ts; 1 of its conformance checks failed/,
    );
    expect(doctor.stdout).toMatch(/failed plugin of missing: .*npm install @me\/missing/);
  });
});

describe('a host with connections whose plugins cannot be used', () => {
  let home: PluginProject;
  let database: TestDatabase;
  let host: Running;
  let env: Record<string, string>;
  let origin = '';
  beforeAll(async () => {
    [home, database] = [pluginProject(), await createMigratedDatabase()];
    home.write('package.json', { type: 'module' });
    home.write('elsewhere/steps/package.json', { type: 'module', dependencies: sdkRange });
    const which = "import which from '@on-the-way/sdk/which.js';";
    const fetch = "if (window.from > '2026') yield { day: window.from, data: { which, steps: 1 } };";
    home.write('elsewhere/steps/index.js', connectorText({ before: which, fetch }));
    installSdk(home, 'elsewhere/steps', '0.1.9');
    for (const name of ['one', 'two']) home.write(`elsewhere/${name}.js`, connectorText({ name: 'twin' }));
    home.write('elsewhere/handmade.js', "export default { kind: 'connector', name: 'handmade' };");
    home.write('elsewhere/future/package.json', {
      type: 'module',
      exports: './index.js',
      dependencies: { '@on-the-way/sdk': '^99.0.0' },
    });
    home.write('elsewhere/future/index.js', 'process.exit(1);');
    const days = { windowDays: 1, backfillDays: 1 };
    home.write('otw.config.json', {
      connections: {
        steps: { plugin: 'steps', ...days, config: { phrase: 'open sesame' } },
        handmade: { plugin: 'handmade', ...days },
        future: { plugin: 'future', ...days },
        missing: { plugin: 'missing', ...days },
        one: { plugin: 'one', ...days },
        two: { plugin: './elsewhere/two.js', ...days },
      },
    });
    env = { DATABASE_URL: database.url, OTW_PLUGINS_DIR: 'elsewhere' };
    host = startOtw(['start'], { cwd: home.path, env });
    origin = (await host.said(/serving on (\S+)/))[1] ?? '';
    await host.said(/(?:run finished[^]*){6}/);
  });
  afterAll(async () => {
    host?.process.kill('SIGTERM');
    await host?.finished;
    await database?.drop();
    home?.remove();
  });

  test('runs the others: one with an SDK of its own, whose checkpoints, numbers, errors and secrets are understood', async () => {
    const answer = await fetch(`${origin}/v1/raw-events?source_id=steps`);
    const text = (await answer.text()).replaceAll('": ', '":');
    expect(text).toContain('"which":"elsewhere/steps/node_modules"');
    expect(text).toContain('12345678901234567890');
    expect(host.stderr()).toMatch(/"metric_type":"phrases"[^\n]*"bad_data"[^\n]*another phrase than/);
    expect(host.stderr()).not.toContain('open sesame');
  });

  test.each([
    ['handmade', 'plugin_bad_shape', /login: expected a function/],
    ['future', 'plugin_wrong_sdk', /\^99\.0\.0/],
    ['missing', 'plugin_not_found', /npm install missing/],
    ['one', 'plugin_duplicate', /the name twin/],
    ['two', 'plugin_duplicate', /the name twin/],
  ])('tells of %s in the log and as a failed run of the API', async (connection, code, message) => {
    const answer = await fetch(`${origin}/v1/runs?connection=${connection}`);
    const { items } = (await answer.json()) as { items: readonly unknown[] };
    expect(items[0]).toMatchObject({
      status: 'failed',
      error: { code, message: expect.stringMatching(message) as unknown },
    });
    expect(host.stderr()).toMatch(new RegExp(`"connection":"${connection}"[^\n]*"code":"${code}"`));
  });

  test('ends otw run and otw check of them with 78 and the message', async () => {
    const [run, check] = await Promise.all([
      otw(['run', 'future', '--api', origin], { cwd: home.path, env }),
      otw(['check', 'missing', '--api', origin], { cwd: home.path, env }),
    ]);
    expect(run).toMatchObject({ code: 78, stdout: expect.stringMatching(/plugin_wrong_sdk: /) });
    expect(check).toMatchObject({
      code: 78,
      stdout: expect.stringMatching(/failed connection missing: plugin_not_found: /),
    });
  });
});
