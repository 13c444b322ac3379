import { expect, test } from 'vitest';
import type { GarminSimulator } from './index.ts';
import { fetchFrom, shanghai, withSimulator } from './testing.ts';

const TODAY = '2026-03-17';

async function heartRateOf(simulator: GarminSimulator, day: string) {
  return (await fetchFrom(simulator, `/wellness-service/wellness/dailyHeartRate?date=${day}`)).body;
}

/** What is seen of a day at a time of the person's clock. */
async function seenAt(wallClock: string, day: string) {
  const seen = { samples: 0, night: false, run: false, hrv: 0 };
  await withSimulator({ now: shanghai(wallClock) }, async (simulator) => {
    const heart = await heartRateOf(simulator, day);
    const sleep = await fetchFrom(simulator, `/sleep-service/sleep/dailySleepData?date=${day}`);
    const list = '/activitylist-service/activities/search/activities';
    const runs = await fetchFrom(simulator, `${list}?startDate=${day}&endDate=${day}`);
    seen.samples = heart.heartRateValues?.length ?? 0;
    seen.night = sleep.body.dailySleepDTO.id !== null;
    seen.run = runs.body.length > 0;
    seen.hrv = (await fetchFrom(simulator, `/hrv-service/hrv/${day}`)).status;
  });
  return seen;
}

test('today grows with the two syncs and is whole the next morning', async () => {
  expect(await seenAt(`${TODAY}T07:00`, TODAY)).toEqual({ samples: 0, night: false, run: false, hrv: 204 });
  const morning = { samples: 225, night: true, run: false, hrv: 200 };
  expect(await seenAt(`${TODAY}T08:00`, TODAY)).toEqual(morning);
  expect(await seenAt(`${TODAY}T21:00`, TODAY)).toEqual(morning);
  const evening = { samples: 645, night: true, run: true, hrv: 200 };
  expect(await seenAt(`${TODAY}T22:00`, TODAY)).toEqual(evening);
  expect(await seenAt('2026-03-18T07:00', TODAY)).toEqual(evening);
  expect(await seenAt('2026-03-18T08:00', TODAY)).toEqual({ ...evening, samples: 720 });
});

test('tomorrow and the days before the first watch hold nothing', () =>
  withSimulator({ now: shanghai(`${TODAY}T12:00`) }, async (simulator) => {
    for (const day of ['2026-03-18', '2024-02-29']) {
      expect(await heartRateOf(simulator, day)).toMatchObject({
        calendarDate: day,
        heartRateValues: null,
        restingHeartRate: null,
        maxHeartRate: null,
        minHeartRate: null,
        lastSevenDaysAvgRestingHeartRate: null,
      });
      const range = await fetchFrom(simulator, `/usersummary-service/stats/steps/daily/${day}/${day}`);
      expect(range.body).toEqual([]);
    }
    const summary = '/usersummary-service/usersummary/daily?calendarDate=';
    expect((await fetchFrom(simulator, `${summary}2024-02-29`)).status).toBe(404);
    expect((await fetchFrom(simulator, `${summary}2026-03-18`)).body.includesWellnessData).toBe(false);
  }));

test('about one day in fifteen the watch was not worn, and every answer agrees on which', () =>
  withSimulator({ now: shanghai('2026-03-20T12:00') }, async (simulator) => {
    const rows = '/userstats-service/wellness/daily?metricId=60&fromDate=2025-03-20&untilDate=2026-03-19';
    const { body } = await fetchFrom(simulator, rows);
    const values: { value: number | null; calendarDate: string }[] =
      body.allMetrics.metricsMap.WELLNESS_RESTING_HEART_RATE;
    const unworn = values.filter(({ value }) => value === null).map(({ calendarDate }) => calendarDate);
    expect(unworn.length).toBeGreaterThan(365 / 25);
    expect(unworn.length).toBeLessThan(365 / 9);
    const day = unworn[0] ?? '';
    expect((await heartRateOf(simulator, day)).heartRateValues).toBeNull();
    expect((await fetchFrom(simulator, `/hrv-service/hrv/${day}`)).status).toBe(204);
    expect((await fetchFrom(simulator, `/metrics-service/metrics/trainingreadiness/${day}`)).body).toEqual(
      [],
    );
    const summary = await fetchFrom(simulator, `/usersummary-service/usersummary/daily?calendarDate=${day}`);
    expect(summary.body).toMatchObject({
      includesWellnessData: false,
      dailyStepGoal: null,
      totalSteps: null,
    });
  }));
