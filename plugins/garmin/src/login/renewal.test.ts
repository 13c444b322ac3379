import { describe, expect, test } from 'vitest';
import { ask, expectAtHome, failureOf, regions, saved, startRegion } from '../../test/regional.ts';
import { memoryTokens } from '../../test/server.ts';

describe.each(regions)('with isChina $isChina', ({ isChina, domain }) => {
  const at = (...names: string[]) => names.map((name) => `${name}.${domain}`);

  test('a session whose access ended is renewed at the region it belongs to', async () => {
    const region = await startRegion(isChina);
    const tokens = memoryTokens();
    await region.open({ tokens, signIn: ask });
    const first = saved(tokens)['refresh_token'];
    region.simulator.expireAccess();
    const before = region.asked.length;
    await region.open({ tokens });
    expect(region.hosts().slice(before)).toEqual(at('connectapi', 'diauth', 'connectapi'));
    expect(saved(tokens)['refresh_token']).not.toBe(first);
    region.simulator.changePassword('another');
    region.simulator.expireAccess();
    expect(await failureOf(region, { tokens })).toMatchObject({
      code: 'needs_user',
      message: expect.stringContaining('npx otw login garmin'),
    });
    const dead = region.asked.length;
    await failureOf(region, { tokens });
    expect(region.asked).toHaveLength(dead);
  });

  test('where the exchange is refused, the OAuth 2 refresh token is tried at the DI endpoint', async () => {
    const region = await startRegion(isChina);
    const tokens = memoryTokens();
    const { oauth1_token = null, oauth2_token = null } = region.files('oauth');
    await region.open({ tokens, signIn: { way: 'import', files: { oauth1_token, oauth2_token } } });
    region.simulator.answer('/oauth-service/oauth/exchange', { fault: 'rate-limited' });
    region.simulator.expireAccess();
    const before = region.hosts().length;
    await region.open({ tokens });
    expect(region.hosts().slice(before)).toEqual(at('connectapi', 'connectapi', 'diauth', 'connectapi'));
    region.simulator.answer('/di-oauth2-service', { fault: 'server-error' });
    region.simulator.expireAccess();
    expect(await failureOf(region, { tokens })).toMatchObject({ code: 'rate_limited' });
    expectAtHome(region);
  });
});
