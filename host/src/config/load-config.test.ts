import { chmodSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parsePluginConfig } from '@on-the-way/core';
import type { Connector } from '@on-the-way/sdk';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { otw, temporaryFolder } from '../../test/otw.ts';
import { resolvePlugin } from '../isolate/resolve-plugin.ts';
import { loadConfig } from './load-config.ts';
import { variables } from './variables.ts';

let folder: ReturnType<typeof temporaryFolder>;
beforeEach(() => (folder = temporaryFolder()));
afterEach(() => folder.remove());

function load(env: Record<string, string> = {}, config?: string) {
  return loadConfig({ cwd: folder.path, env, ...(config !== undefined && { commandLine: { config } }) });
}

function file(name: string, text: string): void {
  writeFileSync(join(folder.path, name), text);
}

test('without file, GARMIN_ variable and DATABASE_URL it is the demo, in a data directory of its own', async () => {
  const config = await load({ API_PORT: '8010' });
  expect(config).toMatchObject({ demo: true, dataDir: join(folder.path, '.otw', 'demo'), port: 8010 });
});

test.each([
  { GARMIN_EMAIL: 'me@example.com' },
  { GARMIN_IS_CN: 'false' },
  { DATABASE_URL: 'postgresql://a:b@c/d' },
])('with %o it is real, so that invented rows never stand beside real ones', async (env) => {
  expect(await load(env)).toMatchObject({ demo: false, dataDir: join(folder.path, '.otw') });
});

test('the GARMIN_ variables make the connection garmin', async () => {
  const config = await load({
    GARMIN_EMAIL: 'me@example.com',
    GARMIN_METRICS: 'sleep, hrv',
    GARMIN_FETCH_WINDOW_DAYS: '5',
    GARMIN_BACKFILL_DAYS: '30',
    GARMIN_TIMEZONE: 'Europe/Berlin',
    GARMIN_IS_CN: 'false',
    CONNECTOR_INTERVAL_SECONDS: '600',
    CONNECTOR_VERSION: '9.9',
    CONNECTOR_RETRY_ATTEMPTS: '7',
    CONNECTOR_REQUEST_TIMEOUT_SECONDS: '20',
  });
  expect(config.connections).toMatchObject([
    {
      name: 'garmin',
      config: {
        email: 'me@example.com',
        metrics: ['sleep', 'hrv'],
        isChina: false,
        requestTimeoutSeconds: 20,
      },
      windowDays: 5,
      backfillDays: 30,
      timeZone: 'Europe/Berlin',
      intervalSeconds: 600,
      connectorVersion: '9.9',
      policies: { attempts: 7 },
    },
  ]);
});

test.each([
  ['otw.config.json', JSON.stringify({ port: 9000, connections: { a: { plugin: 'x', every: '15m' } } })],
  ['otw.config.yaml', 'port: 9000\nconnections:\n  a:\n    plugin: x\n    every: 15m\n'],
  ['otw.config.mjs', "export default { port: 9000, connections: { a: { plugin: 'x', every: '15m' } } }"],
  [
    'otw.config.mts',
    "export default { port: 9000 as number, connections: { a: { plugin: 'x', every: '15m' } } }",
  ],
  [
    'otw.config.ts',
    "export default { port: 9000 as number, connections: { a: { plugin: 'x', every: '15m' } } }",
  ],
])('%s is read, and overrides the variables', async (name, text) => {
  file(name, text);
  const config = await load({ API_PORT: '1', GARMIN_EMAIL: 'me@example.com' });
  expect(config).toMatchObject({
    demo: false,
    port: 9000,
    connections: [{ name: 'a', plugin: 'x', intervalSeconds: 900 }],
  });
});

