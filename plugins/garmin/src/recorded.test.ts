import { existsSync, readFileSync } from 'node:fs';
import type { JsonValue } from '@on-the-way/sdk';
import { describe, expect, test } from 'vitest';
import { emptyTests, type DatasetName } from './empty.ts';

interface Recording {
  readonly file: string;
  readonly path: string;
  readonly status: number;
}

const recorded = new URL('../../../../shared/garmin/recorded/', import.meta.url);
const hasRecorded = existsSync(new URL('index.json', recorded));
const skipped = hasRecorded ? '' : ' (skipped: no folder of recorded answers)';

/** Recorded paths whose answer is one record, by their beginning, and the answers that are empty. */
const recordedPaths: [DatasetName, string][] = [
  ['user_summary', '/usersummary-service/usersummary/daily'],
  ['sleep', '/sleep-service/sleep/dailySleepData'],
  ['sleep', '/wellness-service/wellness/dailySleepData'],
  ['heart_rate', '/wellness-service/wellness/dailyHeartRate'],
  ['stress', '/wellness-service/wellness/dailyStress'],
  ['hrv', '/hrv-service/hrv/20'],
  ['training_readiness', '/metrics-service/metrics/trainingreadiness'],
  ['training_status', '/mobile-gateway/usersummary/trainingstatus/latest'],
  ['hill_score', '/metrics-service/metrics/hillscore'],
  ['endurance_score', '/metrics-service/metrics/endurancescore'],
];

function answersOf(begin: string): { file: string; data: JsonValue }[] {
  const index = JSON.parse(readFileSync(new URL('index.json', recorded), 'utf8')) as Recording[];
  return index
    .filter(({ path, status }) => path.startsWith(begin) && status < 300)
    .map(({ file }) => ({ file, text: readFileSync(new URL(file, recorded), 'utf8') }))
    .map(({ file, text }) => ({ file, data: text === '' ? null : (JSON.parse(text) as JsonValue) }));
}

describe.skipIf(!hasRecorded)(`recorded answers${skipped}`, () => {
  test.each(recordedPaths)('%s from %s is empty only where the body is', (name, begin) => {
    const answers = answersOf(begin);
    expect(answers.length).toBeGreaterThan(0);
    for (const { file, data } of answers) {
      expect([file, emptyTests[name](data)]).toEqual([file, data === null]);
    }
  });

  test('rows of recorded ranges are not empty', () => {
    const minutes = answersOf('/usersummary-service/stats/im/daily').flatMap(
      ({ data }) => data as JsonValue[],
    );
    expect(minutes.some((row) => !emptyTests.intensity_minutes(row))).toBe(true);
    const water = answersOf('/usersummary-service/stats/hydration/daily').flatMap(
      ({ data }) => data as JsonValue[],
    );
    expect(water.every((row) => !emptyTests.hydration(row))).toBe(true);
    const [shell, full] = answersOf('/weight-service/weight/dayview').map(({ data }) => data);
    expect([emptyTests.body_composition(shell ?? null), emptyTests.body_composition(full ?? null)]).toEqual([
      true,
      false,
    ]);
  });
});
