import { expect, expectTypeOf, test } from 'vitest';
import { z } from 'zod';
import {
  checkpoint,
  ConnectorError,
  defineConnector,
  isCheckpoint,
  rawJson,
  secret,
  type JsonValue,
} from './index.ts';

const weather = defineConnector({
  name: 'weather',
  version: '1.0.0',
  description: 'Made-up weather.',
  source: 'weather_stations',
  config: z.object({ station: z.string(), key: secret().optional() }),
  async login({ config }) {
    expectTypeOf(config).toEqualTypeOf<{ station: string; key?: string | undefined }>();
    return { station: config.station, degrees: 21 };
  },
  account: (session) => session.station,
  datasets: {
    temperature: {
      granularity: 'day',
      settleDays: 2,
      description: 'Mean temperature.',
      schema: z.object({ celsius: z.number() }),
      async *fetch({ session, window }) {
        expectTypeOf(session).toEqualTypeOf<{ station: string; degrees: number }>();
        yield { day: window.from, data: { celsius: session.degrees } };
      },
    },
    anything: {
      granularity: 'range',
      spanDays: 28,
      settleDays: 1,
      description: 'Whatever the station says.',
      async *fetch({ window }) {
        yield { day: window.from, data: ['free', null, 1] };
        yield { day: window.from, data: rawJson('{"big":9007199254740993}') };
      },
    },
  },
});

const wrong = {
  name: 'wrong',
  version: '1.0.0',
  description: 'Does not compile where it is wrong.',
  source: 'wrong',
  config: z.object({}),
};

test('a record that breaks its schema does not compile', () => {
  defineConnector({
    ...wrong,
    login: async () => ({ id: 1 }),
    account: (session) => String(session.id),
    datasets: {
      steps: {
        granularity: 'day',
        settleDays: 1,
        description: 'Steps.',
        schema: z.object({ steps: z.number() }),
        // @ts-expect-error steps must be a number
        async *fetch({ window }) {
          yield { day: window.from, data: { steps: 'many' } };
        },
      },
    },
  });
});

test('a session used wrongly does not compile', () => {
  defineConnector({
    ...wrong,
    login: async () => ({ id: 1 }),
    // @ts-expect-error the session has no e-mail
    account: (session) => session.email,
    datasets: {
      steps: {
        granularity: 'day',
        settleDays: 1,
        description: 'Steps.',
        async *fetch({ session, window }) {
          // @ts-expect-error id is a number
          yield { day: window.from, data: session.id.toUpperCase() };
        },
      },
    },
  });
});

test('an error code outside the list does not compile', () => {
  // @ts-expect-error no such code
  expect(new ConnectorError('oops', 'x')).toBeInstanceOf(Error);
});

const signal = new AbortController().signal;
const log = { debug() {}, info() {}, warn() {} };
const tokens = { load: async () => undefined, save: async () => {}, update: async () => undefined };

test('the host reads datasets and records through three verbs without type parameters', async () => {
  const session = await weather.login({
    config: { station: 'north' },
    tokens,
    countRequest() {},
    log,
    signal,
  });
  expect(weather.account(session)).toBe('north');
  expect(await weather.listDatasets(session)).toEqual([
    { name: 'temperature', granularity: 'day', spanDays: 1, settleDays: 2, description: 'Mean temperature.' },
    {
      name: 'anything',
      granularity: 'range',
      spanDays: 28,
      settleDays: 1,
      description: 'Whatever the station says.',
    },
  ]);
  const window = { from: '2026-02-26', to: '2026-02-27' };
  const records = await Array.fromAsync(
    weather.fetch({ dataset: 'temperature', session, window, signal, log }),
  );
  expect(records).toEqual([{ day: '2026-02-26', data: { celsius: 21 } }]);
});

