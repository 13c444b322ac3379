import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { temporaryFolder } from '../../test/otw.ts';
import { loadConfig } from './load-config.ts';

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

test('a file that cannot be parsed is refused with its name and the place', async () => {
  file('otw.config.json', '{ "port": 80');
  await expect(load()).rejects.toMatchObject({
    exitCode: 78,
    message: expect.stringContaining('otw.config.json'),
  });
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

test('an address that others can reach is refused while there are no keys', async () => {
  await expect(load({ OTW_HOST: '0.0.0.0' })).rejects.toMatchObject({
    exitCode: 78,
    message: expect.stringMatching(/OTW_HOST/),
  });
});
