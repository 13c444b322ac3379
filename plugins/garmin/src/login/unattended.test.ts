import { describe, expect, test } from 'vitest';
import { account, answers, ask, code, failureOf, regions, startRegion } from '../../test/regional.ts';
import { localConfig, login, memoryTokens, startServer } from '../../test/server.ts';
import { credentials, form, signInService } from '../../test/sign-in.ts';

const inAnHour = () => Date.now() + 3_600_000;
const paused = {
  code: 'rate_limited',
  refusedSignIn: true,
  message: expect.stringMatching(/60 minutes.*--ticket/),
};

describe.each(regions)('with isChina $isChina', ({ isChina }) => {
  test('during a pause no password is sent and no code used up; after it the same code signs in', async () => {
    const region = await startRegion(isChina, { mfa: { method: 'email', code } });
    const tokens = memoryTokens();
    const config = { mfaCode: code };
    const error = await failureOf(region, { tokens, config, signInPausedUntil: inAnHour() });
    expect(error).toMatchObject(paused);
    expect(error.retryAfterMs).toBeGreaterThan(3_500_000);
    expect(
      await failureOf(region, { tokens, signIn: ask, ...answers(), signInPausedUntil: inAnHour() }),
    ).toMatchObject(paused);
    expect(region.asked).toEqual([]);
    await region.open({ tokens, config, signInPausedUntil: Date.now() - 1 });
  });

  test('during a pause no code is sent for a sign-in that waits, which goes on waiting', async () => {
    const region = await startRegion(isChina, { mfa: { method: 'email', code } });
    const tokens = memoryTokens();
    await failureOf(region, { tokens, signIn: ask });
    const asked = region.asked.length;
    for (const given of [{ config: { mfaCode: code } }, { signIn: { way: 'ask', code } as const }])
      expect(await failureOf(region, { tokens, ...given, signInPausedUntil: inAnHour() })).toMatchObject(
        paused,
      );
    expect(region.asked).toHaveLength(asked);
    await region.open({ tokens, config: { mfaCode: code } });
  });

  test('a pause holds up neither a saved session and its renewal nor tokens handed over', async () => {
    const region = await startRegion(isChina);
    const tokens = memoryTokens();
    const signInPausedUntil = inAnHour();
    const signIn = { way: 'import', files: region.files('garmin_tokens') } as const;
    await region.open({ tokens, signIn, signInPausedUntil });
    region.simulator.expireAccess();
    await region.open({ tokens, signInPausedUntil });
  });

  test('a limit at the code or at the first tokens is a refused sign-in, at a renewal it is none', async () => {
    const region = await startRegion(isChina, { mfa: { method: 'email', code } });
    const tokens = memoryTokens();
    await failureOf(region, { tokens, signIn: ask });
    const signIn = { way: 'ask', code } as const;
    for (const path of ['/mobile/api/mfa/verifyCode', '/di-oauth2-service']) {
      region.simulator.answer(path, { fault: 'rate-limited', times: 1 });
      expect(await failureOf(region, { tokens, signIn })).toMatchObject({
        code: 'rate_limited',
        refusedSignIn: true,
        retryAfterMs: undefined,
      });
    }
    for (const kind of ['garmin_tokens', 'oauth'] as const) {
      const imported = memoryTokens();
      await region.open({ tokens: imported, signIn: { way: 'import', files: region.files(kind) } });
      region.simulator.expireAccess();
      region.simulator.answer('/di-oauth2-service', { fault: 'rate-limited', times: 1 });
      region.simulator.answer('/oauth-service/oauth/exchange', { fault: 'rate-limited', times: 1 });
      expect(await failureOf(region, { tokens: imported })).toMatchObject({
        code: 'rate_limited',
        refusedSignIn: false,
      });
    }
  });

  test('what was tried once is not tried again after a logout; a sign-in that waited is forgotten', async () => {
    const region = await startRegion(isChina, { mfa: { method: 'email', code } });
    const tokens = memoryTokens();
    const config = { mfaCode: '111111' };
    await failureOf(region, { tokens, config });
    for (const field of tokens.stored.keys()) if (!field.startsWith('kept_')) tokens.stored.delete(field);
    const asked = region.asked.length;
    expect(await failureOf(region, { tokens, config })).toMatchObject({
      code: 'needs_user',
      message: expect.stringContaining('was used before'),
    });
    expect(region.asked).toHaveLength(asked);
    expect(JSON.stringify([...tokens.stored])).not.toContain('111111');
  });

  test('a dead token file stays dead after a logout', async () => {
    const region = await startRegion(isChina);
    const tokens = memoryTokens(region.files('garmin_tokens'));
    region.simulator.revoke();
    await failureOf(region, { tokens });
    const asked = region.asked.length;
    tokens.stored.delete('session');
    tokens.stored.delete('sign_in');
    await failureOf(region, { tokens });
    expect(region.asked).toHaveLength(asked);
  });

  test('a password that was refused is never sent again without a person, whatever the code', async () => {
    const region = await startRegion(isChina, { password: 'another', mfa: { method: 'email', code } });
    const tokens = memoryTokens();
    expect(await failureOf(region, { tokens, config: { mfaCode: '111111' } })).toMatchObject({
      code: 'auth',
      status: 401,
    });
    for (const mfaCode of ['111111', '222222', code]) {
      expect(await failureOf(region, { tokens, config: { mfaCode } })).toMatchObject({
        code: 'auth',
        message: expect.stringMatching(/not sent again without a person.*npx otw login garmin/),
      });
    }
    expect(region.asked).toHaveLength(1);
    expect(JSON.stringify([...tokens.stored])).not.toContain(account.password);
    // The codes that were not sent are still good.
    await region.open({ tokens, config: { mfaCode: code, password: 'another' } });
  });
});

test('a simulator is asked with a refused password once, and not during a pause', async () => {
  const server = await startServer(signInService(form));
  const tokens = memoryTokens();
  const config = localConfig(server.origin, credentials);
  await expect(login(config, { tokens, signInPausedUntil: inAnHour() })).rejects.toMatchObject(paused);
  expect(server.seen).toEqual([]);
  await expect(login(config, { tokens })).rejects.toMatchObject({ code: 'auth' });
  const seen = server.seen.length;
  await expect(login(config, { tokens })).rejects.toMatchObject({
    code: 'auth',
    message: expect.stringContaining('npx otw login garmin'),
  });
  expect(server.seen).toHaveLength(seen);
});