test.each([
  [{ conections: {} }, /conections/],
  [{ connections: { garmin: { plugin: 'x', every: 'often' } } }, /connections\.garmin\.every/],
  [{ connections: { Garmin: { plugin: 'x' } } }, /Garmin/],
  [{ timeZone: 'Nowhere' }, /timeZone.*Asia\/Shanghai/],
  [{ connections: { garmin: { plugin: 'x', sink: 'nothing' } } }, /connections\.garmin\.sink.*postgres/],
])('a file that holds %o is refused with exit 78 and the key', async (content, message) => {
  file('otw.config.json', JSON.stringify(content));
  await expect(load()).rejects.toMatchObject({ exitCode: 78, message: expect.stringMatching(message) });
});

/** What is said about a file. */
async function refusal(name: string, text: string): Promise<string> {
  file(name, text);
  const error: unknown = await load().catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ exitCode: 78 });
  expect((error as Error).cause).toBeUndefined();
  return (error as Error).message;
}

const refusalOf = (content: unknown): Promise<string> => refusal('otw.config.json', JSON.stringify(content));

test.each([
  [
    { databaseUrl: 'postgresql://u:hunter2@h/db' },
    /json: databaseUrl: .*database, .*did you mean database\?/,
  ],
  [
    { connections: { garmin: { plugin: 'x', pasword: 'hunter2' } } },
    /connections\.garmin\.pasword: expected one of the keys plugin, .*belongs in connections\.garmin\.config$/,
  ],
  [
    { sinks: { postgres: { plugin: 'x', connectionString: 'postgresql://u:hunter2@h/db' } } },
    /sinks\.postgres\.connectionString: .*keys plugin, config, .*belongs in sinks\.postgres\.config$/,
  ],
  [{ connections: { garmin: { plugn: 'hunter2' } } }, /garmin\.plugn: .*did you mean plugin\?/],
  [{ connections: { garmin: { plugin: 'x', polices: {} } } }, /did you mean policies\?/],
  [{ connections: { garmin: { plugin: 'x', limits: { memory: 1 } } } }, /limits\.memory: .*memoryMb/],
  [{ connections: { garmin: { plugin: 'x', limits: { memoryMb: 1 } } } }, /limits\.memoryMb: .*found 1/],
  [{ connections: { garmin: { plugin: 'x', policies: { atempts: 1 } } } }, /policies\.atempts: .*attempts\?/],
  [{ connections: { garmin: { plugin: 'x', 'password:hunter2': null } } }, /garmin\.\(key not shown\): /],
  [{ database: { url: 'hunter2' } }, /database: expected string, found an object/],
  [{ database: ['hunter2'] }, /database: expected string, found a list/],
  [{ database: 'hunter2' }, /^database: expected .*not shown/],
  [{ connections: 'hunter2' }, /connections: expected record, found a text \(not shown\)/],
  [{ connections: { garmin: { plugin: 'x', config: 'hunter2' } } }, /garmin\.config: .*not shown/],
  [{ connections: { garmin: { plugin: 'x', every: { s: 'hunter2' } } } }, /every: .*found an object/],
  [{ host: 'postgresql://u:hunter2@h/db' }, /^host: expected an address to listen on.*not shown/],
  [{ http: { apiKey: 'hunter2' } }, /^http\.apiKey: expected a key of 32 .*not shown/],
  [{ http: { apiKeys: 'hunter2' } }, /http\.apiKeys: expected .*did you mean apiKey\?/],
  [{ http: { allowedHosts: ['http://hunter2'] } }, /http\.allowedHosts\.0: expected a host name.*not shown/],
  [{ http: { corsOrigins: ['*'] } }, /http\.corsOrigins\.0: expected the origin of a page.*never \*/],
  [{ http: { trustedProxies: '10.0.0.1' } }, /http\.trustedProxies: expected array/],
  [{ ingest: { timeZones: ['CST'] } }, /ingest\.timeZones\.0: expected the name of a time zone/],
  [{ connections: { garmin: { plugin: 'x', sink: 'http://u:hunter2@h' } } }, /garmin\.sink: .*not shown/],
  ['hunter2', /the file: expected object, found a text \(not shown\)/],
  [null, /the file: expected object, found nothing/],
])('of %j the key is shown and no secret', async (content, message) => {
  const said = await refusalOf(content);
  expect(said).toMatch(message);
  expect(said).not.toContain('hunter2');
});

