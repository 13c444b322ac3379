import { existsSync, readFileSync } from 'node:fs';
import { ConnectorError, type JsonValue } from '@on-the-way/sdk';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { startServer, type Handler } from '../../test/server.ts';
import { openSession, readFrom } from '../../test/session.ts';
import { datasetNames } from './index.ts';
import { isBareRow, summaries } from './summaries.ts';

const window = { from: '2031-03-05', to: '2031-03-12' };
async function readSummary(name: string, handler: Handler) {
  const server = await startServer(handler);
  return { server, records: await readFrom(openSession(server.origin, { intraday: false }), name, window) };
}

const row = { calendarDate: '2031-03-06' };
const readiness = { ...row, score: 50, recoveryTime: 90, timestamp: '2031-03-06T05:00:00.0' };
const device = { ...row, deviceId: 7, trainingStatus: 7 };

/** What Garmin answers for many days, and the data of 2031-03-06. */
const answers: [string, JsonValue, JsonValue][] = [
  ['user_summary', [{ ...row, values: { totalSteps: 5 } }], { ...row, values: { totalSteps: 5 } }],
  ['user_summary', [{ ...row, totalSteps: 5 }], { ...row, totalSteps: 5 }],
  [
    'sleep',
    { overallStats: {}, individualStats: [{ ...row, values: { sleepScore: 80 } }] },
    { ...row, values: { sleepScore: 80 } },
  ],
  [
    'stress',
    [{ ...row, values: { overallStressLevel: 21 } }],
    { ...row, values: { overallStressLevel: 21 } },
  ],
  [
    'hrv',
    { hrvSummaries: [{ ...row, weeklyAvg: 40 }], userProfilePk: 1 },
    { hrvSummary: { ...row, weeklyAvg: 40 } },
  ],
  [
    'training_status',
    {
      weeklyTrainingStatus: { statusCode: 200, payload: { reportData: { '7': [device] } } },
      vo2MaxWeeklyStatistics: { statusCode: 200, payload: { rows: [{ ...row, value: 46 }] } },
    },
    { mostRecentTrainingStatus: { latestTrainingStatusData: { '7': device } } },
  ],
  ['training_readiness', { data: { trainingReadinessRangeScalar: [readiness] } }, [readiness]],
  [
    'endurance_score',
    { groupMap: { '2031-03-06': { groupAverage: 5000 } }, enduranceScoreDTO: { calendarDate: '2031-03-09' } },
    { groupMap: { '2031-03-06': { groupAverage: 5000 } } },
  ],
];

test.each(answers)('%s is read for many days at once', async (name, json, data) => {
  const { server, records } = await readSummary(name, () => ({ json }));
  expect(records).toEqual([{ day: '2031-03-06', data, method: expect.stringMatching(/^get_/) }]);
  expect(server.seen).toHaveLength(1);
});

const bare: [string, JsonValue][] = [
  ['user_summary', [{ ...row, values: { totalSteps: 0, stepGoal: 7500, restingHeartRate: null } }]],
  ['sleep', { individualStats: [{ ...row, values: { remTime: null } }] }],
  ['stress', [{ ...row, values: { overallStressLevel: -1 } }]],
  ['hrv', { hrvSummaries: [{ ...row, weeklyAvg: null, status: 'NONE' }] }],
  ['training_status', { weeklyTrainingStatus: { statusCode: 200, payload: { reportData: {} } } }],
  ['training_readiness', { data: { trainingReadinessRangeScalar: [] } }],
  ['endurance_score', { groupMap: {}, enduranceScoreDTO: null }],
];

test.each(bare)('%s without a value is no data', async (name, json) => {
  expect((await readSummary(name, () => ({ json }))).records).toEqual([]);
});

