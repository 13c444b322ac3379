import { addDays, daysOf } from '@on-the-way/sdk';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { inventedAccount } from '../../test/invented.ts';
import { localConfig, login, read, startServer } from '../../test/server.ts';
import { datasetTable } from './index.ts';
import { dayIn } from './split.ts';

const rangeNames = Object.entries(datasetTable)
  .filter(([, entry]) => entry.granularity === 'range')
  .map(([name]) => name);

const first = '2030-12-20';
const window = fc
  .tuple(fc.nat(120), fc.nat(14), fc.nat(13))
  .map(([offset, left, right]) => [offset, offset + left, offset + left + right + 1] as const);

test.each(rangeNames)('%s read in pieces gives the records of the whole', async (name) => {
  const server = await startServer(inventedAccount);
  const session = await login(localConfig(server.origin));
  const between = (from: number, to: number) => read(session, name, addDays(first, from), addDays(first, to));
  await fc.assert(
    fc.asyncProperty(window, async ([a, b, c]) => {
      const whole = await between(a, c);
      const pieces = [...(await between(a, b)), ...(await between(b, c))];
      expect(pieces).toEqual(whole);
      const days = daysOf({ from: addDays(first, a), to: addDays(first, c) });
      expect(whole.every(({ day }) => days.includes(day))).toBe(true);
    }),
    { numRuns: 15 },
  );
});

test('an empty window asks nothing', async () => {
  const server = await startServer(inventedAccount);
  const session = await login(localConfig(server.origin));
  expect(await read(session, 'weight', '2031-03-05', '2031-03-05')).toEqual([]);
  expect(server.asked()).toEqual([]);
});

test('resting heart rate keeps the envelope of a one-day answer', async () => {
  const rows = [
    { value: 51, calendarDate: '2031-03-05' },
    { value: null, calendarDate: '2031-03-06' },
    { value: 52, calendarDate: '2031-03-07' },
  ];
  const metricsMap = { WELLNESS_RESTING_HEART_RATE: rows };
  const server = await startServer(({ path }) =>
    path.startsWith('/userstats')
      ? { json: { userProfileId: 1, allMetrics: { metricsMap }, groupedMetrics: null } }
      : undefined,
  );
  const session = await login(localConfig(server.origin));
  const [one, two, ...rest] = await read(session, 'resting_heart_rate', '2031-03-05', '2031-03-08');
  expect(rest).toEqual([]);
  expect(one?.data).toEqual({
    userProfileId: 1,
    statisticsStartDate: '2031-03-05',
    statisticsEndDate: '2031-03-05',
    allMetrics: { metricsMap: { WELLNESS_RESTING_HEART_RATE: [rows[0]] } },
    groupedMetrics: null,
  });
  expect(two?.day).toBe('2031-03-07');
});

test('activities are read page by page, once each, in the order of the source', async () => {
  const all = Array.from({ length: 230 }, (_, index) => ({
    activityId: index,
    startTimeLocal: `2031-03-0${index < 120 ? 6 : 5} 10:00:00`,
  }));
  const server = await startServer(({ path, query }) => {
    if (!path.startsWith('/activitylist')) return undefined;
    const start = Number(query['start']);
    // The list moves by one between the pages, as when an activity is uploaded meanwhile.
    const shifted = start === 0 ? 0 : start - 1;
    return { json: all.slice(shifted, shifted + 100) };
  });
  const session = await login(localConfig(server.origin));
  const records = await read(session, 'activities', '2031-03-05', '2031-03-07');
  expect(records.map(({ day }) => day)).toEqual(['2031-03-05', '2031-03-06']);
  expect(records.map(({ data }) => data)).toEqual([all.slice(120), all.slice(0, 120)]);
  expect(server.asked()).toHaveLength(3);
});

test('a source that repeats its page for ever is asked twice', async () => {
  const page = Array.from({ length: 100 }, (_, index) => ({
    activityId: index,
    startTimeLocal: '2031-03-05 10:00:00',
  }));
  const server = await startServer(({ path }) =>
    path.startsWith('/activitylist') ? { json: page } : undefined,
  );
  const session = await login(localConfig(server.origin));
  const [record] = await read(session, 'activities', '2031-03-05', '2031-03-06');
  expect(record?.data).toHaveLength(100);
  expect(server.asked()).toHaveLength(2);
});

test('goals of all states, own challenges alone, and nobody else by name', async () => {
  const server = await startServer(inventedAccount);
  const session = await login(localConfig(server.origin));
  const [goals] = await read(session, 'goals', '2031-03-05', '2031-03-06');
  expect(goals?.data).toMatchObject({ active: [{ id: 1 }], future: [{ id: 1 }] });
  expect(goals?.data).toHaveProperty('past.length', 35);
  const [challenges] = await read(session, 'challenges', '2031-03-05', '2031-03-06');
  expect(challenges?.data).toMatchObject({
    adHoc: [{ uuid: 'own' }, { uuid: 'joined' }],
    available: [{ uuid: 'open' }],
    nonCompleted: [],
    virtual: [{ uuid: 'far' }],
  });
  const [badges] = await read(session, 'badges', '2031-03-05', '2031-03-06');
  expect(badges?.data).toEqual([{ badgeId: 1, badgeName: 'First' }]);
  expect(JSON.stringify([badges, challenges])).not.toContain('Somebody');
});

test('recovery time comes from readiness snapshots that have one', async () => {
  const server = await startServer(inventedAccount);
  const session = await login(localConfig(server.origin));
  const [record] = await read(session, 'recovery_time', '2031-03-05', '2031-03-06');
  expect(record?.data).toMatchObject([
    { calendarDate: '2031-03-05', recoveryTimeMinutes: expect.any(Number) },
  ]);
});

test('an answer about another day is not filed under the asked one', async () => {
  const server = await startServer(({ path }) =>
    path.startsWith('/metrics-service')
      ? { json: { calendarDate: '2031-02-01', overallScore: 5000 } }
      : undefined,
  );
  const session = await login(localConfig(server.origin));
  expect(await read(session, 'endurance_score', '2031-03-05', '2031-03-06')).toEqual([]);
});

test.each([
  ['weight', { dailyWeightSummaries: [{ numOfWeightEntries: 1, minWeight: 1 }] }, 'summaryDate'],
  ['intensity_minutes', { rows: 1 }, 'list of rows'],
  ['hill_score', [1], 'object'],
  ['sleep', 'a text', 'object or a list'],
])(
  '%s that is not what it should be is bad_data, and its values stay out of the message',
  async (name, json, word) => {
    const server = await startServer(({ path }) => (path.startsWith('/userprofile') ? undefined : { json }));
    const session = await login(localConfig(server.origin));
    await expect(read(session, name, '2031-03-05', '2031-03-06')).rejects.toMatchObject({
      code: 'bad_data',
      message: expect.stringContaining(word),
    });
  },
);

test.each([
  ['2031-03-05', '2031-03-05'],
  ['2031-03-05T23:59:59.0', '2031-03-05'],
  ['2031-03-05 00:10:00', '2031-03-05'],
  ['2031-02-30', undefined],
  [20310305, undefined],
  [null, undefined],
])('the day in %j is %j', (text, day) => {
  expect(dayIn(text)).toBe(day);
});