test.each([
  [{ port: 70_000 }, /port: expected number to be <=65535, found 70000/],
  [{ port: '8000' }, /port: expected number, found "8000"/],
  [{ timeZone: 'CST' }, /timeZone: expected the name .* or UTC, found "CST"/],
  [{ connections: { garmin: { plugin: 'x', windowDays: 0 } } }, /windowDays: .*found 0/],
  [{ connections: { garmin: { plugin: 'x', policies: { attempts: true } } } }, /attempts: .*found true/],
  [{ host: '0.0.0' }, /^host: expected .* found "0\.0\.0"/],
  [{ http: { ingestPerMinute: 0 } }, /http\.ingestPerMinute: expected number to be >=1, found 0/],
  [{ minFreeMb: 1.5 }, /minFreeMb: expected .*, found 1\.5/],
])('of %j the value is shown, since no secret belongs there', async (content, message) => {
  expect(await refusalOf(content)).toMatch(message);
});

test.each(['0s', '1s', '9s', '31d', '721h', '99999999999d', '', '-1d', '1.5h', 0, 9, 2_592_001, 10.5, null])(
  'every may not be %j, as for CONNECTOR_INTERVAL_SECONDS',
  async (every) => {
    const said = await refusalOf({ connections: { garmin: { plugin: 'x', every } } });
    expect(said).toMatch(/connections\.garmin\.every: expected 10 to 2592000 seconds/);
  },
);

test.each([
  ['10s', 10],
  ['30d', 2_592_000],
  [10, 10],
])('every may be %j', async (every, intervalSeconds) => {
  file('otw.config.json', JSON.stringify({ connections: { garmin: { plugin: 'x', every } } }));
  expect((await load()).connections).toMatchObject([{ intervalSeconds }]);
});

test('time zones in a file get their usual spelling', async () => {
  const connections = { a: { plugin: 'x' }, b: { plugin: 'x', timeZone: 'europe/berlin' } };
  file('otw.config.json', JSON.stringify({ timeZone: 'asia/shanghai', connections }));
  expect(await load()).toMatchObject({
    timeZone: 'Asia/Shanghai',
    connections: [{ timeZone: 'Asia/Shanghai' }, { timeZone: 'Europe/Berlin' }],
  });
});

test('percent-encoding in database that cannot be read is refused with the remedy', async () => {
  const said = await refusalOf({ database: 'postgresql://u:hunter2%@h/db' });
  expect(said).toMatch(/^database: expected .*write % as %25/);
  expect(said).not.toContain('hunter2');
});

test.each([
  ['json', '{ "port": 80', /JSON that is not valid at line 1, column 13$/],
  ['json', '{\n  "database": "x",\n  "password": hunter2\n}', /at line 3, column 15$/],
  ['json', '{"password": "hunter2" "port": 1}', /at line 1, column 24$/],
  ['json', '{"password": "hunter2 in JSON at position 1 (",}', /at line 1, column 48$/],
  ['json', "{'password': 'hunter2'}", /at line 1, column 2$/],
  ['json', '', /at line 1, column 1$/],
  ['yaml', 'port: 1\npassword: "hunter2\n', /YAML that is not valid \(\w+\) at line \d, column \d+$/],
  ['yaml', 'a: 1\nhunter2: 1\nhunter2: 2\n', /\(DUPLICATE_KEY\) at line 3, column 1$/],
  ['yml', 'password: *hunter2\n', /YAML that is not valid$/],
  ['mjs', "throw new Error('hunter2');", /found Error at line 1; to see why, run node /],
  ['mjs', "throw 'hunter2';", /found something thrown that is no error$/],
  ['mjs', 'export default { password: hunter2 };', /found ReferenceError/],
  ['mjs', "import 'hunter2';", /found Error/],
])('a file %s that cannot be read is refused without quoting it: %j', async (extension, text, message) => {
  const said = await refusal(`otw.config.${extension}`, text);
  expect(said).toContain(join(folder.path, `otw.config.${extension}`));
  expect(said).toMatch(message);
  expect(said).not.toContain('hunter2');
});

