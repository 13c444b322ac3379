import { expect, test } from 'vitest';
import { inventedAccount } from '../../test/invented.ts';
import { goodTokens, localConfig, login, read, startServer } from '../../test/server.ts';
import connector from '../index.ts';
import { datasetNames, datasetTable } from './index.ts';

const names =
  'user_summary sleep heart_rate resting_heart_rate stress body_battery respiration spo2 hrv intensity_minutes ' +
  'weight body_composition hydration blood_pressure menstrual pregnancy ' +
  'activities training_status training_readiness recovery_time max_metrics_vo2 race_prediction hill_score ' +
  'endurance_score lactate_threshold workouts training_plans devices gear goals badges challenges';

const thresholdQuery = 'sport=RUNNING&aggregation=daily&aggregationStrategy=LATEST';
const challenge = '/badgechallenge-service/badgeChallenge';
const firstPage = 'start=1&limit=100';

/** What each dataset asks for 2031-03-05, or for 2031-03-05 up to and with 2031-03-09. */
const requests: Record<string, string[]> = {
  user_summary: ['/usersummary-service/usersummary/daily/run ner?calendarDate=2031-03-05'],
  sleep: ['/wellness-service/wellness/dailySleepData/run ner?date=2031-03-05&nonSleepBufferMinutes=60'],
  heart_rate: ['/wellness-service/wellness/dailyHeartRate/run ner?date=2031-03-05'],
  resting_heart_rate: [
    '/userstats-service/wellness/daily/run ner?fromDate=2031-03-05&untilDate=2031-03-09&metricId=60',
  ],
  stress: ['/wellness-service/wellness/dailyStress/2031-03-05'],
  body_battery: [
    '/wellness-service/wellness/bodyBattery/reports/daily?startDate=2031-03-05&endDate=2031-03-09',
  ],
  respiration: ['/wellness-service/wellness/daily/respiration/2031-03-05'],
  spo2: ['/wellness-service/wellness/daily/spo2/2031-03-05'],
  hrv: ['/hrv-service/hrv/2031-03-05'],
  intensity_minutes: ['/usersummary-service/stats/im/daily/2031-03-05/2031-03-09'],
  weight: ['/weight-service/weight/range/2031-03-05/2031-03-09?includeAll=true'],
  body_composition: ['/weight-service/weight/dateRange?startDate=2031-03-05&endDate=2031-03-09'],
  hydration: ['/usersummary-service/stats/hydration/daily/2031-03-05/2031-03-09'],
  blood_pressure: ['/bloodpressure-service/bloodpressure/range/2031-03-05/2031-03-09?includeAll=true'],
  menstrual: ['/periodichealth-service/menstrualcycle/calendar/2031-03-05/2031-03-09'],
  pregnancy: ['/periodichealth-service/menstrualcycle/pregnancysnapshot'],
  activities: [
    '/activitylist-service/activities/search/activities?startDate=2031-03-05&endDate=2031-03-09&start=0&limit=100',
  ],
  training_status: ['/metrics-service/metrics/trainingstatus/aggregated/2031-03-05'],
  training_readiness: ['/metrics-service/metrics/trainingreadiness/2031-03-05'],
  recovery_time: ['/metrics-service/metrics/trainingreadiness/2031-03-05'],
  max_metrics_vo2: ['/metrics-service/metrics/maxmet/daily/2031-03-05/2031-03-09'],
  race_prediction: [
    '/metrics-service/metrics/racepredictions/daily/run ner?fromCalendarDate=2031-03-05&toCalendarDate=2031-03-09',
  ],
  hill_score: [
    '/metrics-service/metrics/hillscore/stats?startDate=2031-03-05&endDate=2031-03-09&aggregation=daily',
  ],
  endurance_score: ['/metrics-service/metrics/endurancescore?calendarDate=2031-03-05'],
  lactate_threshold: [
    `/biometric-service/stats/lactateThresholdSpeed/range/2031-03-05/2031-03-09?${thresholdQuery}`,
    `/biometric-service/stats/lactateThresholdHeartRate/range/2031-03-05/2031-03-09?${thresholdQuery}`,
    `/biometric-service/stats/functionalThresholdPower/range/2031-03-05/2031-03-09?${thresholdQuery}`,
  ],
  workouts: ['/workout-service/workouts?start=0&limit=100', '/workout-service/workouts?start=100&limit=100'],
  training_plans: ['/trainingplan-service/trainingplan/plans?limit=50'],
  devices: ['/device-service/deviceregistration/devices'],
  gear: ['/gear-service/gear/filterGear?userProfilePk=4711'],
  goals: [
    '/goal-service/goal/goals?status=active&sortOrder=asc&start=1&limit=30',
    '/goal-service/goal/goals?status=future&sortOrder=asc&start=1&limit=30',
    '/goal-service/goal/goals?status=past&sortOrder=asc&start=1&limit=30',
    '/goal-service/goal/goals?status=past&sortOrder=asc&start=31&limit=30',
  ],
  badges: ['/badge-service/badge/earned'],
  challenges: [
    `/adhocchallenge-service/adHocChallenge/historical?${firstPage}`,
    `${challenge}/completed?${firstPage}`,
    `${challenge}/completed?start=101&limit=100`,
    `${challenge}/available?${firstPage}`,
    `${challenge}/non-completed?${firstPage}`,
    `/badgechallenge-service/virtualChallenge/inProgress?${firstPage}`,
  ],
};

