import {
  addDays,
  ConnectorError,
  defineConnector,
  rawJson,
  secret,
  type Connector,
  type ConnectorRecord,
  type DatasetDefinition,
  type Window,
} from '@on-the-way/sdk';
import { describe, expect, test, vi } from 'vitest';
import { z } from 'zod';
import { PluginBug } from './call-plugin.ts';
import { accountRefOf } from './digest.ts';
import { openConnector, parsePluginConfig } from './open-connector.ts';
import type { DatedEvent } from './ports.ts';
import { createRequestMeter } from './request-meter.ts';

interface Session {
  readonly station: string;
}

const settings = {
  name: 'weather',
  version: '1.2.3',
  description: 'Made-up weather.',
  source: 'weather_stations',
  config: z.object({ station: z.string().default('north'), key: secret().optional() }),
  login: async ({ config }: { config: { station: string } }): Promise<Session> => ({
    station: config.station,
  }),
  account: (session: Session) => session.station,
};

type Fetch = DatasetDefinition<Session>['fetch'];
const none: Fetch = async function* () {};

/** A connector of one dataset with the given fetch, and whatever else is to be different. */
function connectorOf(fetch: Fetch = none, change: Partial<Connector> = {}): Connector {
  const temperature = { granularity: 'day', settleDays: 1, description: 'Temperature.', fetch } as const;
  return { ...defineConnector({ ...settings, datasets: { temperature } }), ...change };
}

const signal = new AbortController().signal;
const tokens = { load: async () => undefined, save: async () => {}, update: async () => undefined };
const log = { debug() {}, info() {}, warn() {} };
const clock = { now: () => Date.parse('2026-02-26T02:10:06Z') };

function open(connector: Connector, change: Partial<Parameters<typeof openConnector>[0]> = {}) {
  const parts = {
    config: {},
    timeZone: 'Asia/Shanghai',
    tokens,
    log,
    clock,
    signal,
    meter: createRequestMeter(),
  };
  return openConnector({ connector, ...parts, ...change });
}

const window: Window = { from: '2026-02-26', to: '2026-02-27' };
const slice = { dataset: 'temperature', window, requestId: '00000000-0000-4000-8000-000000000001' };

async function read(fetch: Fetch, change: Partial<typeof slice> = {}): Promise<DatedEvent[]> {
  const connector = await open(connectorOf(fetch));
  const batches = await Array.fromAsync(connector.fetch({ ...slice, ...change }, signal));
  return batches.flatMap(({ events }) => events);
}

/** A fetch that yields what no type would let through. */
const yielding = (...records: unknown[]): Fetch =>
  async function* () {
    for (const record of records) yield record as ConnectorRecord;
  };

const throwing =
  (error: unknown): Fetch =>
  () => ({ [Symbol.asyncIterator]: () => ({ next: () => Promise.reject(error as Error) }) });

describe('opening', () => {
  test('logs in with the parsed configuration and tells whose data it is and what can be read', async () => {
    const opened = await open(connectorOf());
    expect(opened).toMatchObject({ accountRef: accountRefOf('north'), version: '1.2.3' });
    expect(opened.datasets.map(({ name }) => name)).toEqual(['temperature']);
  });

  test('writes the version it is told to write', async () => {
    const fetch = yielding({ day: '2026-02-26', data: { celsius: 21 } });
    const opened = await open(connectorOf(fetch), { versionOverride: '0.3.0-legacy' });
    expect(opened.version).toBe('0.3.0-legacy');
    const [batch] = await Array.fromAsync(opened.fetch(slice, signal));
    expect(batch?.events[0]?.event.payload).toContain('"connector_version":"0.3.0-legacy"');
  });

  test('without a person there gives login no way to ask', async () => {
    const asked: boolean[] = [];
    const login: Connector['login'] = async (context) => {
      asked.push('prompt' in context);
      return { station: 'north' };
    };
    await open(connectorOf(none, { login }));
    await open(connectorOf(none, { login }), { prompt: async () => '123456' });
    expect(asked).toEqual([false, true]);
  });

  test('a wrong configuration is refused with the key and without the value, before login', async () => {
    const login = vi.fn();
    const opening = open(connectorOf(none, { login }), { config: { station: 7, key: ['hunter2'] } });
    await expect(opening).rejects.toMatchObject({
      code: 'config',
      message: expect.stringMatching(/configuration of weather.*station: .*key: /),
    });
    await expect(opening).rejects.not.toThrow(/hunter2/);
    expect(login).not.toHaveBeenCalled();
  });

  test('a configuration that is no object names no key', () => {
    expect(() => parsePluginConfig(connectorOf(), 'x')).toThrow(/config: /);
    expect(parsePluginConfig(connectorOf(), {})).toEqual({ station: 'north' });
  });

  test('an error login throws on purpose passes through as it is', async () => {
    const error = new ConnectorError('auth', 'Expected the password to be accepted');
    const login = () => Promise.reject(error);
    await expect(open(connectorOf(none, { login }))).rejects.toBe(error);
  });

  test.each<[string, Partial<Connector>]>([
    ['login', { login: () => Promise.reject(new TypeError('x is undefined')) }],
    ['account', { account: () => JSON.parse('{') as string }],
    ['listDatasets', { listDatasets: () => Promise.reject(new Error('no list')) }],
  ])('anything else that escapes %s is a bug of the plugin, with names', async (method, change) => {
    const opening = open(connectorOf(none, change));
    await expect(opening).rejects.toBeInstanceOf(PluginBug);
    await expect(opening).rejects.toMatchObject({
      code: 'plugin_bug',
      message: expect.stringMatching(new RegExp(`Expected ${method} in plugin weather .*Error: `)),
      cause: expect.any(Error),
    });
  });

  test.each([
    ['nothing', ''],
    ['spaces', '  '],
    ['a number', 7],
  ])('an account that is %s is a bug of the plugin', async (_what, account) => {
    const opening = open(connectorOf(none, { account: () => account as string }));
    await expect(opening).rejects.toMatchObject({ code: 'plugin_bug', message: /account of weather/ });
  });

  test('is not begun once aborted', async () => {
    const login = vi.fn();
    const reason = new Error('told to stop');
    const opening = open(connectorOf(none, { login }), { signal: AbortSignal.abort(reason) });
    await expect(opening).rejects.toBe(reason);
    expect(login).not.toHaveBeenCalled();
  });
});

