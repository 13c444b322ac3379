import { expect, test } from 'vitest';
import type { GarminSimulator } from './index.ts';
import { fetchFrom, postTo, shanghai, withSimulator } from './testing.ts';

const KEY = 'simulated-personal-key';
const options = { personalApiKey: KEY, now: shanghai('2026-03-20T12:00') };

const askBearer = (simulator: GarminSimulator, key: string) =>
  postTo(simulator, '/personalapitoken-service/personal-api/personal-api-key/token', new URLSearchParams(), {
    authorization: `ApiKey ${key}`,
  });

test('a key is exchanged for a bearer of a day, which reads what the Personal API serves', () =>
  withSimulator(options, async (simulator) => {
    const { body } = await askBearer(simulator, KEY);
    expect(body).toMatchObject({ token_type: 'Bearer', expires_in: 86_400 });
    const status = async (path: string) =>
      (await fetchFrom(simulator, path, { authorization: `Bearer ${body.access_token}` })).status;
    expect(await status('/weight-service/weight/range/2026-03-01/2026-03-17?includeAll=true')).toBe(200);
    expect(await status('/hrv-service/hrv/daily/2026-03-01/2026-03-17')).toBe(200);
    expect(await status('/usersummary-service/stats/stress/daily/2026-02-01/2026-03-17')).toBe(400);
    for (const path of [
      '/metrics-service/metrics/trainingreadiness/2026-03-17',
      '/workout-service/workouts?start=0&limit=100',
      '/badge-service/badge/earned',
      '/device-service/deviceregistration/devices',
    ]) {
      expect(await status(path), path).toBe(404);
    }
  }));

test('a wrong key and no key set up are refused', async () => {
  await withSimulator(options, async (simulator) => {
    expect((await askBearer(simulator, 'wrong')).status).toBe(401);
  });
  await withSimulator({}, async (simulator) => {
    expect((await askBearer(simulator, 'undefined')).status).toBe(401);
  });
});
