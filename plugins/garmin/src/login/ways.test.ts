import { describe, expect, test } from 'vitest';
import {
  account,
  answers,
  ask,
  canaries,
  code,
  expectAtHome,
  regions,
  saved,
  startRegion,
  type StartedRegion,
  type OpenOptions,
} from '../../test/regional.ts';
import { memoryTokens } from '../../test/server.ts';

describe.each(regions)('with isChina $isChina', ({ isChina, domain }) => {
  const at = (...names: string[]) => names.map((name) => `${name}.${domain}`);

  const ways: {
    name: string;
    mfa?: { method: 'email' | 'sms' | 'app'; code: string };
    hosts: string[];
    kind: 'di' | 'oauth';
    start: (region: StartedRegion) => Promise<OpenOptions & { questions?: string[] }>;
    asks?: RegExp[];
  }[] = [
    {
      name: 'a password',
      hosts: ['sso', 'diauth', 'connectapi'],
      kind: 'di',
      start: async () => ({ signIn: ask }),
    },
    ...(['email', 'sms', 'app'] as const).map((method) => ({
      name: `a password and a code by ${method}`,
      mfa: { method, code },
      hosts: ['sso', 'sso', 'diauth', 'connectapi'],
      kind: 'di' as const,
      start: async () => ({ signIn: ask, ...answers(code) }),
      asks: [{ email: /e-mail to r\*+@/, sms: /SMS to .*42/, app: /authenticator app/ }[method]],
    })),
    {
      name: 'a wrong code, then the right one',
      mfa: { method: 'email', code },
      hosts: ['sso', 'sso', 'sso', 'diauth', 'connectapi'],
      kind: 'di',
      start: async () => ({ signIn: ask, ...answers('111111', ' 424 242 ') }),
      asks: [/^Garmin sent a code/, /^That code was refused/],
    },
    {
      name: 'a code that came with the command',
      mfa: { method: 'app', code },
      hosts: ['sso', 'sso', 'diauth', 'connectapi'],
      kind: 'di',
      start: async () => ({ signIn: { way: 'ask', code } }),
    },
    {
      name: 'an address pasted from the browser',
      hosts: ['diauth', 'connectapi'],
      kind: 'di',
      start: async (region) => {
        const questions: string[] = [];
        const prompt = async ({ message }: { message: string }) => {
          questions.push(message);
          return region.useBrowser(/https:\S+/.exec(message)?.[0] ?? '');
        };
        return { signIn: { way: 'ticket' }, prompt, questions };
      },
      asks: [/^Open https:\/\/sso\.garmin/],
    },
    {
      name: 'a bare ticket',
      hosts: ['diauth', 'connectapi'],
      kind: 'di',
      start: async (region) => {
        const service = `https://mobile.integration.${domain}/gcm/ios`;
        const query = new URLSearchParams({ clientId: 'GCM_IOS_DARK', service });
        const end = await region.useBrowser(
          `https://sso.${domain}/mobile/sso/en-US/sign-in?${query.toString()}`,
        );
        return { signIn: { way: 'ticket', ticket: new URL(end).searchParams.get('ticket') ?? '' } };
      },
    },
    {
      name: "python-garminconnect's file",
      hosts: ['connectapi'],
      kind: 'di',
      start: async (region) => ({ signIn: { way: 'import', files: region.files('garmin_tokens') } }),
    },
    {
      name: "garth's and garmin-connect's files",
      hosts: ['connectapi'],
      kind: 'oauth',
      start: async (region) => ({ signIn: { way: 'import', files: region.files('oauth') } }),
    },
    {
      name: 'an OAuth 1 token alone, exchanged',
      hosts: ['connectapi', 'connectapi'],
      kind: 'oauth',
      start: async (region) => {
        const { oauth1_token = null } = region.files('oauth');
        return { signIn: { way: 'import', files: { oauth1_token } } };
      },
    },
    {
      name: 'a token file found by a run',
      hosts: ['connectapi'],
      kind: 'di',
      start: async (region) => ({ tokens: memoryTokens(region.files('garmin_tokens')) }),
    },
  ];

  test.each(ways)('$name opens a session at $hosts, which later runs use', async (way) => {
    const region = await startRegion(isChina, way.mfa ? { mfa: way.mfa } : {});
    const { questions = [], tokens = memoryTokens(), ...options } = await way.start(region);
    let counted = 0;
    const { apis, profile } = await region.open({ ...options, tokens, countRequest: () => (counted += 1) });
    expect(region.hosts()).toEqual(at(...way.hosts));
    expect(counted).toBe(way.hosts.length);
    expect(apis.personal).toBeUndefined();
    expect(saved(tokens)).toMatchObject({
      kind: way.kind,
      region: domain,
      profileId: profile.profileId,
      account: expect.stringMatching(/^[0-9a-f]{12}$/),
      verified_at: expect.stringMatching(/Z$/),
    });
    expect(questions.map((question, index) => way.asks?.[index]?.test(question))).toEqual(
      (way.asks ?? []).map(() => true),
    );
    expect(questions.join()).not.toMatch(canaries);
    expect(JSON.stringify([...tokens.stored.values()])).not.toMatch(/password-canary|member-canary|runner@/);
    await region.open({ tokens });
    expect(region.hosts()).toEqual(at(...way.hosts, 'connectapi'));
    expectAtHome(region);
  });

  test('without anything configured a person is asked for e-mail and password, the password unseen', async () => {
    const region = await startRegion(isChina);
    const { prompt, questions } = answers(account.email, account.password);
    const tokens = memoryTokens();
    await region.open({ tokens, signIn: ask, prompt, config: { email: undefined, password: undefined } });
    expect(questions).toEqual([
      expect.stringMatching(/^E-mail/),
      expect.stringMatching(/^\(hidden\) Password/),
    ]);
    expect(saved(tokens)).not.toHaveProperty('account');
  });
});
