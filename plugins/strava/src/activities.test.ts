import type { JsonValue } from '@on-the-way/sdk';
import { expect, test } from 'vitest';
import { fetchActivities, open, simulator, textOf } from '../test/connect.ts';
import recorded from '../test/recorded-activities.json' with { type: 'json' };

const day = 86_400;
const begin = Date.UTC(2026, 0, 1) / 1000;
const clock = { now: () => Date.UTC(2026, 2, 1, 12, 5) };
const sixty = { ...clock, history: { from: begin, until: begin + 50 * day, count: 60 } };

const keysOf = (fetched: { records: readonly { readonly key: string }[] }): string[] =>
  fetched.records.map(({ key }) => key);

test('all activities come once, oldest first, with a checkpoint behind each page', async () => {
  const strava = await simulator(sixty);
  const session = await open(strava, { config: { perPage: 20 } });
  const { records, cursors, error } = await fetchActivities(session);
  expect(error).toBeUndefined();
  expect(keysOf({ records })).toEqual(strava.accounts[0].entries.map(({ id }) => String(id)));
  expect(cursors.length).toBeGreaterThanOrEqual(3);
  expect(cursors.at(-1)).toEqual({ v: 1, round: 1, newest: strava.accounts[0].entries.at(-1)?.start });
});

test('a later fetch that finds nothing new costs two requests', async () => {
  const strava = await simulator(sixty);
  const session = await open(strava);
  const { cursors } = await fetchActivities(session);
  strava.requests.length = 0;
  const second = await fetchActivities(session, cursors.at(-1));
  expect(strava.requests.map(({ query }) => [query.get('page'), query.get('per_page')])).toEqual([
    ['1', '200'],
    ['2', '200'],
  ]);
  expect(second.cursors).toEqual([expect.objectContaining({ round: 2 })]);
});

test('an activity that was uploaded late is found, one before the days that are looked back is not', async () => {
  const strava = await simulator(sixty);
  const session = await open(strava, { config: { lookBackDays: 10 } });
  const [account] = strava.accounts;
  const { cursors } = await fetchActivities(session);
  const newest = account.entries.at(-1)?.start ?? 0;
  const found = account.upload(newest - 9 * day);
  const lost = account.upload(newest - 20 * day);
  const keys = keysOf(await fetchActivities(session, cursors.at(-1)));
  expect(keys).toContain(String(found));
  expect(keys).not.toContain(String(lost));
});

test('a wrong clock that put an activity into the future does not end looking back', async () => {
  const strava = await simulator(sixty);
  const session = await open(strava);
  const [account] = strava.accounts;
  account.upload(begin + 4000 * day);
  const { cursors, error } = await fetchActivities(session);
  expect(error).toBeUndefined();
  const late = account.upload(begin + 50 * day);
  const second = await fetchActivities(session, cursors.at(-1));
  expect(second.error).toBeUndefined();
  expect(keysOf(second)).toContain(String(late));
});

/** Starts of a day for each of so many days. */
const daily = (from: number, days: number): number[] =>
  Array.from({ length: days }, (_, n) => from + n * day);

test('with an activity in the future, all that is uploaded in time during a long pause comes behind it', async () => {
  let now = begin + 60 * day;
  const strava = await simulator({ ...sixty, now: () => now * 1000 });
  const [account] = strava.accounts;
  account.upload(now + 365 * day);
  const { cursors } = await fetchActivities(await open(strava));
  const uploaded = daily(now, 40).map((start) => String(account.upload(start)));
  now += 40 * day;
  const keys = keysOf(await fetchActivities(await open(strava), cursors.at(-1)));
  expect(keys).toEqual(expect.arrayContaining(uploaded));
});

