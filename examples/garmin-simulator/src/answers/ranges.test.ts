import { expect, test } from 'vitest';
import type { GarminSimulator } from '../index.ts';
import { fetchFrom, postTo, shanghai, withSimulator } from '../testing.ts';

const NOW = shanghai('2026-03-20T12:00');
const RANGE = '2026-03-01/2026-03-20';
const DAYS = Array.from({ length: 20 }, (_, index) => `2026-03-${String(index + 1).padStart(2, '0')}`);

const getter = (simulator: GarminSimulator) => async (path: string) =>
  (await fetchFrom(simulator, path)).body;

interface Row {
  calendarDate: string;
  values: Record<string, number | null>;
}

const query = (name: string, start: string, end: string) => ({
  query: `query{${name}(startDate:"${start}",endDate:"${end}")}`,
});

const ask = async (simulator: GarminSimulator, body: Record<string, unknown>) =>
  postTo(simulator, '/graphql-gateway/graphql', body, { authorization: 'Bearer simulated-x' });

test('the range of summaries tells of each day what the day itself tells', () =>
  withSimulator({ now: NOW }, async (simulator) => {
    const get = getter(simulator);
    const rows: Row[] = await get(`/usersummary-service/stats/daily/${RANGE}`);
    expect(rows.map(({ calendarDate }) => calendarDate)).toEqual(DAYS);
    const unworn = rows.filter(({ values }) => Object.values(values).every((value) => value === null));
    expect(unworn.length).toBeGreaterThan(0);
    for (const { calendarDate, values } of rows) {
      const day = await get(`/usersummary-service/usersummary/daily?calendarDate=${calendarDate}`);
      expect(values, calendarDate).toMatchObject({
        totalSteps: day.totalSteps,
        totalDistance: day.totalDistanceMeters,
        restingHeartRate: day.restingHeartRate,
        averageStressLevel: day.averageStressLevel,
        bodyBatteryHighestValue: day.bodyBatteryHighestValue,
        sleepingSeconds: day.sleepingSeconds,
      });
    }
  }));

test('the ranges of nights and of scores tell what each night tells', () =>
  withSimulator({ now: NOW }, async (simulator) => {
    const get = getter(simulator);
    const { individualStats }: { individualStats: Row[] } = await get(
      `/sleep-service/stats/sleep/daily/${RANGE}`,
    );
    const scores = await get(`/wellness-service/stats/daily/sleep/score/${RANGE}`);
    expect(individualStats.length).toBeGreaterThan(15);
    expect(scores).toEqual(
      individualStats.map(({ calendarDate, values }) => ({ calendarDate, value: values['sleepScore'] })),
    );
    for (const { calendarDate, values } of individualStats) {
      const { dailySleepDTO: night } = await get(`/sleep-service/sleep/dailySleepData?date=${calendarDate}`);
      expect(values, calendarDate).toMatchObject({
        remTime: night.remSleepSeconds,
        deepTime: night.deepSleepSeconds,
        totalSleepTimeInSeconds: night.sleepTimeSeconds,
        gmtSleepStartTimeInMillis: night.sleepStartTimestampGMT,
      });
    }
  }));

test("the gateway's report has the training status of each day, in its envelope", () =>
  withSimulator({ now: NOW }, async (simulator) => {
    const get = getter(simulator);
    const report = await get(`/mobile-gateway/usersummary/trainingstatus/weekly/${RANGE}`);
    expect(report.vo2MaxWeeklyStatistics).toMatchObject({ statusCode: 200, successful: true });
    const rows = Object.values(report.weeklyTrainingStatus.payload.reportData).flat() as Row[];
    expect(rows.length).toBeGreaterThan(15);
    for (const row of rows) {
      const day = await get(`/metrics-service/metrics/trainingstatus/aggregated/${row.calendarDate}`);
      expect(Object.values(day.mostRecentTrainingStatus.latestTrainingStatusData)).toEqual([row]);
    }
  }));

test('readiness of a range comes by GraphQL, the same as day by day', () =>
  withSimulator({ now: NOW }, async (simulator) => {
    const get = getter(simulator);
    const { body } = await ask(simulator, query('trainingReadinessRangeScalar', '2026-03-14', '2026-03-20'));
    const days = await Promise.all(
      DAYS.slice(13).map((day) => get(`/metrics-service/metrics/trainingreadiness/${day}`)),
    );
    expect(days.flat().length).toBeGreaterThan(10);
    expect(body).toEqual({ data: { trainingReadinessRangeScalar: days.flat() } });
  }));

test('faults of a query come with status 200, and a request without one with 400', () =>
  withSimulator({ now: NOW }, async (simulator) => {
    for (const name of ['noSuchScalar', 'constructor']) {
      const unknown = await ask(simulator, query(name, '2026-03-14', '2026-03-20'));
      expect([unknown.status, unknown.body.data]).toEqual([200, null]);
      expect(unknown.body.errors[0].message).toContain(`FieldUndefined@[${name}]`);
    }
    const long = await ask(simulator, query('trainingReadinessRangeScalar', '2024-01-01', '2026-03-20'));
    expect(long.body.errors[0].extensions.response.status).toBe(400);
    expect((await ask(simulator, { nothing: true })).status).toBe(400);
  }));

test.each([
  ['/usersummary-service/stats/daily/:s/:e', 28],
  ['/usersummary-service/stats/steps/daily/:s/:e', 28],
  ['/usersummary-service/stats/stress/daily/:s/:e', 28],
  ['/usersummary-service/stats/im/daily/:s/:e', 28],
  ['/usersummary-service/stats/hydration/daily/:s/:e', 28],
  ['/sleep-service/stats/sleep/daily/:s/:e', 28],
  ['/wellness-service/stats/daily/sleep/score/:s/:e', 28],
  ['/hrv-service/hrv/daily/:s/:e', 28],
  ['/wellness-service/wellness/bodyBattery/reports/daily?startDate=:s&endDate=:e', 31],
  ['/mobile-gateway/usersummary/trainingstatus/weekly/:s/:e', 364],
  ['/weight-service/weight/range/:s/:e', 365],
  ['/metrics-service/metrics/maxmet/daily/:s/:e', 365],
  ['/metrics-service/metrics/racepredictions/daily?fromCalendarDate=:s&toCalendarDate=:e', 366],
])('%s takes %i days and not one more', (path, days) =>
  withSimulator({ now: NOW }, async (simulator) => {
    const end = Date.parse('2026-03-19T00:00:00Z');
    const status = async (count: number) => {
      const start = new Date(end - (count - 1) * 86_400_000).toISOString().slice(0, 10);
      return (await fetchFrom(simulator, path.replace(':s', start).replace(':e', '2026-03-19'))).status;
    };
    expect([await status(days), await status(days + 1)]).toEqual([200, 400]);
  }),
);
