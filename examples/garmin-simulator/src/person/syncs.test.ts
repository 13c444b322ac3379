import { expect, test } from 'vitest';
import type { GarminSimulator, Syncs } from '../index.ts';
import { fetchFrom, shanghai, withSimulator } from '../testing.ts';

const TODAY = '2026-03-17';

async function lastUpload(simulator: GarminSimulator): Promise<number> {
  return (await fetchFrom(simulator, '/device-service/deviceservice/mylastused')).body
    .lastUsedDeviceUploadTime;
}

async function heartSamples(simulator: GarminSimulator): Promise<number> {
  const { body } = await fetchFrom(simulator, `/wellness-service/wellness/dailyHeartRate?date=${TODAY}`);
  return body.heartRateValues?.length ?? 0;
}

const at = (wallClock: string): number => shanghai(wallClock)();

test.each<[string, Syncs | undefined, string]>([
  ['nothing said', undefined, `${TODAY}T07:30`],
  ['steady syncs', 'steady', `${TODAY}T15:45`],
  ['hours of the clock', { hours: [9, 13.25, 23] }, `${TODAY}T13:15`],
  ['a function', (now) => now - 7_200_000, `${TODAY}T13:50`],
])('with %s the watch has uploaded up to its last sync, and nothing later', (_name, syncs, expected) =>
  withSimulator({ now: shanghai(`${TODAY}T15:50`), ...(syncs && { syncs }) }, async (simulator) => {
    expect(await lastUpload(simulator)).toBe(at(expected));
    const minutes = (at(expected) - at(`${TODAY}T00:00`)) / 60_000;
    expect(await heartSamples(simulator)).toBe(Math.ceil(minutes / 2));
  }),
);

test('a watch without a schedule uploads when told to', async () => {
  let now = at(`${TODAY}T08:00`);
  await withSimulator({ now: () => now, syncs: { hours: [] } }, async (simulator) => {
    now = at('2026-03-18T08:00');
    expect([await lastUpload(simulator), await heartSamples(simulator)]).toEqual([at(`${TODAY}T08:00`), 240]);
    simulator.sync();
    expect([await lastUpload(simulator), await heartSamples(simulator)]).toEqual([now, 720]);
  });
});

test('what the person enters is known at once, without a sync', async () => {
  let now = at('2026-02-16T08:00');
  await withSimulator({ now: () => now, syncs: { hours: [] } }, async (simulator) => {
    now = at(`${TODAY}T23:59`);
    const count = async (path: string, member: string) =>
      (await fetchFrom(simulator, path)).body[member].length;
    const range = '2026-02-17/2026-03-17';
    const weights = `/weight-service/weight/range/${range}?includeAll=true`;
    const pressures = `/bloodpressure-service/bloodpressure/range/${range}`;
    expect(await count(weights, 'dailyWeightSummaries')).toBeGreaterThan(2);
    expect(await count(pressures, 'measurementSummaries')).toBeGreaterThan(0);
    const water = await fetchFrom(
      simulator,
      '/usersummary-service/stats/hydration/daily/2026-03-01/2026-03-17',
    );
    expect(water.body.filter((row: { valueInML: number | null }) => row.valueInML !== null)).not.toEqual([]);
    expect(await heartSamples(simulator)).toBe(0);
  });
});

test('a sync in the middle of the night does not know how the night ends', () =>
  withSimulator({ now: shanghai(`${TODAY}T03:00`), syncs: 'steady' }, async (simulator) => {
    const { body } = await fetchFrom(simulator, `/sleep-service/sleep/dailySleepData?date=${TODAY}`);
    expect(body.dailySleepDTO.id).toBeNull();
  }));