test.each([
  ['mjs', 'export default {\n  password: hunter2 hunter2 };'],
  ['ts', "export default {\n  password: 'hunter2' as ;"],
])('a mistake in the syntax of a module (%s) is told without its source', async (extension, text) => {
  file(`otw.config.${extension}`, text);
  const { code, stderr } = await otw(['status'], { cwd: folder.path });
  expect(stderr).not.toContain('hunter2');
  expect({ code, stderr }).toEqual({
    code: 78,
    stderr: expect.stringMatching(
      /expected a file that can be read, found SyntaxError.*; to see why, run node .*\n$/,
    ),
  });
});

test('a module in a package that npm init made is told which package.json says CommonJS', async () => {
  file('package.json', JSON.stringify({ type: 'commonjs' }));
  file('otw.config.ts', "import 'node:fs'; export default {};");
  const { code, stderr } = await otw(['status'], { cwd: folder.path });
  expect({ code, stderr }).toEqual({
    code: 78,
    stderr: expect.stringMatching(
      /; set "type": "module" in .*package\.json, or give the file the ending \.mts\n$/,
    ),
  });
});

test('a byte order mark is not part of the JSON', async () => {
  file('otw.config.json', '\uFEFF{ "port": 9000 }');
  expect(await load()).toMatchObject({ port: 9000 });
});

test('a secret may come from a private file, and only from a private one', async () => {
  file('password', 'correct-horse\n');
  chmodSync(join(folder.path, 'password'), 0o600);
  file(
    'otw.config.json',
    JSON.stringify({ connections: { a: { plugin: 'x', config: { password: { file: 'password' } } } } }),
  );
  expect((await load()).connections[0]?.config).toEqual({ password: 'correct-horse' });
  chmodSync(join(folder.path, 'password'), 0o644);
  await expect(load()).rejects.toMatchObject({
    exitCode: 78,
    message: expect.stringMatching(/0644.*chmod 600/),
  });
});

test.each([
  ['a folder', () => mkdirSync(join(folder.path, 'password'))],
  ['a file of 64 KB and more', () => file('password', 'x'.repeat(64 * 1024 + 1))],
  ['nothing', () => undefined],
])('%s is no secret, and the key is named', async (_, make) => {
  make();
  if (existsSync(join(folder.path, 'password'))) chmodSync(join(folder.path, 'password'), 0o600);
  const config = { password: { file: 'password' } };
  expect(await refusalOf({ connections: { a: { plugin: 'x', config } } })).toMatch(
    /^connections\.a\.config\.password: expected a file/,
  );
});

test('where real data lies, commands other than start look at it, whatever the variables say', async () => {
  mkdirSync(join(folder.path, '.otw', 'postgres'), { recursive: true });
  const look = (preferReal: boolean) =>
    loadConfig({ cwd: folder.path, env: {}, commandLine: { preferReal } });
  expect(await look(true)).toMatchObject({ demo: false, dataDir: join(folder.path, '.otw') });
  expect(await look(false)).toMatchObject({ demo: true, dataDir: join(folder.path, '.otw', 'demo') });
});

test('API_BASE_URL and CONNECTOR_INGEST_PATH select the HTTP sink', async () => {
  const config = await load({ API_BASE_URL: 'http://127.0.0.1:8000', CONNECTOR_INGEST_PATH: '/v1/ingest/x' });
  expect(config).toMatchObject({ demo: false, connections: [{ sink: 'http' }] });
  expect(config.sinks['http']).toMatchObject({ config: { url: 'http://127.0.0.1:8000/v1/ingest/x' } });
});