describe('fetching', () => {
  test('wraps each record and accounts it to its day', async () => {
    const fetch: Fetch = async function* ({ session, window: { from } }) {
      yield { day: from, data: { station: session.station }, method: 'mean' };
      yield { day: addDays(from, 1), data: rawJson('[1.0]') };
    };
    const dated = await read(fetch, { window: { from: '2026-02-26', to: '2026-02-28' } });
    expect(dated.map(({ day }) => day)).toEqual(['2026-02-26', '2026-02-27']);
    expect(dated.map(({ event }) => event.payload)).toEqual([
      expect.stringContaining('"api_method":"mean","data":{"station":"north"}'),
      expect.stringContaining('"data":{"value":[1.0]}'),
    ]);
    expect(dated[0]?.event.requestId).toBe(slice.requestId);
  });

  test('a window with nothing in it makes no batch', async () => {
    expect(await read(none)).toEqual([]);
  });

  test('a window asked twice gives the same keys', async () => {
    const fetch = yielding({ day: '2026-02-26', data: { celsius: 21 } });
    const keys = async () => (await read(fetch)).map(({ event }) => event.externalId);
    expect(await keys()).toEqual(await keys());
  });

  test.each<[string, unknown]>([
    ['before the window', { day: '2026-02-25', data: {} }],
    ['after the window', { day: '2026-02-27', data: {} }],
    ['of a time, not a day', { day: '2026-02-26T10:00:00', data: {} }],
    ['of a day that does not exist', { day: '2026-02-26x', data: {} }],
    ['of a Date', { day: new Date('2026-02-26'), data: {} }],
    ['without a day', { data: {} }],
    ['that is undefined', undefined],
    ['that is null', null],
    ['that is text', 'sunny'],
    ['with a method that is too long', { day: '2026-02-26', data: {}, method: 'm'.repeat(129) }],
    ['with a method that is empty', { day: '2026-02-26', data: {}, method: '' }],
    ['with a method that is no text', { day: '2026-02-26', data: {}, method: 7 }],
  ])('a record %s is a bug of the plugin', async (_what, record) => {
    const reading = read(yielding(record));
    await expect(reading).rejects.toBeInstanceOf(PluginBug);
    await expect(reading).rejects.toThrow(/temperature/);
  });

  test('data that is not JSON is bad_data', async () => {
    await expect(read(yielding({ day: '2026-02-26', data: 1n }))).rejects.toMatchObject({ code: 'bad_data' });
    await expect(read(yielding({ day: '2026-02-26' }))).rejects.toMatchObject({ code: 'bad_data' });
  });

  test('anything fetch throws but ConnectorError is a bug of the plugin, named by plugin, verb and dataset', async () => {
    const cause = new TypeError('x is undefined');
    const reading = read(async function* () {
      yield { day: '2026-02-26', data: 1 };
      throw cause;
    });
    await expect(reading).rejects.toMatchObject({
      code: 'plugin_bug',
      message: expect.stringContaining(
        'Expected fetch of temperature in plugin weather to throw only ConnectorError, got TypeError: x is undefined',
      ),
      cause,
    });
  });

  test('a fetch that throws something that is no error is a bug of the plugin', async () => {
    await expect(read(throwing('sunny'))).rejects.toThrow(/got a string, not an Error/);
  });

  test('a fetch that answers with no iterable is a bug of the plugin', async () => {
    await expect(read((() => undefined) as unknown as Fetch)).rejects.toBeInstanceOf(PluginBug);
  });

  test('an error fetch throws on purpose passes through as it is', async () => {
    const error = new ConnectorError('transient', 'Expected an answer, got a reset');
    await expect(read(throwing(error))).rejects.toBe(error);
  });

  test('a dataset that is not there is a config error', async () => {
    await expect(read(none, { dataset: 'wind' })).rejects.toMatchObject({ code: 'config' });
  });

  test('an abort is an abort, whatever the plugin makes of it', async () => {
    const controller = new AbortController();
    const reason = new Error('told to stop');
    const opened = await open(
      connectorOf((context) => {
        controller.abort(reason);
        return throwing(new TypeError('socket closed'))(context);
      }),
    );
    await expect(Array.fromAsync(opened.fetch(slice, controller.signal))).rejects.toBe(reason);
  });
});