test('a record that breaks its schema at run time is bad_data and names the field, not the value', async () => {
  const session = { station: 'north', degrees: 'hot' };
  const window = { from: '2026-02-26', to: '2026-02-27' };
  const reading = Array.fromAsync(weather.fetch({ dataset: 'temperature', session, window, signal, log }));
  await expect(reading).rejects.toMatchObject({
    code: 'bad_data',
    message: expect.stringContaining('celsius'),
  });
  await expect(reading).rejects.not.toThrow(/hot/);
});

test('an unknown dataset is a config error that lists the known ones', async () => {
  const window = { from: '2026-02-26', to: '2026-02-27' };
  const reading = Array.fromAsync(weather.fetch({ dataset: 'toString', session: {}, window, signal, log }));
  await expect(reading).rejects.toMatchObject({
    code: 'config',
    message: expect.stringContaining('temperature, anything'),
  });
});

const posts = defineConnector({
  ...wrong,
  login: async () => ({ pages: [['a', 'b'], ['c']] }),
  account: () => 'me',
  datasets: {
    steps: {
      granularity: 'day',
      settleDays: 1,
      description: 'Steps.',
      schema: z.object({ steps: z.number() }),
      async *fetch({ session, window }) {
        expectTypeOf(session).toEqualTypeOf<{ pages: string[][] }>();
        yield { day: window.from, data: { steps: session.pages.length } };
      },
    },
    events: {
      granularity: 'cursor',
      description: 'What came since the last time.',
      schema: z.object({ text: z.string() }),
      async *fetch({ session, cursor }) {
        expectTypeOf(session).toEqualTypeOf<{ pages: string[][] }>();
        expectTypeOf(cursor).toEqualTypeOf<JsonValue | undefined>();
        for (const [page, texts] of session.pages.entries()) {
          if (typeof cursor === 'number' && page < cursor) continue;
          for (const text of texts) yield { key: text, occurredAt: '2026-02-26T10:00:00Z', data: { text } };
          yield checkpoint(page + 1);
        }
      },
    },
  },
});

test('a cursor dataset is given its cursor and answers with records and checkpoints', async () => {
  const session = { pages: [['a', 'b'], ['c']] };
  const ask = (cursor?: JsonValue) =>
    Array.fromAsync(posts.fetchSince({ dataset: 'events', session, cursor, signal, log }));
  const said = await ask();
  expect(said.map((each) => (isCheckpoint(each) ? each.cursor : each.key))).toEqual(['a', 'b', 1, 'c', 2]);
  expect(await ask(1)).toMatchObject([{ key: 'c' }, { cursor: 2 }]);
  expect((await posts.listDatasets(session))[1]).toEqual({
    name: 'events',
    granularity: 'cursor',
    spanDays: 1,
    settleDays: 0,
    description: 'What came since the last time.',
  });
});

test('a dataset is asked in its own way alone', async () => {
  const window = { from: '2026-02-26', to: '2026-02-27' };
  const session = { pages: [] };
  const days = Array.fromAsync(posts.fetch({ dataset: 'events', session, window, signal, log }));
  await expect(days).rejects.toMatchObject({ code: 'config', message: expect.stringContaining('events') });
  const since = posts.fetchSince({ dataset: 'steps', session, cursor: undefined, signal, log });
  await expect(Array.fromAsync(since)).rejects.toMatchObject({ code: 'config' });
});

test('records of a cursor dataset without a key, and of a day dataset without a day, do not compile', () => {
  const made = { ...wrong, login: async () => ({}), account: () => 'me' };
  const described = { description: 'Events.' } as const;
  defineConnector({
    ...made,
    datasets: {
      // @ts-expect-error a record has a key
      events: {
        ...described,
        granularity: 'cursor',
        async *fetch() {
          yield { day: '2026-02-26', data: 1 };
        },
      },
    },
  });
  defineConnector({
    ...made,
    datasets: {
      // @ts-expect-error a record has a day
      steps: {
        ...described,
        granularity: 'day',
        settleDays: 1,
        async *fetch() {
          yield { key: 'a', data: 1 };
        },
      },
    },
  });
});