test.each([
  [{}, false],
  [{ OTW_HOST: '127.0.0.7' }, false],
  [{ OTW_HOST: '::1' }, false],
  [{ OTW_HOST: '0.0.0.0' }, true],
  [{ OTW_HOST: '::' }, true],
  [{ OTW_HOST: '192.168.1.1', OTW_REQUIRE_API_KEY: 'false' }, true],
  [{ OTW_HOST: 'localhost.example.com' }, true],
  [{ OTW_REQUIRE_API_KEY: 'true' }, true],
])('keys are required wherever others can reach, and where it is said: %j', async (env, requireKey) => {
  expect((await load(env)).http.requireKey).toBe(requireKey);
});

test('what is said of HTTP and ingest in the file holds, and variables win over it', async () => {
  file('key', 'a-key-in-a-file-of-its-own-that-is-long\n');
  chmodSync(join(folder.path, 'key'), 0o600);
  const http = {
    requireKey: true,
    apiKey: { file: 'key' },
    allowedHosts: ['Otw.Example.com', '::1'],
    corsOrigins: ['https://A.example.com'],
    trustedProxies: ['10.0.0.0/8', '::1'],
    ingestPerMinute: 600,
  };
  const ingest = { plugins: ['x'], timeZones: ['asia/shanghai', 'UTC'] };
  file('otw.config.json', JSON.stringify({ http, ingest, minFreeMb: 50, keepRunsDays: 30 }));
  expect(await load()).toMatchObject({
    http: {
      ...http,
      apiKey: 'a-key-in-a-file-of-its-own-that-is-long',
      allowedHosts: ['otw.example.com', '[::1]'],
      corsOrigins: ['https://a.example.com'],
    },
    ingest: { plugins: ['x'], timeZones: ['Asia/Shanghai', 'UTC'] },
    minFreeMb: 50,
    keepRunsDays: 30,
  });
  const env = {
    OTW_API_KEY: 'a-key-of-the-environment-that-is-long',
    OTW_ALLOWED_HOSTS: 'a.example.com, b.example.com,',
    OTW_CORS_ORIGINS: 'http://localhost:3000/',
    OTW_TRUSTED_PROXIES: '192.168.0.1',
    OTW_INGEST_PER_MINUTE: '7',
    OTW_INGEST_TIMEZONES: 'europe/berlin',
    OTW_MIN_FREE_MB: '1',
    OTW_KEEP_RUNS_DAYS: '7',
  };
  expect(await load(env)).toMatchObject({
    http: {
      apiKey: env.OTW_API_KEY,
      allowedHosts: ['a.example.com', 'b.example.com'],
      corsOrigins: ['http://localhost:3000'],
      trustedProxies: ['192.168.0.1'],
      ingestPerMinute: 7,
    },
    ingest: { timeZones: ['Europe/Berlin'] },
    minFreeMb: 1,
    keepRunsDays: 7,
  });
});

test('the key that stands in the manual is none', async () => {
  const { example } = variables.OTW_API_KEY;
  await expect(load({ OTW_API_KEY: example })).rejects.toMatchObject({
    exitCode: 78,
    message: expect.stringMatching(/^OTW_API_KEY: expected .*not shown/),
  });
});

test.each([
  [{ OTW_HOST: '127.0.0.999' }, undefined, /^OTW_HOST: /],
  [{}, '127.0.0.999', /^--host: /],
])('a wrong address is refused by the name of the place it came from: %o %s', async (env, host, message) => {
  const commandLine = host === undefined ? {} : { host };
  await expect(loadConfig({ cwd: folder.path, env, commandLine })).rejects.toMatchObject({
    exitCode: 78,
    message: expect.stringMatching(message),
  });
});

