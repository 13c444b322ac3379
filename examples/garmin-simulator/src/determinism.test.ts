import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { fetchFrom, primaryPaths, shanghai, withSimulator } from './testing.ts';

const DAYS = ['2025-11-02', '2026-03-08', '2026-03-17'];
const SNAPSHOTS = new Set(['workouts', 'training_plans', 'devices', 'gear', 'goals', 'badges', 'challenges']);

/** One digest of every dated answer of some days. */
async function digestAt(wallClock: string, seed: string): Promise<string> {
  const hash = createHash('sha256');
  await withSimulator({ now: shanghai(wallClock), seed }, async (simulator) => {
    const { body } = await fetchFrom(simulator, '/userprofile-service/socialProfile');
    for (const day of DAYS) {
      for (const [dataset, path] of Object.entries(primaryPaths(day, body.displayName, body.profileId))) {
        if (!SNAPSHOTS.has(dataset)) hash.update((await fetchFrom(simulator, path)).text);
      }
    }
  });
  return hash.digest('hex');
}

test('a day that is over is the same to the byte, whoever asks and whenever', async () => {
  const digest = await digestAt('2026-03-18T07:30', 'demo');
  expect(await digestAt('2026-03-18T07:30', 'demo')).toBe(digest);
  expect(await digestAt('2027-09-01T23:59', 'demo')).toBe(digest);
  expect(await digestAt('2026-03-18T07:30', 'another')).not.toBe(digest);
});

/** Every snapshot, as text. */
async function snapshotsAt(wallClock: string): Promise<string[]> {
  const texts: string[] = [];
  await withSimulator({ now: shanghai(wallClock) }, async (simulator) => {
    const { body } = await fetchFrom(simulator, '/userprofile-service/socialProfile');
    const paths = primaryPaths('2026-03-17', body.displayName, body.profileId);
    for (const dataset of SNAPSHOTS) {
      const headers = { 'sec-fetch-site': 'same-origin' };
      texts.push((await fetchFrom(simulator, paths[dataset] ?? '', headers)).text);
    }
  });
  return texts;
}

test('snapshots hold still all day', async () => {
  const atMidnight = await snapshotsAt('2026-03-17T00:00');
  expect(await snapshotsAt('2026-03-17T12:00')).toEqual(atMidnight);
  expect(await snapshotsAt('2026-03-17T23:59')).toEqual(atMidnight);
});

/** Runs in a process of its own, because a process reads TZ once. */
const SCRIPT = `
const { startGarminSimulator } = await import(process.argv[1]);
for (const timeZone of ['Asia/Shanghai', 'America/New_York']) {
  const simulator = await startGarminSimulator({ now: () => Date.UTC(2026, 2, 20), timeZone });
  for (const path of [
    '/wellness-service/wellness/dailyHeartRate?date=2026-03-08',
    '/sleep-service/sleep/dailySleepData?date=2026-03-08',
    '/activitylist-service/activities/search/activities?startDate=2026-03-01&endDate=2026-03-20',
    '/usersummary-service/usersummary/daily?calendarDate=2026-03-20',
    '/weight-service/weight/range/2026-03-01/2026-03-20?includeAll=true',
  ]) {
    const answer = await fetch(simulator.origin + path, { headers: { authorization: 'Bearer simulated-x' } });
    console.log(await answer.text());
  }
  await simulator.close();
}`;

test('the zone of the process makes no difference', () => {
  const outputs = ['UTC', 'America/Los_Angeles'].map((zone) => {
    const index = new URL('./index.ts', import.meta.url).href;
    const child = spawnSync(process.execPath, ['--input-type=module', '-e', SCRIPT, index], {
      env: { ...process.env, TZ: zone },
      encoding: 'utf8',
    });
    expect(child.stderr).not.toContain('Error');
    return child.stdout;
  });
  expect(outputs[0]?.length).toBeGreaterThan(10_000);
  expect(outputs[1]).toBe(outputs[0]);
});

test('a day of changing clocks is as long as it really was', () =>
  withSimulator({ now: () => Date.UTC(2026, 2, 20), timeZone: 'America/New_York' }, async (simulator) => {
    const { body } = await fetchFrom(simulator, '/wellness-service/wellness/dailyHeartRate?date=2026-03-08');
    expect(body).toMatchObject({
      startTimestampGMT: '2026-03-08T05:00:00.0',
      endTimestampGMT: '2026-03-09T04:00:00.0',
      startTimestampLocal: '2026-03-08T00:00:00.0',
      endTimestampLocal: '2026-03-09T00:00:00.0',
    });
  }));
