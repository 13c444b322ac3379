import type { JsonValue } from '@on-the-way/sdk';
import { afterEach, expect, test, vi } from 'vitest';
import { startServer } from '../test/server.ts';
import { openSession, readFrom } from '../test/session.ts';
import { addDays } from '@on-the-way/sdk';

const today = '2031-03-20';

afterEach(() => vi.useRealTimers());

/** Days without readings, by dataset, and the same with one. */
const days: [string, Record<string, JsonValue>, Record<string, JsonValue>][] = [
  [
    'heart_rate',
    { restingHeartRate: 50, maxHeartRate: 120, heartRateValues: null },
    { heartRateValues: [[1, 60]] },
  ],
  [
    'stress',
    { avgStressLevel: 30, stressValuesArray: [], bodyBatteryValuesArray: [] },
    { stressValuesArray: [[1, 30]] },
  ],
  [
    'stress',
    { avgStressLevel: 30, stressValuesArray: null },
    { bodyBatteryValuesArray: [[1, 'MEASURED', 50, 2]] },
  ],
  [
    'respiration',
    { avgWakingRespirationValue: 14, respirationValuesArray: null },
    { respirationValuesArray: [[1, 14]] },
  ],
  ['spo2', { averageSpO2: 96, spO2HourlyAverages: null }, { spO2HourlyAverages: [[1, 96]] }],
  [
    'sleep',
    { dailySleepDTO: { id: 1, sleepTimeSeconds: 25_000 }, sleepLevels: [], sleepMovement: null },
    { sleepLevels: [{ startGMT: 'x', activityLevel: 1 }] },
  ],
];

async function notesOf(dataset: string, json: unknown, ageInDays: number) {
  vi.useFakeTimers({ toFake: ['Date'], now: Date.parse(`${today}T12:00:00Z`) });
  const server = await startServer(() => ({ json }));
  const from = addDays(today, -ageInDays);
  const records = await readFrom(openSession(server.origin), dataset, { from, to: addDays(from, 1) });
  return records.map(({ note }) => note);
}

test.each(days)(
  '%s of half a year ago without readings is kept as offloaded: %j',
  async (name, day, reading) => {
    expect(await notesOf(name, day, 200)).toEqual(['offloaded']);
    expect(await notesOf(name, { ...day, ...reading }, 200)).toEqual([undefined]);
    expect(await notesOf(name, day, 100)).toEqual([undefined]);
  },
);

test('an old day without anything is no record', async () => {
  expect(await notesOf('heart_rate', { restingHeartRate: null, heartRateValues: null }, 200)).toEqual([]);
});
