import type { Account, StravaSimulator } from '@on-the-way/strava-simulator';
import { expect, test } from 'vitest';
import { memoryTokens, open, simulator, type Wanted } from '../test/connect.ts';
import connector from './index.ts';

const small = { history: { count: 3 } };
const callback = (code: string, scope = 'read,activity:read_all'): string =>
  `http://localhost/exchange_token?state=&code=${code}&scope=${scope}`;

const second = (strava: StravaSimulator): Account => strava.accounts[1] ?? strava.accounts[0];

/** The config of somebody who has not signed in yet. */
const nobody = { refreshToken: 'never used' };

test('a person is shown the page to open, pastes the address it leads to, and later runs need nobody', async () => {
  const strava = await simulator(small);
  const tokens = memoryTokens();
  const asked: string[] = [];
  const prompt: Wanted['prompt'] = async ({ message }) => {
    asked.push(message);
    return `  ${callback(second(strava).authorize())}\n`;
  };
  const session = await open(strava, { config: nobody, tokens, prompt, signIn: { way: 'ask' } });
  expect(connector.account(session)).toBe('7002');
  expect(asked).toEqual([expect.stringMatching(/oauth\/authorize\?client_id=4711&.*activity%3Aread_all/)]);
  expect(connector.account(await open(strava, { config: nobody, tokens }))).toBe('7002');
});

test('a refresh token may be pasted instead', async () => {
  const strava = await simulator(small);
  const prompt = async (): Promise<string> => second(strava).refreshToken();
  const session = await open(strava, { config: nobody, prompt, signIn: { way: 'ask' } });
  expect(connector.account(session)).toBe('7002');
});

test.each(['ask', 'ticket'] as const)('a code that is known already needs no question (%s)', async (way) => {
  const strava = await simulator(small);
  const code = second(strava).authorize();
  const signIn = way === 'ask' ? { way, code } : { way, ticket: callback(code) };
  expect(connector.account(await open(strava, { config: nobody, signIn }))).toBe('7002');
});

test('tokens of another program are taken over from any file that has a refresh_token', async () => {
  const strava = await simulator(small);
  const files = { other: 1, strava: { refresh_token: second(strava).refreshToken(), expires_at: 1 } };
  const session = await open(strava, { config: nobody, signIn: { way: 'import', files } });
  expect(connector.account(session)).toBe('7002');
});

test.each<[string, Wanted['signIn'], (answer: string) => string, RegExp]>([
  ['a code that was used', { way: 'ask', code: 'canary' }, (code) => code, /a code that Strava takes/],
  ['a refresh token that is unknown', { way: 'ask' }, () => 'canary', /a refresh token that Strava takes/],
  [
    'access that was not given',
    { way: 'ask' },
    () => 'http://localhost/?error=access_denied',
    /access was not given/,
  ],
  ['a box that was unticked', { way: 'ask' }, (code) => callback(code, 'read'), /leave the box ticked/],
  ['nothing', { way: 'ask' }, () => ' ', /got nothing/],
  ['no file with tokens', { way: 'import', files: { a: {} } }, (code) => code, /found none/],
])('%s is refused, and what was saved stays', async (_, signIn, answer, message) => {
  const strava = await simulator(small);
  const tokens = memoryTokens();
  await open(strava, { tokens });
  const before = tokens.saved.get('session');
  const code = second(strava).authorize();
  const prompt = async (): Promise<string> => answer(code);
  const refused = open(strava, { tokens, prompt, ...(signIn && { signIn }) });
  await expect(refused).rejects.toMatchObject({
    code: 'needs_user',
    message: expect.stringMatching(message),
  });
  await expect(refused).rejects.not.toThrow(/canary/);
  expect(tokens.saved.get('session')).toEqual(before);
});

test('without a person, and without a code, nothing is sent', async () => {
  const strava = await simulator(small);
  await expect(open(strava, { signIn: { way: 'ask' } })).rejects.toMatchObject({ code: 'needs_user' });
  expect(strava.requests).toEqual([]);
});

test('while sign-ins are paused no code is sent', async () => {
  const strava = await simulator(small);
  const signIn = { way: 'ask', code: second(strava).authorize() } as const;
  const refused = open(strava, { signIn, signInPausedUntil: Date.now() + 60_000 });
  await expect(refused).rejects.toMatchObject({ code: 'rate_limited', refusedSignIn: true });
  expect(strava.requests).toEqual([]);
});

test('an abort while a person is thinking is heard', async () => {
  const strava = await simulator(small);
  const stop = new AbortController();
  const prompt = async (): Promise<string> => {
    stop.abort(new Error('enough'));
    return callback(second(strava).authorize());
  };
  await expect(open(strava, { prompt, signal: stop.signal, signIn: { way: 'ask' } })).rejects.toThrow(
    'enough',
  );
});