test('however many activities lie in the future, no checkpoint does', async () => {
  const strava = await simulator(sixty);
  const session = await open(strava, { config: { perPage: 5 } });
  for (const start of daily(clock.now() / 1000 + day, 12)) strava.accounts[0].upload(start);
  const { records, cursors, error } = await fetchActivities(session);
  expect(error).toBeUndefined();
  expect(new Set(keysOf({ records })).size).toBe(72);
  const places = cursors.map((cursor) => cursor as { newest: number; at?: number });
  expect(Math.max(...places.flatMap(({ newest, at = 0 }) => [newest, at]))).toBe(
    strava.accounts[0].entries[59]?.start,
  );
});

test('what is uploaded late while a round is interrupted comes with the next round, however long that took', async () => {
  let now = begin + 50 * day;
  const strava = await simulator({ ...sixty, now: () => now * 1000 });
  const config = { perPage: 57 };
  const [account] = strava.accounts;
  strava.intercept = ({ query }) =>
    Number(query.get('after')) > begin + 40 * day ? { status: 429 } : undefined;
  const first = await fetchActivities(await open(strava, { config }));
  expect(first.cursors).toEqual([expect.objectContaining({ at: expect.any(Number) })]);
  strava.intercept = undefined;
  const late = String(account.upload(begin + 40 * day));
  for (const start of daily(now, 40)) account.upload(start);
  now += 40 * day;
  const second = await fetchActivities(await open(strava), first.cursors.at(-1));
  const third = await fetchActivities(await open(strava), second.cursors.at(-1));
  expect(keysOf(third)).toContain(late);
});

test.each([
  ['newest', { v: 1, round: 4, newest: begin + 400 * day }],
  ['place', { v: 1, round: 4, newest: begin + 50 * day, at: begin + 400 * day }],
])('a cursor whose %s lies in the future has everything read again, once', async (_, cursor) => {
  const strava = await simulator(sixty);
  strava.accounts[0].upload(begin + 400 * day);
  const session = await open(strava);
  const { records, cursors } = await fetchActivities(session, cursor);
  expect(keysOf({ records })).toEqual(strava.accounts[0].entries.map(({ id }) => String(id)));
  expect(cursors).toEqual([{ v: 1, round: 5, newest: strava.accounts[0].entries[59]?.start }]);
  const next = await fetchActivities(session, cursors.at(-1));
  expect(next.records.length).toBeLessThan(25);
});

test('more activities at one moment than a page holds all come', async () => {
  const strava = await simulator({ ...sixty, history: { ...sixty.history, count: 0 } });
  const [account] = strava.accounts;
  const ids = Array.from({ length: 25 }, () => account.upload(begin + day));
  const later = account.upload(begin + 30 * day);
  const session = await open(strava, { config: { perPage: 10 } });
  expect(keysOf(await fetchActivities(session))).toEqual([...ids, later].map(String));
});

test('an account without activities gives none, and a cursor', async () => {
  const strava = await simulator({ ...clock, history: { count: 0 } });
  expect(await fetchActivities(await open(strava))).toEqual({
    records: [],
    cursors: [{ v: 1, round: 1, newest: 0 }],
  });
});

test('a fetch that is refused in its middle goes on from its last checkpoint', async () => {
  const strava = await simulator(sixty);
  const session = await open(strava, { config: { perPage: 20 } });
  strava.intercept = ({ query }) =>
    Number(query.get('after')) > begin ? { status: 429, headers: { 'retry-after': '60' } } : undefined;
  const first = await fetchActivities(session);
  expect(first.error).toMatchObject({ code: 'rate_limited', retryAfterMs: 60_000 });
  expect(first.cursors).toHaveLength(1);
  strava.intercept = undefined;
  const second = await fetchActivities(session, first.cursors[0]);
  expect(new Set([...keysOf(first), ...keysOf(second)]).size).toBe(60);
  expect(keysOf(second)).not.toContain(keysOf(first)[0]);
});

