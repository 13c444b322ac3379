import { describe, expect, test } from 'vitest';
import { ask, failureOf, regions, saved, startRegion } from '../../test/regional.ts';
import { memoryTokens } from '../../test/server.ts';

describe.each(regions)('with isChina $isChina', ({ isChina, other }) => {
  test('a token that is not active is removed, and what was there before comes back', async () => {
    const region = await startRegion(isChina);
    const tokens = memoryTokens();
    await region.open({ tokens, signIn: ask });
    const before = tokens.stored.get('session');
    region.simulator.answer('/userprofile-service', { fault: 'token-inactive' });
    expect(await failureOf(region, { tokens, signIn: ask })).toMatchObject({
      code: 'needs_user',
      message: expect.stringMatching(/not active.*removed/),
    });
    expect(tokens.stored.get('session')).toEqual(before);
    const fresh = memoryTokens();
    await failureOf(region, { tokens: fresh, signIn: ask });
    expect(fresh.stored.has('session')).toBe(false);
  });

  test('a new token that cannot be tried out for a moment is kept, and bound by the next run', async () => {
    const region = await startRegion(isChina);
    const tokens = memoryTokens();
    region.simulator.answer('/userprofile-service', { fault: 'bad-gateway', times: 1 });
    expect(await failureOf(region, { tokens, signIn: ask })).toMatchObject({ code: 'transient' });
    expect(saved(tokens)).not.toHaveProperty('verified_at');
    await region.open({ tokens });
    expect(saved(tokens)).toHaveProperty('verified_at');
  });

  test.each(['garmin_tokens', 'oauth'] as const)(
    '%s of the other region is refused before a request',
    async (kind) => {
      const region = await startRegion(isChina);
      const files = region.files(kind, other);
      for (const options of [
        { signIn: { way: 'import', files } as const },
        { tokens: memoryTokens(files) },
      ]) {
        expect(await failureOf(region, options)).toMatchObject({
          code: 'config',
          message: expect.stringContaining(`set GARMIN_IS_CN (isChina), now ${isChina}, to ${!isChina}`),
        });
      }
      expect(region.asked).toEqual([]);
    },
  );

  test('tokens that do not tell their region are found out by the profile or the renewal', async () => {
    const region = await startRegion(isChina, { foreignTokens: 'empty-profile' });
    region.simulator.edit('/userprofile-service/socialProfile', () => ({ displayName: null }));
    const files = { garmin_tokens: { di_token: 'simulated-a', di_refresh_token: 'simulated-b' } };
    expect(await failureOf(region, { signIn: { way: 'import', files } })).toMatchObject({
      code: 'config',
      message: expect.stringContaining('GARMIN_IS_CN'),
    });
    const { refresh_token } = region.simulator.issueTokens({ region: other });
    const opaque = { garmin_tokens: { di_refresh_token: refresh_token } };
    const tokens = memoryTokens();
    const unknown = await failureOf(region, { tokens, signIn: { way: 'import', files: opaque } });
    expect(unknown).toMatchObject({ code: 'config', message: expect.stringContaining('GARMIN_IS_CN') });
    expect(tokens.stored.has('session')).toBe(false);
  });

  test("another account's tokens are not taken, but a password sign-in only warns", async () => {
    const region = await startRegion(isChina);
    const config = { email: 'someone.else@example.org' };
    const tokens = memoryTokens();
    const files = region.files('garmin_tokens');
    expect(await failureOf(region, { tokens, config, signIn: { way: 'import', files } })).toMatchObject({
      code: 'config',
      message: expect.stringContaining('another account'),
    });
    expect(tokens.stored.has('session')).toBe(false);
    region.simulator.edit('/userprofile-service', (body: object) => ({
      ...body,
      userName: 'new@example.org',
    }));
    await region.open({ tokens, signIn: ask });
    expect(region.logged.join()).toContain('another address');
    expect(region.logged.join()).not.toContain('new@');
  });

  test('a saved session is refused for another region, another account, another profile', async () => {
    const region = await startRegion(isChina);
    const tokens = memoryTokens();
    await region.open({ tokens, signIn: ask });
    const asked = region.asked.length;
    const moved = await startRegion(!isChina);
    expect(await failureOf(moved, { tokens })).toMatchObject({
      code: 'config',
      message: expect.stringContaining('GARMIN_IS_CN'),
    });
    expect(moved.asked).toEqual([]);
    expect(await failureOf(region, { tokens, config: { email: 'someone.else@example.org' } })).toMatchObject({
      code: 'config',
      message: expect.stringContaining('another account'),
    });
    expect(region.asked).toHaveLength(asked);
    region.simulator.edit('/userprofile-service', (body: object) => ({ ...body, profileId: 99 }));
    expect(await failureOf(region, { tokens })).toMatchObject({
      code: 'auth',
      message: expect.stringContaining('npx otw login garmin'),
    });
  });
});
