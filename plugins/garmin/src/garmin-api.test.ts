import { execFile } from 'node:child_process';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test, vi } from 'vitest';
import { inventedAccount } from '../test/invented.ts';
import {
  goodTokens,
  localConfig,
  login,
  memoryTokens,
  never,
  read,
  silent,
  startServer,
} from '../test/server.ts';
import { openSession, readFrom } from '../test/session.ts';
import type { RawAnswer } from './garmin-api.ts';
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

test('answers with data and 404 are recorded as they came, others are not', async () => {
  const replies = [
    { json: { a: 1 } },
    { status: 404, json: { b: 2 } },
    { status: 204 },
    { status: 500, json: {} },
  ];
  const server = await startServer(() => replies.shift());
  const recorded: RawAnswer[] = [];
  const session = openSession(server.origin, { record: (answer) => void recorded.push(answer) });
  for (const _ of [1, 2, 3, 4]) await readFrom(session, 'user_summary', window).catch(() => {});
  const asked = {
    dataset: 'user_summary',
    path: '/usersummary-service/usersummary/daily/run%20ner',
    query: { calendarDate: '2031-03-05' },
  };
  expect(recorded).toEqual([
    { ...asked, status: 200, body: { a: 1 } },
    { ...asked, status: 404, body: { b: 2 } },
    { ...asked, status: 204, body: null },
  ]);
});

test('a question of GraphQL is recorded with its text', async () => {
  const server = await startServer(() => ({ json: { data: {} } }));
  const recorded: RawAnswer[] = [];
  const record = (answer: RawAnswer) => void recorded.push(answer);
  await readFrom(openSession(server.origin, { intraday: false, record }), 'training_readiness', window);
  expect(recorded).toMatchObject([
    { path: '/graphql-gateway/graphql', query: { query: expect.stringContaining('2031-03-05') } },
  ]);
});

test('one request is on its way at a time, however many are wanted', async () => {
  let together = 0;
  let most = 0;
  const server = await startServer(async (seen) => {
    together += 1;
    most = Math.max(most, together);
    await new Promise(setImmediate);
    together -= 1;
    return inventedAccount(seen);
  });
  const session = openSession(server.origin);
  const names = ['sleep', 'stress', 'hrv', 'spo2', 'weight', 'devices', 'badges'];
  await Promise.all(names.map(async (name) => readFrom(session, name, window)));
  expect(most).toBe(1);
});

test('a refused session is renewed once, and when that is refused too nothing more is sent', async () => {
  const server = await startServer(() => ({ status: 401, json: { error: 'invalid_token' } }));
  const session = openSession(server.origin);
  const results = await Promise.allSettled(
    ['sleep', 'stress', 'hrv', 'spo2'].map(async (name) => readFrom(session, name, window)),
  );
  expect(
    results.map((result) => (result.status === 'rejected' ? result.reason.code : result.status)),
  ).toEqual(Array.from({ length: 4 }, () => 'auth'));
  const sent = server.seen.length;
  await expect(readFrom(session, 'weight', window)).rejects.toMatchObject({ code: 'auth' });
  expect(server.seen).toHaveLength(sent);
  expect(new Set(server.seen.map(({ headers }) => headers['authorization']))).toEqual(
    new Set(['Bearer connect', 'Bearer connect-2']),
  );
});

test('a budget that is spent ends the request before it is sent, with its own error', async () => {
  const server = await startServer(inventedAccount);
  let left = 3;
  const spent = new Error('spent');
  const countRequest = () => {
    if (left === 0) throw spent;
    left -= 1;
  };
  const session = await login(localConfig(server.origin), { countRequest });
  left = 1;
  const before = server.seen.length;
  await read(session, 'sleep', window.from, window.to);
  await expect(read(session, 'sleep', window.from, window.to)).rejects.toBe(spent);
  expect(server.seen).toHaveLength(before + 1);
});

test('an abort ends a login', async () => {
  const server = await startServer(() => ({ how: 'hang' }));
  const controller = new AbortController();
  const attempt = connector.login({
    config: localConfig(server.origin),
    tokens: goodTokens(),
    countRequest() {},
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
  const tokens = memoryTokens();
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
    const saved = (field) => field === 'oauth2_token' ? { access_token: 'x' } : undefined;
    const tokens = {
      load: async (field) => saved(field),
      save: async () => {},
      update: async (field, change) => change(saved(field)),
    };
    const config = ${JSON.stringify(config)};
    const session = await garmin.login({ config, tokens, log, signal, countRequest() {} });
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