describe('batches', () => {
  function endless(size: number) {
    const made = { records: 0, released: false };
    const fetch: Fetch = async function* () {
      try {
        for (;;) {
          made.records += 1;
          yield { day: '2026-02-26', data: { count: made.records, text: 'x'.repeat(size) } };
        }
      } finally {
        made.released = true;
      }
    };
    return { fetch, made };
  }

  test('are made only as fast as they are taken, and the fetch is released when the rest is not wanted', async () => {
    const { fetch, made } = endless(10);
    const opened = await open(connectorOf(fetch));
    let taken = 0;
    for await (const batch of opened.fetch(slice, signal)) {
      taken += batch.events.length;
      expect(made.records).toBe(taken);
      await new Promise(setImmediate);
      expect(made.records).toBe(taken);
      if (taken >= 1000) break;
    }
    await new Promise(setImmediate);
    expect(made.released).toBe(true);
  });

  test('hold fewer records where records are large', async () => {
    const { fetch } = endless(300_000);
    const opened = await open(connectorOf(fetch));
    for await (const batch of opened.fetch(slice, signal)) {
      expect(batch.events).toHaveLength(4);
      break;
    }
  });

  test('a plugin that hangs when released holds nobody up', async () => {
    const stuck = {
      [Symbol.asyncIterator]: () => ({
        next: async () => ({ done: false as const, value: { day: '2026-02-26', data: 1 } }),
        return: () => new Promise<never>(() => undefined),
      }),
    };
    const opened = await open(connectorOf(none, { fetch: () => stuck }));
    for await (const batch of opened.fetch(slice, signal)) {
      expect(batch.events.length).toBeGreaterThan(0);
      break;
    }
  });

  test('a plugin that throws when released changes nothing', async () => {
    const rude = {
      [Symbol.asyncIterator]: () => ({
        next: async () => ({ done: false as const, value: { day: '2026-02-26', data: 1 } }),
        return: (): never => {
          throw new Error('not now');
        },
      }),
    };
    const opened = await open(connectorOf(none, { fetch: () => rude }));
    for await (const batch of opened.fetch(slice, signal)) {
      expect(batch.events.length).toBeGreaterThan(0);
      break;
    }
  });
});

describe('checking and closing', () => {
  test('a connector without a check is fine', async () => {
    await expect((await open(connectorOf())).check(signal)).resolves.toBeUndefined();
  });

  test('a check is given the session, and its mistakes are bugs of the plugin', async () => {
    const check = vi.fn(() => Promise.reject(new TypeError('x is undefined')));
    const checking = (await open(connectorOf(none, { check }))).check(signal);
    await expect(checking).rejects.toMatchObject({ code: 'plugin_bug', message: /check in plugin weather/ });
    expect(check).toHaveBeenCalledWith({ session: { station: 'north' }, signal });
  });

  test('closing logs out with the session', async () => {
    const logout = vi.fn(async () => {});
    await (await open(connectorOf(none, { logout }))).close();
    expect(logout).toHaveBeenCalledExactlyOnceWith({ session: { station: 'north' } });
  });

  test.each<[string, () => Promise<void>]>([
    ['rejects', () => Promise.reject(new Error('no'))],
    [
      'throws',
      () => {
        throw new Error('no');
      },
    ],
  ])('closing never rejects: a logout that %s is a line in the log', async (_how, logout) => {
    const warn = vi.fn();
    await (await open(connectorOf(none, { logout }), { log: { ...log, warn } })).close();
    expect(warn).toHaveBeenCalledExactlyOnceWith('logout failed', { error: 'Error: no' });
  });
});
