import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import type { GarminSimulator } from './index.ts';
import { fetchFrom, withSimulator } from './testing.ts';

const FOLDER = fileURLToPath(new URL('../../../../shared/garmin/recorded', import.meta.url));
const present = existsSync(`${FOLDER}/index.json`);
if (!present) console.log(`Skipped: replay is tested with recorded answers, and ${FOLDER} is not there.`);

interface Entry {
  file: string;
  method: string;
  path: string;
  query: Record<string, string>;
  status: number;
}

const read = (file: string): string => readFileSync(`${FOLDER}/${file}`, 'utf8');
const replaying = (use: (simulator: GarminSimulator) => Promise<void>) =>
  withSimulator({ recordings: FOLDER }, use);

describe.skipIf(!present)('replay', () => {
  test('every recorded answer is served back byte for byte', () =>
    replaying(async (simulator) => {
      const index = (JSON.parse(read('index.json')) as Entry[]).filter(({ method }) => method === 'GET');
      expect(index.length).toBeGreaterThan(30);
      for (const entry of index) {
        const answer = await fetchFrom(simulator, `${entry.path}?${new URLSearchParams(entry.query)}`);
        expect([answer.status, answer.text], entry.file).toEqual([entry.status, read(entry.file)]);
      }
    }));

  test("a night asked at the dataset's other path, with a name, is the recorded night", () =>
    replaying(async (simulator) => {
      const path =
        '/wellness-service/wellness/dailySleepData/anyone?date=2025-07-07&nonSleepBufferMinutes=60';
      expect((await fetchFrom(simulator, path)).text).toBe(read('sleep/00_200.json'));
    }));

  test('a narrower range has the recorded rows of its days, to the digit', () =>
    replaying(async (simulator) => {
      const stress = await fetchFrom(
        simulator,
        '/usersummary-service/stats/stress/daily/2023-05-24/2023-05-24',
      );
      expect(stress.body).toHaveLength(1);
      expect(read('stress/00_200.json')).toContain(stress.text.slice(1, -1));
      const weight = await fetchFrom(simulator, '/weight-service/weight/range/2025-06-14/2025-06-15');
      expect(weight.body.dailyWeightSummaries).toHaveLength(2);
      const rows = /\[.*\](?=,"totalAverage")/.exec(weight.text)?.[0].slice(1, -1) ?? 'none';
      expect(read('weight/04_200.json')).toContain(rows);
      const hrv = await fetchFrom(simulator, '/hrv-service/hrv/daily/2023-07-20/2023-07-20');
      expect(read('hrv/06_200.json')).toContain(JSON.stringify(hrv.body.hrvSummaries[0]));
    }));

  test('scores recorded by the day are put together into the asked range', () =>
    replaying(async (simulator) => {
      const range = 'startDate=2025-07-01&endDate=2025-07-31&aggregation=daily';
      const { body, text } = await fetchFrom(simulator, `/metrics-service/metrics/hillscore/stats?${range}`);
      expect(body).toMatchObject({ startDate: '2025-07-01', periodAvgScore: {}, maxScore: null });
      expect(body.hillScoreDTOList).toHaveLength(2);
      expect(text).toContain(read('hill_score/00_200.json'));
    }));

  test('activities of a range come from all recorded pages, each once, newest first, in pages', () =>
    replaying(async (simulator) => {
      const path =
        '/activitylist-service/activities/search/activities?startDate=2020-01-01&endDate=2026-12-31';
      const all = await fetchFrom(simulator, `${path}&start=0&limit=100`);
      const ids = all.body.map((row: { activityId: number }) => row.activityId);
      expect(new Set(ids).size).toBe(ids.length);
      expect(ids.length).toBeGreaterThan(3);
      const second = await fetchFrom(simulator, `${path}&start=1&limit=1`);
      expect(second.body.map((row: { activityId: number }) => row.activityId)).toEqual([ids[1]]);
      const day = all.body[0].startTimeLocal.slice(0, 10);
      const one = await fetchFrom(
        simulator,
        `${path.split('?')[0]}?startDate=${day}&endDate=${day}&start=0&limit=100`,
      );
      expect(read('activities/08_200.json')).toContain('"activityId"');
      expect(one.body[0]).toEqual(all.body[0]);
    }));

  test('a training status recorded in a report is found by its day', () =>
    replaying(async (simulator) => {
      const path = '/metrics-service/metrics/trainingstatus/aggregated/';
      const latest = await fetchFrom(simulator, `${path}2025-06-11`);
      expect(latest.body.mostRecentTrainingStatus.latestTrainingStatusData).toBeDefined();
      const inReport = await fetchFrom(simulator, `${path}2025-05-10`);
      const rows = Object.values(inReport.body.mostRecentTrainingStatus.latestTrainingStatusData);
      expect(rows[0]).toMatchObject({ calendarDate: '2025-05-10' });
    }));

  test('what was not recorded is empty; what does not exist is not found; the profile is invented', () =>
    replaying(async (simulator) => {
      const empty = await fetchFrom(simulator, '/wellness-service/wellness/dailyStress/2001-01-01');
      expect([empty.status, empty.text]).toEqual([204, '']);
      expect((await fetchFrom(simulator, '/no-service/such/path')).status).toBe(404);
      const profile = await fetchFrom(simulator, '/userprofile-service/socialProfile');
      expect(profile.body.fullName).toBe('Simulated Runner');
    }));
});
