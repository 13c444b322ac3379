import { describe, expect, test } from 'vitest';
import { ask, failureOf, regions, saved, startRegion, type StartedRegion } from '../../test/regional.ts';
import { memoryTokens } from '../../test/server.ts';

const profilePath = '/userprofile-service';
const otherAccount = { code: 'config', message: expect.stringContaining('another account') };

/** What a person hands over: token files, or a ticket of their own browser. */
async function handOver(region: StartedRegion, way: 'import' | 'ticket') {
  if (way === 'import') return { way, files: region.files('garmin_tokens') } as const;
  const service = `https://mobile.integration.${region.domain}/gcm/ios`;
  const query = new URLSearchParams({ clientId: 'GCM_IOS_DARK', service });
  const page = `https://sso.${region.domain}/mobile/sso/en-US/sign-in?${query.toString()}`;
  return { way, ticket: await region.useBrowser(page) } as const;
}

describe.each(regions)('with isChina $isChina', ({ isChina }) => {
  describe.each(['import', 'ticket'] as const)('handed over by %s', (way) => {
    test("another account's tokens that could not be tried out at once are found out by the next run", async () => {
      const region = await startRegion(isChina);
      const tokens = memoryTokens();
      const config = { email: 'someone.else@example.org' };
      region.simulator.answer(profilePath, { fault: 'unavailable', times: 1 });
      const signIn = await handOver(region, way);
      expect(await failureOf(region, { tokens, config, signIn })).toMatchObject({ code: 'transient' });
      expect(saved(tokens)).toMatchObject({ handed_over: true });
      expect(await failureOf(region, { tokens, config })).toMatchObject(otherAccount);
      expect(tokens.stored.has('session')).toBe(false);
    });

    test('tokens of the right account are bound by the next run, and judged as any other from then on', async () => {
      const region = await startRegion(isChina);
      const tokens = memoryTokens();
      region.simulator.answer(profilePath, { fault: 'rate-limited', times: 1 });
      const signIn = await handOver(region, way);
      expect(await failureOf(region, { tokens, signIn })).toMatchObject({
        code: 'rate_limited',
        refusedSignIn: false,
      });
      await region.open({ tokens });
      expect(saved(tokens)).toHaveProperty('verified_at');
      expect(saved(tokens)).not.toHaveProperty('handed_over');
    });

    test('tokens of another profile than the session before are refused, and that one stays', async () => {
      const region = await startRegion(isChina);
      const tokens = memoryTokens();
      await region.open({ tokens, signIn: ask });
      const before = tokens.stored.get('session');
      region.simulator.edit(profilePath, (body: object) => ({ ...body, profileId: 99, userName: null }));
      const signIn = await handOver(region, way);
      expect(await failureOf(region, { tokens, signIn })).toMatchObject(otherAccount);
      expect(tokens.stored.get('session')).toEqual(before);
    });
  });

  test('a ticket that replaced a session must be of its profile, also when that is found out later', async () => {
    const region = await startRegion(isChina);
    const tokens = memoryTokens();
    await region.open({ tokens, signIn: ask });
    region.simulator.answer(profilePath, { fault: 'unavailable', times: 1 });
    await failureOf(region, { tokens, signIn: await handOver(region, 'ticket') });
    region.simulator.edit(profilePath, (body: object) => ({ ...body, profileId: 99, userName: null }));
    expect(await failureOf(region, { tokens })).toMatchObject(otherAccount);
    expect(tokens.stored.has('session')).toBe(false);
  });

  test('an import that cannot be tried out leaves the session that was there', async () => {
    const region = await startRegion(isChina);
    const tokens = memoryTokens();
    await region.open({ tokens, signIn: ask });
    const before = tokens.stored.get('session');
    for (const fault of ['unavailable', 'rate-limited'] as const) {
      region.simulator.answer(profilePath, { fault, times: 1 });
      await failureOf(region, { tokens, signIn: await handOver(region, 'import') });
      expect(tokens.stored.get('session')).toEqual(before);
    }
    await region.open({ tokens });
  });
});