test('access that ends in the middle is renewed, and nothing is missing', async () => {
  const strava = await simulator(sixty);
  const session = await open(strava, { config: { perPage: 20 } });
  let pages = 0;
  strava.intercept = ({ path }) => {
    if (path.endsWith('/activities') && (pages += 1) === 2) strava.expireAccess();
  };
  const { records, error } = await fetchActivities(session);
  expect(error).toBeUndefined();
  expect(records).toHaveLength(60);
});

test('a limit that is used up stops the fetch before the request that would be refused', async () => {
  const strava = await simulator(sixty);
  const session = await open(strava, { config: { perPage: 20 } });
  strava.use([98, 500]);
  strava.requests.length = 0;
  const { error } = await fetchActivities(session);
  expect(strava.requests).toHaveLength(2);
  expect(error).toMatchObject({ code: 'rate_limited', status: undefined });
  // It is 12:05; the limits of 15 minutes are counted anew at 12:15.
  expect(Math.abs((error as { retryAfterMs: number }).retryAfterMs - 601_000)).toBeLessThan(5000);
});

test('an answer of the documented shape is stored as it was written, digit for digit', async () => {
  const text = JSON.stringify(recorded, null, 1).replace(
    '"upload_id": 4210000001',
    '"upload_id": 90071992547409931',
  );
  const strava = await simulator(clock);
  const session = await open(strava);
  strava.intercept = ({ query }) => ({ body: query.get('page') === '1' ? text : '[]' });
  const { records } = await fetchActivities(session);
  expect(records.map(({ key, occurredAt }) => [key, occurredAt])).toEqual(
    recorded.map(({ id, start_date: start }) => [String(id), start]),
  );
  expect(records.map(textOf)[0]).toContain('"upload_id": 90071992547409931');
  expect(records.map((record) => JSON.parse(textOf(record)) as unknown)).toEqual(JSON.parse(text));
});

test.each([
  ['a page of something on the way', '<html>please sign in</html>'],
  ['an object', '{"message":"no"}'],
  ['an activity without a start', '[{"id":1}]'],
  ['an id beyond what is exact', '[{"id":90071992547409931,"start_date":"2026-01-01T00:00:00Z"}]'],
  [
    'the newest first',
    '[{"id":2,"start_date":"2026-02-01T00:00:00Z"},{"id":1,"start_date":"2026-01-01T00:00:00Z"}]',
  ],
])('%s instead of a list is bad_data', async (_, body) => {
  const strava = await simulator(clock);
  const session = await open(strava);
  strava.intercept = () => ({ body });
  expect((await fetchActivities(session)).error).toMatchObject({ code: 'bad_data' });
});

test('a list that changes at every reading is left for later', async () => {
  const strava = await simulator({ ...sixty, history: { ...sixty.history, count: 0 } });
  const [account] = strava.accounts;
  for (let made = 0; made < 5; made += 1) account.upload(begin + day);
  account.upload(begin + 30 * day);
  const session = await open(strava, { config: { perPage: 2 } });
  strava.intercept = ({ query }) => {
    if (query.get('page') === '2') account.upload(begin + day);
  };
  expect((await fetchActivities(session)).error).toMatchObject({ code: 'transient' });
});

const unknownCursors: readonly JsonValue[] = [
  { v: 2, round: 1, newest: 1 },
  { newest: 1 },
  1_772_000_000,
  'next',
  null,
  { v: 1, round: 1, newest: 1, more: true },
  { v: 1, round: 1, newest: -1 },
];

test.each(unknownCursors)(
  'the cursor %j, which this version did not write, is refused and says what to do',
  async (cursor) => {
    const strava = await simulator({ history: { count: 3 } });
    const session = await open(strava);
    strava.requests.length = 0;
    const { records, error } = await fetchActivities(session, cursor);
    expect(error).toMatchObject({
      code: 'config',
      message: expect.stringContaining('otw reset NAME --cursors'),
    });
    expect([records, strava.requests]).toEqual([[], []]);
  },
);