test('readiness and recovery time of a year are one question', async () => {
  const server = await startServer(() => ({ json: { data: { trainingReadinessRangeScalar: [readiness] } } }));
  const session = openSession(server.origin, { intraday: false });
  const [record] = await readFrom(session, 'recovery_time', window);
  await readFrom(session, 'training_readiness', window);
  expect(record?.data).toMatchObject([{ recoveryTimeMinutes: 90 }]);
  expect(server.seen).toMatchObject([{ method: 'POST', path: '/graphql-gateway/graphql' }]);
  expect(JSON.parse(server.seen[0]?.body ?? '')).toEqual({
    query: 'query{trainingReadinessRangeScalar(startDate:"2031-03-05",endDate:"2031-03-11")}',
  });
});

test('weeks that begin in the window are asked for whole', async () => {
  const { server } = await readSummary('endurance_score', () => ({ json: {} }));
  expect(server.seen[0]?.query).toMatchObject({ startDate: '2031-03-05', endDate: '2031-03-17' });
});

test.each([
  ['user_summary', [{ totalSteps: 5 }]],
  ['stress', [1]],
  ['training_status', [1]],
])('%s as a list without days is bad_data', async (name, json) => {
  await expect(readSummary(name, () => ({ json }))).rejects.toMatchObject({ code: 'bad_data' });
});

/** JSON in which days and the names of the envelopes turn up now and then. */
const anyAnswer = fc
  .jsonValue({ maxDepth: 4 })
  .chain((value) =>
    fc.constantFrom<unknown>(
      value,
      [{ calendarDate: '2031-03-06', values: value }],
      { individualStats: value, hrvSummaries: value, groupMap: { '2031-03-06': value } },
      { weeklyTrainingStatus: { statusCode: 200, payload: { reportData: { '1': [value, row] } } } },
      { allMetrics: value, dailyWeightSummaries: value, dateWeightList: value, cycleSummaries: value },
      { hillScoreDTOList: [value], measurementSummaries: [value], trainingPlanList: value },
    ),
  );

test.each([
  ['each day alone', true],
  ['many days at once', false],
])(
  'whatever Garmin answers, every dataset gives records in the window or a ConnectorError: %s',
  async (_, intraday) => {
    let json: unknown;
    const server = await startServer(() => ({ json }));
    await fc.assert(
      fc.asyncProperty(anyAnswer, fc.constantFrom(...datasetNames), async (answer, name) => {
        json = answer;
        const session = openSession(server.origin, { intraday });
        const result = await readFrom(session, name, { from: '2031-03-05', to: '2031-03-07' }).catch(
          (error: unknown) => error,
        );
        session.close();
        if (Array.isArray(result))
          for (const { day } of result) expect(['2031-03-05', '2031-03-06']).toContain(day);
        else expect(ConnectorError.is(result)).toBe(true);
      }),
      { numRuns: 150 },
    );
  },
);

test.each([
  [{ calendarDate: '2031-03-06', stepGoal: 5, userProfilePK: 9, values: {} }, true],
  [{ calendarDate: '2031-03-06', values: [{ a: null }, { b: 0 }] }, true],
  [{ calendarDate: '2031-03-06', sleepScoreQuality: 'GOOD' }, false],
  [{ calendarDate: '2031-03-06', values: { totalSteps: 1 } }, false],
])('a row is bare when only its frame is there: %j', (value, expected) => {
  expect(isBareRow(value)).toBe(expected);
});

const recorded = new URL('../../../../../shared/garmin/recorded/', import.meta.url);

test.skipIf(!existsSync(recorded))('recorded answers for many days are split into their days', () => {
  const split = (name: keyof typeof summaries, file: string) => {
    const { split: splitOf, isEmpty } = summaries[name];
    const answer = JSON.parse(readFileSync(new URL(file, recorded), 'utf8')) as JsonValue;
    return [...splitOf(answer, '/x')].filter(([, data]) => !isEmpty(data)).length;
  };
  expect(split('stress', 'stress/02_200.json')).toBeGreaterThan(20);
  expect(split('hrv', 'hrv/06_200.json')).toBe(28);
  expect(split('steps', 'user_summary/00_200.json')).toBe(20);
  expect(split('training_status', 'training_status/04_200.json')).toBeGreaterThan(350);
});
