import { execFile } from 'node:child_process';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test, vi } from 'vitest';
import { inventedAccount } from '../test/invented.ts';
import { goodTokens, localConfig, login, never, read, silent, startServer } from '../test/server.ts';
import connector from './index.ts';

const window = { from: '2031-03-05', to: '2031-03-06' };

test('readiness and recovery time of a day cost one request, also at the same time', async () => {
  const server = await startServer(inventedAccount);
  const session = await login(localConfig(server.origin));
  await Promise.all([
    read(session, 'recovery_time', '2031-03-05', '2031-03-06'),
    read(session, 'training_readiness', '2031-03-05', '2031-03-06'),
  ]);
  await read(session, 'recovery_time', '2031-03-05', '2031-03-06');
  expect(server.asked()).toEqual(['/metrics-service/metrics/trainingreadiness/2031-03-05']);
  await read(session, 'recovery_time', '2031-03-06', '2031-03-07');
  expect(server.asked()).toHaveLength(2);
});

test('a failed answer is not remembered', async () => {
  let isDown = true;
  const server = await startServer((seen) =>
    seen.path.includes('trainingreadiness') && isDown ? { status: 500, json: {} } : inventedAccount(seen),
  );
  const session = await login(localConfig(server.origin));
  await expect(read(session, 'training_readiness', window.from, window.to)).rejects.toMatchObject({
    code: 'transient',
  });
  isDown = false;
  expect(await read(session, 'recovery_time', window.from, window.to)).toHaveLength(1);
});

test('one who gives up does not take the other along', async () => {
  let release = () => {};
  const released = new Promise<void>((resolve) => (release = resolve));
  const server = await startServer(async (seen) => {
    if (seen.path.includes('trainingreadiness')) await released;
    return inventedAccount(seen);
  });
  const session = await login(localConfig(server.origin));
  const controller = new AbortController();
  const context = { session, window, log: silent };
  const first = Array.fromAsync(
    connector.fetch({ dataset: 'training_readiness', ...context, signal: controller.signal }),
  );
  const second = read(session, 'recovery_time', window.from, window.to);
  await vi.waitFor(() => expect(server.asked().length).toBeGreaterThan(0));
  controller.abort(new Error('enough'));
  await expect(first).rejects.toThrow('enough');
  release();
  expect(await second).toHaveLength(1);
});

test.each(['sleep', 'activities', 'lactate_threshold', 'badges', 'training_readiness'])(
  '%s ends within a second of the abort, with its reason',
  async (dataset) => {
    const server = await startServer(({ path }) =>
      path.startsWith('/userprofile') ? undefined : { how: 'hang' },
    );
    const session = await login(localConfig(server.origin));
    const controller = new AbortController();
    const reading = Array.fromAsync(
      connector.fetch({ dataset, session, window, log: silent, signal: controller.signal }),
    );
    const failed = expect(reading).rejects.toBe('given up');
    await vi.waitFor(() => expect(server.asked()).toHaveLength(1));
    const begin = performance.now();
    controller.abort('given up');
    await failed;
    expect(performance.now() - begin).toBeLessThan(1000);
  },
);

test('an abort is heard during the pause between two requests', async () => {
  const server = await startServer(inventedAccount);
  const session = await login(localConfig(server.origin, { minRequestIntervalMs: 600_000 }));
  const controller = new AbortController();
  const reading = Array.fromAsync(
    connector.fetch({ dataset: 'sleep', session, window, log: silent, signal: controller.signal }),
  );
  controller.abort('given up');
  await expect(reading).rejects.toBe('given up');
  expect(server.asked()).toEqual([]);
});

test('an abort ends a login', async () => {
  const server = await startServer(() => ({ how: 'hang' }));
  const controller = new AbortController();
  const attempt = connector.login({
    config: localConfig(server.origin),
    tokens: goodTokens(),
    log: silent,
    signal: controller.signal,
  });
  const failed = expect(attempt).rejects.toBe('given up');
  await vi.waitFor(() => expect(server.seen).toHaveLength(1));
  controller.abort('given up');
  await failed;
  expect(never.aborted).toBe(false);
});

test('without a pause no pacing timer is set', async () => {
  const server = await startServer(inventedAccount);
  const session = await login(localConfig(server.origin));
  const begin = performance.now();
  await Promise.all(Array.from({ length: 20 }, async () => read(session, 'sleep', window.from, window.to)));
  expect(performance.now() - begin).toBeLessThan(5000);
  expect(server.asked()).toHaveLength(20);
});

test('nothing is ever written to the console', async () => {
  const spies = (['log', 'error', 'warn', 'info', 'debug'] as const).map((name) => vi.spyOn(console, name));
  const server = await startServer(({ path }) =>
    path.startsWith('/sso') ? { text: '<title>x</title>' } : { status: 500 },
  );
  const config = localConfig(server.origin, { email: 'invented@example.org', password: 'x' });
  const tokens = { load: async () => undefined, save: async () => {} };
  await login(config, { tokens }).catch(() => {});
  await login(config).catch(() => {});
  for (const spy of spies) {
    expect(spy).not.toHaveBeenCalled();
    spy.mockRestore();
  }
});

test('the plugin loads and reads in a process that may read its own folders alone', async () => {
  const server = await startServer(inventedAccount);
  const here = fileURLToPath(new URL('..', import.meta.url));
  const sdk = fileURLToPath(new URL('../../../sdk', import.meta.url));
  const modules =
    createRequire(import.meta.url)
      .resolve('garmin-connect')
      .split(`${path.sep}garmin-connect`)[0] ?? '';
  const config = localConfig(server.origin);
  const entry = new URL('index.ts', import.meta.url);
  const script = `
    const { default: garmin } = await import(${JSON.stringify(entry.href)});
    const log = { debug() {}, info() {}, warn() {} };
    const { signal } = new AbortController();
    const tokens = { load: async (f) => f === 'oauth2_token' ? { access_token: 'x' } : undefined, save: async () => {} };
    const session = await garmin.login({ config: ${JSON.stringify(config)}, tokens, log, signal });
    const window = ${JSON.stringify(window)};
    const records = await Array.fromAsync(garmin.fetch({ dataset: 'sleep', session, window, signal, log }));
    await garmin.logout({ session });
    console.log(records.length, process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length);
  `;
  const folders = [sdk, here, modules].map((folder) => `--allow-fs-read=${path.resolve(folder)}${path.sep}`);
  const { stdout } = await promisify(execFile)(process.execPath, [
    '--conditions=@on-the-way/source',
    '--permission',
    ...folders,
    '--input-type=module',
    '--eval',
    script,
  ]);
  expect(stdout.trim()).toBe('1 0');
});
