import { describe, expect, test } from 'vitest';
import { ask, expectAtHome, failureOf, regions, startRegion } from '../../test/regional.ts';
import { memoryTokens } from '../../test/server.ts';

describe.each(regions)('with isChina $isChina', ({ isChina, domain }) => {
  const at = (...names: string[]) => names.map((name) => `${name}.${domain}`);

  test('a Personal API key opens its own host, once a day, and needs no profile', async () => {
    const region = await startRegion(isChina, { personalApiKey: 'key-canary' });
    const tokens = memoryTokens();
    const config = { personalApiKey: 'key-canary', personalApiKeyExpiresOn: '2020-01-01' };
    const { apis, profile } = await region.open({ tokens, config });
    expect(Object.keys(apis)).toEqual(['personal']);
    expect(profile.profileId).toBeUndefined();
    await region.open({ tokens, config });
    expect(region.hosts()).toEqual(at('personal.connectapi'));
    expect(region.logged.join()).toContain('ended on 2020-01-01');
    await apis.personal?.get('/userprofile-service/socialProfile');
    region.simulator.expireAccess();
    await apis.personal?.get('/userprofile-service/socialProfile');
    expect(region.hosts()).toEqual(Array.from({ length: 5 }, () => `personal.connectapi.${domain}`));
    expectAtHome(region);
  });

  test.each([
    [60, undefined],
    [15, undefined],
    [14, 'ends in 14 days'],
    [1, 'ends in 1 day,'],
    [0, 'ended on'],
    [-5, 'ended on'],
  ])('a Personal API key whose last day is %d days away is warned about: %s', async (days, words) => {
    const region = await startRegion(isChina, { personalApiKey: 'key-canary' });
    const day = new Date(Date.now() + days * 86_400_000).toISOString().slice(0, 10);
    await region.open({ config: { personalApiKey: 'key-canary', personalApiKeyExpiresOn: day } });
    if (words === undefined) expect(region.logged).toEqual([]);
    else expect(region.logged.join()).toContain(words);
  });

  test('a refused Personal API key is warned about beside a session, and names itself alone', async () => {
    const region = await startRegion(isChina);
    const config = { personalApiKey: 'key-canary' };
    expect(await failureOf(region, { config })).toMatchObject({
      code: 'needs_user',
      message: expect.stringContaining('GARMIN_PERSONAL_API_KEY'),
    });
    const { apis } = await region.open({ config, signIn: ask });
    expect(Object.keys(apis)).toEqual(['connect']);
    expect(region.logged.join()).toContain('GARMIN_PERSONAL_API_KEY');
    expectAtHome(region);
  });
});