test('the table holds the 32 datasets in the order people know', () => {
  expect(datasetNames.join(' ')).toBe(names);
  expect(Object.keys(requests)).toEqual(datasetNames);
});

test.each(datasetNames)('%s asks what the table says and gives records', async (name) => {
  const server = await startServer(inventedAccount);
  const session = await login(localConfig(server.origin));
  const isRange = datasetTable[name as keyof typeof datasetTable].granularity === 'range';
  const records = await read(session, name, '2031-03-05', isRange ? '2031-03-10' : '2031-03-06');
  expect(server.asked()).toEqual(requests[name]);
  expect(records.length).toBeGreaterThan(0);
  for (const { day, method } of records) {
    expect(day >= '2031-03-05' && day < '2031-03-10').toBe(true);
    expect(method).toMatch(/^get_\w{1,124}$/);
  }
});

test('requests carry the bearer and look like the phone app', async () => {
  const server = await startServer(inventedAccount);
  const tokens = goodTokens();
  const session = await login(localConfig(server.origin), { tokens });
  await read(session, 'sleep', '2031-03-05', '2031-03-06');
  const { di_token: token } = tokens.stored.get('garmin_tokens') as { di_token: string };
  expect(server.seen.at(-1)?.headers).toMatchObject({
    authorization: `Bearer ${token}`,
    'user-agent': 'GCM-Android-5.23',
    'x-garmin-client-platform': 'Android',
    accept: 'application/json',
  });
});

test('the host sees granularity, span and settle time of every dataset', async () => {
  const server = await startServer();
  const session = await login(localConfig(server.origin));
  const infos = await connector.listDatasets(session);
  expect(infos.map((info) => info.name)).toEqual(datasetNames);
  expect(infos.filter((info) => info.granularity === 'snapshot').every((info) => info.settleDays === 0)).toBe(
    true,
  );
  expect(infos.find((info) => info.name === 'menstrual')).toMatchObject({ spanDays: 90, settleDays: 30 });
});

test('only the wanted datasets are listed, unknown names are warned about, none left is an error', async () => {
  const server = await startServer();
  const warnings: unknown[] = [];
  const log = { debug() {}, info() {}, warn: (_: string, fields?: unknown) => warnings.push(fields) };
  const session = await login(localConfig(server.origin, { metrics: ['stress', 'nonsense', 'sleep'] }), {
    log,
  });
  expect((await connector.listDatasets(session)).map((info) => info.name)).toEqual(['sleep', 'stress']);
  expect(warnings).toMatchObject([{ unknown: ['nonsense'] }]);
  await expect(login(localConfig(server.origin, { metrics: ['nonsense'] }))).rejects.toMatchObject({
    code: 'config',
    message: expect.stringContaining('user_summary'),
  });
});
