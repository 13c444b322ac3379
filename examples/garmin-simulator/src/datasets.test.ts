import { expect, test } from 'vitest';
import type { GarminSimulator } from './index.ts';
import { fetchFrom, primaryPaths, shanghai, withSimulator } from './testing.ts';

const DAY = '2026-03-17'; // a Tuesday with a run in the evening
const NOW = shanghai('2026-03-20T12:00');
const GOALS_HEADER = { 'sec-fetch-site': 'same-origin' };

async function pathsOn(simulator: GarminSimulator, day: string): Promise<Readonly<Record<string, string>>> {
  const { body } = await fetchFrom(simulator, '/userprofile-service/socialProfile');
  return primaryPaths(day, body.displayName, body.profileId);
}

/** A member each answer must have; `[]` for a list; a number for an answer without a body. */
const SHAPE: Readonly<Record<string, string | [] | number>> = {
  user_summary: 'includesWellnessData',
  sleep: 'dailySleepDTO',
  heart_rate: 'heartRateValues',
  resting_heart_rate: 'allMetrics',
  stress: 'stressValuesArray',
  body_battery: [],
  respiration: 'respirationValuesArray',
  spo2: 'spO2HourlyAverages',
  hrv: 'hrvSummaries',
  intensity_minutes: [],
  weight: 'dailyWeightSummaries',
  body_composition: 'dateWeightList',
  hydration: [],
  blood_pressure: 'measurementSummaries',
  menstrual: 400,
  pregnancy: 204,
  activities: [],
  training_status: 'mostRecentTrainingStatus',
  training_readiness: [],
  recovery_time: [],
  max_metrics_vo2: [],
  race_prediction: [],
  hill_score: 'hillScoreDTOList',
  endurance_score: 'groupMap',
  lactate_threshold: [],
  workouts: [],
  training_plans: 'trainingPlanList',
  devices: [],
  gear: [],
  goals: [],
  badges: [],
  challenges: [],
};

test('every dataset answers its primary request in its own shape', () =>
  withSimulator({ now: NOW }, async (simulator) => {
    const paths = await pathsOn(simulator, DAY);
    expect(Object.keys(paths).toSorted()).toEqual(Object.keys(SHAPE).toSorted());
    for (const [dataset, path] of Object.entries(paths)) {
      const shape = SHAPE[dataset];
      const answer = await fetchFrom(simulator, path, GOALS_HEADER);
      expect(answer.status, dataset).toBe(typeof shape === 'number' ? shape : 200);
      if (typeof shape === 'string') expect(answer.body, dataset).toHaveProperty(shape);
      if (Array.isArray(shape)) expect(Array.isArray(answer.body), dataset).toBe(true);
    }
  }));

test('the other paths of a dataset tell the same story', () =>
  withSimulator({ now: NOW }, async (simulator) => {
    const get = async (path: string) => (await fetchFrom(simulator, path)).body;
    const summary = await get(`/usersummary-service/usersummary/daily?calendarDate=${DAY}`);
    const steps = await get(`/usersummary-service/stats/steps/daily/${DAY}/${DAY}`);
    const stress = await get(`/usersummary-service/stats/stress/daily/${DAY}/${DAY}`);
    const heart = await get(`/wellness-service/wellness/dailyHeartRate/?date=${DAY}`);
    const night = await get(`/hrv-service/hrv/${DAY}`);
    expect(steps[0].totalSteps).toBe(summary.totalSteps);
    expect(stress[0].values.overallStressLevel).toBe(summary.averageStressLevel);
    expect(heart.maxHeartRate).toBe(summary.maxHeartRate);
    expect(heart.heartRateValues).toHaveLength(720);
    expect(night.hrvReadings.length).toBeGreaterThan(60);
    const hill = await get(`/metrics-service/metrics/hillscore?calendarDate=${DAY}`);
    const endurance = await get(`/metrics-service/metrics/endurancescore?calendarDate=${DAY}`);
    expect([hill.calendarDate, endurance.calendarDate]).toEqual([DAY, DAY]);
    const [run] = await get(
      `/activitylist-service/activities/search/activities?startDate=${DAY}&endDate=${DAY}`,
    );
    expect(run.startTimeLocal.slice(0, 10)).toBe(DAY);
    expect(Object.keys(run).length).toBeGreaterThan(40);
  }));

test('wrong parameters are answered as Garmin answers them', () =>
  withSimulator({ now: NOW }, async (simulator) => {
    const get = (path: string, headers = {}) => fetchFrom(simulator, path, headers);
    expect((await get('/usersummary-service/stats/steps/daily/2026-01-01/2026-01-28')).status).toBe(200);
    expect((await get('/usersummary-service/stats/steps/daily/2026-01-01/2026-01-29')).status).toBe(400);
    const challenges = '/badgechallenge-service/badgeChallenge/completed?limit=100';
    expect((await get(`${challenges}&start=0`)).body.message).toBe('start should > 0.');
    const goals = '/goal-service/goal/goals?limit=30';
    expect((await get(goals)).status).toBe(400);
    expect((await get(`${goals}&status=active&start=1`)).body).toEqual([]);
    expect((await get(`${goals}&status=active&start=0`, GOALS_HEADER)).body).toEqual([]);
    expect((await get(`${goals}&status=active&start=1`, GOALS_HEADER)).body).toHaveLength(1);
    expect((await get('/wellness-service/wellness/dailyHeartRate/None?date=2026-03-17')).status).toBe(403);
    expect((await get('/wellness-service/wellness/dailyStress/None')).status).toBe(400);
    expect((await get('/no-service/such/path')).body).toEqual({
      message: 'HTTP 404 Not Found',
      error: 'NotFoundException',
    });
  }));

test('a person with cycle tracking has a calendar, one without is told so', async () => {
  const path = '/periodichealth-service/menstrualcycle/calendar/2026-01-01/2026-03-17';
  await withSimulator({ now: NOW }, async (simulator) => {
    expect((await fetchFrom(simulator, path)).body.message).toBe('MCT settings were not found');
  });
  await withSimulator({ now: NOW, features: { menstrual: true } }, async (simulator) => {
    expect((await fetchFrom(simulator, path)).body.cycleSummaries.length).toBeGreaterThan(2);
    expect((await fetchFrom(simulator, path.replace('2026-01', '2025-09'))).status).toBe(400);
  });
});

test('a watch without heart rate variability never has any', () =>
  withSimulator({ now: NOW, features: { hrv: false } }, async (simulator) => {
    expect((await fetchFrom(simulator, '/hrv-service/hrv/daily/2026-03-01/2026-03-17')).status).toBe(204);
    expect((await fetchFrom(simulator, `/hrv-service/hrv/${DAY}`)).status).toBe(204);
  }));
