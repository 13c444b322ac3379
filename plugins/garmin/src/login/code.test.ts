import { describe, expect, test } from 'vitest';
import {
  answers,
  ask,
  code,
  expectAtHome,
  failureOf,
  regions,
  saved,
  startRegion,
} from '../../test/regional.ts';
import { memoryTokens } from '../../test/server.ts';

describe.each(regions)('with isChina $isChina', ({ isChina }) => {
  test('a sign-in that waits for a code is finished by another process, without a new sign-in', async () => {
    const region = await startRegion(isChina, { mfa: { method: 'email', code } });
    const tokens = memoryTokens();
    expect(await failureOf(region, { tokens, signIn: ask })).toMatchObject({
      code: 'needs_user',
      message: expect.stringMatching(/e-mail to r\*+@.*npx otw login garmin --code 123456.*GARMIN_MFA_CODE/),
    });
    expect(await failureOf(region, { tokens, signIn: { way: 'ask', code: '1' } })).toMatchObject({
      code: 'needs_user',
      message: expect.stringContaining('still waits'),
    });
    await region.open({ tokens, signIn: { way: 'ask', code } });
    expect(region.asked.filter(({ path }) => path === '/mobile/api/login')).toHaveLength(1);
    expect(saved(tokens)).toHaveProperty('verified_at');
    expectAtHome(region);
  });

  test('a code that stays wrong is asked for four times, and the sign-in still waits', async () => {
    const region = await startRegion(isChina, { mfa: { method: 'sms', code } });
    const tokens = memoryTokens();
    const { prompt, questions } = answers('1', '2', '3', '4');
    expect(await failureOf(region, { tokens, signIn: ask, prompt })).toMatchObject({ code: 'needs_user' });
    expect(questions).toHaveLength(4);
    await region.open({ tokens, signIn: ask, prompt: answers(code).prompt });
    expect(region.asked.filter(({ path }) => path === '/mobile/api/login')).toHaveLength(1);
  });

  test('a run without a person signs in once for a code, and finishes with a newer code', async () => {
    const region = await startRegion(isChina, { mfa: { method: 'email', code } });
    const tokens = memoryTokens();
    const early = { mfaCode: '111111' };
    expect(await failureOf(region, { tokens, config: early })).toMatchObject({ code: 'needs_user' });
    for (let run = 0; run < 3; run += 1)
      expect(await failureOf(region, { tokens, config: early })).toMatchObject({ code: 'needs_user' });
    expect(region.asked.filter(({ path }) => path === '/mobile/api/login')).toHaveLength(1);
    expect(region.asked).toHaveLength(2);
    await region.open({ tokens, config: { mfaCode: code } });
    expect(region.asked.filter(({ path }) => path === '/mobile/api/login')).toHaveLength(1);
    region.simulator.revoke();
    for (let run = 0; run < 2; run += 1)
      expect(await failureOf(region, { tokens, config: { mfaCode: '222222' } })).toMatchObject({
        code: 'needs_user',
      });
    expect(region.asked.filter(({ path }) => path === '/mobile/api/login')).toHaveLength(1);
  });

  test('without a code a run never uses the password', async () => {
    const region = await startRegion(isChina);
    expect(await failureOf(region, {})).toMatchObject({
      code: 'needs_user',
      message: expect.stringContaining('npx otw login garmin'),
    });
    expect(region.asked).toEqual([]);
  });
});