test('what the GARMIN_ variables make is a configuration the plugin takes', async () => {
  const { connections } = await load({
    GARMIN_EMAIL: 'me@example.com',
    GARMIN_PASSWORD: 'correct-horse',
    GARMIN_METRICS: 'sleep',
    GARMIN_IS_CN: 'false',
    GARMIN_API_ORIGIN: 'http://127.0.0.1:1',
    GARMIN_INTRADAY: 'false',
    GARMIN_MFA_CODE: '123456',
    GARMIN_PERSONAL_API_KEY: 'a-key-of-somebody',
    GARMIN_PERSONAL_API_KEY_EXPIRES: '2027-01-31',
    CONNECTOR_REQUEST_TIMEOUT_SECONDS: '20',
  });
  const { plugin, config } = connections[0]!;
  const { url } = resolvePlugin(plugin, folder.path);
  const { default: garmin } = (await import(url)) as { default: Connector };
  expect(config).toMatchObject({ mfaCode: '123456', intraday: false, personalOrigin: 'http://127.0.0.1:1' });
  expect(parsePluginConfig(garmin, config)).toMatchObject(config);
});

test.each([
  [{}, { requestsPerRun: 500, requestsPerDay: 2000 }],
  [{ CONNECTOR_REQUESTS_PER_RUN: '40' }, { requestsPerRun: 40, requestsPerDay: 2000 }],
  [{ GARMIN_API_ORIGIN: 'http://127.0.0.1:1' }, { requestsPerRun: undefined, requestsPerDay: undefined }],
  [
    { GARMIN_API_ORIGIN: 'http://127.0.0.1:1', CONNECTOR_REQUESTS_PER_DAY: '9' },
    { requestsPerRun: undefined, requestsPerDay: 9 },
  ],
])('requests are limited unless a stand-in is asked: %j', async (env, { requestsPerRun, requestsPerDay }) => {
  const { connections } = await load({ GARMIN_EMAIL: 'me@example.com', ...env });
  expect(connections[0]?.requestsPerRun).toBe(requestsPerRun);
  expect(connections[0]?.requestsPerDay).toBe(requestsPerDay);
});

test('the demo asks as often as it likes', async () => {
  const { demo, connections } = await load();
  expect([demo, connections[0]?.requestsPerRun, connections[0]?.requestsPerDay]).toEqual([
    true,
    undefined,
    undefined,
  ]);
});

test('a file says how many requests a connection may make, else the variables do', async () => {
  file(
    'otw.config.json',
    JSON.stringify({
      connections: { a: { plugin: 'x', policies: { requestsPerRun: 7 } }, b: { plugin: 'x' } },
    }),
  );
  const { connections } = await load({ CONNECTOR_REQUESTS_PER_DAY: '90' });
  expect(connections).toMatchObject([
    { requestsPerRun: 7, requestsPerDay: 90 },
    { requestsPerRun: 500, requestsPerDay: 90 },
  ]);
  expect(connections[0]?.policies).not.toHaveProperty('requestsPerRun');
});

test('a file says what a run may cost, and how many processes of connectors there are', async () => {
  file(
    'otw.config.json',
    JSON.stringify({
      connectorProcesses: 3,
      connections: { a: { plugin: 'x', limits: { memoryMb: 300 }, freshProcess: true }, b: { plugin: 'x' } },
    }),
  );
  const { connectorProcesses, connections } = await load();
  expect(connectorProcesses).toBe(3);
  expect(connections[0]).toMatchObject({ limits: { memoryMb: 300 }, freshProcess: true });
  expect(connections[1]).not.toHaveProperty('limits');
});

test('the session key is in the data directory unless a variable says otherwise', async () => {
  const key = Buffer.from('0123456789abcdef0123456789abcdef').toString('base64');
  expect((await load({ GARMIN_EMAIL: 'me@example.com' })).sessionKey).toEqual({
    file: join(folder.path, '.otw', 'session.key'),
    created: true,
  });
  expect((await load({ OTW_SESSION_KEY_FILE: '/keys/a' })).sessionKey).toEqual({
    file: '/keys/a',
    created: false,
  });
  const both = { OTW_SESSION_KEY_FILE: '/keys/a', OTW_SESSION_KEY: key };
  expect((await load(both)).sessionKey).toEqual({ value: key });
});
