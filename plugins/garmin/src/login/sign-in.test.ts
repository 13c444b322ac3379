import type { SignIn } from '@on-the-way/sdk';
import { describe, expect, test } from 'vitest';
import { answers, ask, expectAtHome, failureOf, regions, saved, startRegion } from '../../test/regional.ts';
import { memoryTokens } from '../../test/server.ts';

describe.each(regions)('with isChina $isChina', ({ isChina, other }) => {
  test.each([
    ['a captcha', { fault: 'captcha' }, 'rate_limited', /captcha.*for hours.*--ticket/, undefined],
    ['429', { fault: 'rate-limited' }, 'rate_limited', /429.*for hours.*--ticket/, undefined],
    [
      '429 with a time',
      { fault: 'rate-limited', headers: { 'retry-after': '900' } },
      'rate_limited',
      /15 minutes/,
      900_000,
    ],
    [
      '429 in a body of 200',
      { fault: 'rate-limited-hidden' },
      'rate_limited',
      /429 within HTTP 200/,
      undefined,
    ],
    ['a bot check', { fault: 'bot-check' }, 'rate_limited', /bot check.*--ticket/, undefined],
    ['a service that is down', { fault: 'unavailable' }, 'transient', /503/, undefined],
    [
      'a page instead of an answer',
      { fault: 'html-page' },
      'bad_data',
      /not known.*IS_CN.*--ticket/,
      undefined,
    ],
    ['consent', { fault: 'consent-missing' }, 'needs_user', /consent.*browser/, undefined],
    ['a locked account', { fault: 'account-locked' }, 'needs_user', /locked.*password/, undefined],
    ['an answer nobody knows', { status: 418, body: {} }, 'bad_data', /418.*IS_CN.*--ticket/, undefined],
  ] as const)('a sign-in that ends at %s is not tried again', async (_, answer, expected, words, pause) => {
    const region = await startRegion(isChina);
    region.simulator.answer('/mobile/api/login', { ...answer } as never);
    const mayTryForm = expected === 'bad_data' || expected === 'transient';
    const { prompt } = mayTryForm ? answers('n') : answers();
    const tokens = memoryTokens();
    expect(await failureOf(region, { signIn: ask, prompt, tokens })).toMatchObject({
      code: expected,
      message: expect.stringMatching(words),
      retryAfterMs: pause,
      refusedSignIn: expected === 'rate_limited',
    });
    expect(region.asked).toHaveLength(1);
    expect(tokens.stored.has('session')).toBe(false);
  });

  test('a refused password says to check it and names the other region, and no other way is offered', async () => {
    const region = await startRegion(isChina, { password: 'another' });
    expect(await failureOf(region, { signIn: ask, ...answers() })).toMatchObject({
      code: 'auth',
      message: expect.stringContaining(`set GARMIN_IS_CN (isChina), now ${isChina}, to ${!isChina}`),
    });
    expect(region.asked).toHaveLength(1);
  });

  test('at the service of the other region the setting is named, and no other way is offered', async () => {
    const region = await startRegion(isChina, { region: other });
    expect(await failureOf(region, { signIn: ask, ...answers() })).toMatchObject({
      code: 'bad_data',
      status: 400,
      message: expect.stringContaining(`set GARMIN_IS_CN (isChina), now ${isChina}, to ${!isChina}`),
    });
    expect(region.asked).toHaveLength(1);
  });

  test('where the app cannot get through, a person may choose the web form', async () => {
    const region = await startRegion(isChina);
    region.simulator.answer('/mobile/api/login', { fault: 'server-error' });
    const tokens = memoryTokens();
    const { prompt, questions } = answers('y');
    await region.open({ signIn: ask, prompt, tokens });
    expect(questions).toHaveLength(1);
    expect(saved(tokens)).toMatchObject({ kind: 'oauth', verified_at: expect.any(String) });
    expectAtHome(region);
  });

  test('client ids are tried in order until one is taken; a limit ends that', async () => {
    const region = await startRegion(isChina, { diClientIds: ['GARMIN_CONNECT_MOBILE_IOS_DI'] });
    await region.open({ signIn: ask });
    expect(region.hosts().filter((host) => host.startsWith('diauth'))).toHaveLength(4);
    region.simulator.answer('/di-oauth2-service', { fault: 'rate-limited' });
    expect(await failureOf(region, { signIn: ask })).toMatchObject({ code: 'rate_limited' });
    expect(region.hosts().filter((host) => host.startsWith('diauth'))).toHaveLength(5);
  });

  test('a ticket that was used needs a person; one of the other region names the setting', async () => {
    const region = await startRegion(isChina);
    const used: SignIn = { way: 'ticket', ticket: 'ST-simulated-used-cas' };
    expect(await failureOf(region, { signIn: used })).toMatchObject({
      code: 'needs_user',
      message: expect.stringContaining('a ticket is good once'),
    });
    const asked = region.asked.length;
    const ticket = `https://mobile.integration.${other}/gcm/ios?ticket=ST-simulated-x-cas`;
    expect(await failureOf(region, { signIn: { way: 'ticket', ticket } })).toMatchObject({
      code: 'config',
      message: expect.stringMatching(/GARMIN_IS_CN/),
    });
    expect(region.asked).toHaveLength(asked);
  });

  test('a budget that is spent ends a sign-in before its next request', async () => {
    const region = await startRegion(isChina);
    const spent = new Error('spent');
    let left = 1;
    const countRequest = () => {
      if (left === 0) throw spent;
      left -= 1;
    };
    await expect(region.open({ signIn: ask, countRequest })).rejects.toBe(spent);
    expect(region.asked).toHaveLength(1);
  });
});
