import { expect, test } from 'vitest';
import { makeJwt, memoryTokens, never, profile, silent } from '../test/server.ts';
import { credentials, oauth1 } from '../test/sign-in.ts';
import { consumerUrl, createClient } from './client.ts';
import { configSchema } from './config.ts';
import { createGarminApi } from './garmin-api.ts';
import { openApis } from './login/login.ts';

// Garmin itself, as far as a session needs it; nothing leaves this process.
const answers: Readonly<Record<string, unknown>> = {
  'GET /oauth_consumer.json': { consumer_key: 'key', consumer_secret: 'secret' },
  'POST /mobile/api/login': {
    serviceTicketId: 'ST-ticket-canary-cas',
    responseStatus: { type: 'SUCCESSFUL' },
  },
  'POST /oauth-service/oauth/exchange/user/2.0': { access_token: 'bearer-canary', expires_in: 3600 },
  'POST /di-oauth2-service/oauth/token': { access_token: makeJwt('canary'), refresh_token: 'di-canary-2' },
  'GET /userprofile-service/socialProfile': JSON.stringify(profile),
};

// A name that is the same in both regions.
const ticketGrant = 'https://connectapi.garmin.com/di-oauth2-service/oauth/grant/service_ticket';

interface Asked {
  readonly method: string;
  readonly url: URL;
  /** Headers and body. */
  readonly rest: string;
}

/** A client of the region, without any other origin, and what it asks. */
function regionalClient(isChina: boolean, more: Record<string, unknown> = {}) {
  const config = configSchema.parse({ isChina, minRequestIntervalMs: 0, ...more });
  const client = createClient(config, () => {});
  const asked: Asked[] = [];
  client.library.client.defaults.adapter = async (request) => {
    const url = new URL(request.url ?? '');
    const method = String(request.method).toUpperCase();
    asked.push({ method, url, rest: JSON.stringify([request.headers, request.data]) });
    const data = answers[`${method} ${url.pathname}`];
    return { data, status: 200, statusText: 'OK', headers: {}, config: request };
  };
  return { config, client, asked };
}

/** Opens a session as the connector does, at a terminal. */
function open(isChina: boolean, tokens = memoryTokens()) {
  const { config, client, asked } = regionalClient(isChina, credentials);
  const hasFiles = tokens.stored.size > 0;
  const done = openApis({
    client,
    context: {
      config,
      tokens,
      log: silent,
      signal: never,
      countRequest() {},
      prompt: async () => '',
      ...(!hasFiles && { signIn: { way: 'ask' } }),
    },
    makeApi: (credential, origin) =>
      createGarminApi({ client, credential, pace: async (_, send) => send(), origin }),
  }).then(({ profile: found }) => found);
  return { done, asked };
}

const diFile = { di_token: makeJwt('canary', -5), di_refresh_token: 'di-canary', di_client_id: 'ID' };
const ways = [
  { way: 'a DI token that has ended', saved: { garmin_tokens: diFile }, hosts: ['diauth', 'connectapi'] },
  { way: 'an OAuth 1 token', saved: { oauth1_token: oauth1 }, hosts: ['connectapi', 'connectapi'] },
  {
    way: 'e-mail and password',
    saved: {},
    hosts: ['sso', 'diauth', 'connectapi'],
  },
];
const regions = [
  { isChina: true, domain: 'garmin.cn', other: 'garmin.com' },
  { isChina: false, domain: 'garmin.com', other: 'garmin.cn' },
];

test.each(regions.flatMap((region) => ways.map((way) => ({ ...region, ...way }))))(
  'with isChina $isChina, $way opens a session at $domain, and nothing goes to the other region',
  async ({ isChina, domain, other, saved, hosts }) => {
    const { done, asked } = open(isChina, memoryTokens(saved));
    expect(await done).toMatchObject({ displayName: profile.displayName });
    const atGarmin = asked.filter(({ url }) => url.href !== consumerUrl);
    expect(atGarmin.map(({ url }) => url.origin)).toEqual(hosts.map((name) => `https://${name}.${domain}`));
    expect(
      asked
        .map(({ url, rest }) => decodeURIComponent(url.href + rest).replaceAll(ticketGrant, ''))
        .join('\n'),
    ).not.toContain(other);
    // The consumer lies outside Garmin: whoever asks for it says nothing of whom it is for.
    for (const { url, rest } of asked.filter((request) => !atGarmin.includes(request)))
      expect(url.href + rest).not.toMatch(/canary|invented@|Bearer/);
  },
);

test.each(regions)(
  'with isChina $isChina, a request to a host of $other is refused before it is sent',
  async ({ isChina, other }) => {
    const { client, asked } = regionalClient(isChina);
    for (const name of ['connectapi', 'sso', 'diauth', 'connect', 'personal.connectapi']) {
      const attempt = client.library.get(`https://${name}.${other}/sso/embed`);
      await expect(attempt).rejects.toMatchObject({
        code: 'bad_data',
        message: expect.stringContaining(`got https://${name}.${other}`),
      });
    }
    expect(asked).toEqual([]);
  },
);

test.each(regions)(
  'with isChina $isChina, saved tokens of $other are refused with the remedy, and nothing is asked',
  async ({ isChina, domain, other }) => {
    const oauth2 = { access_token: 'bearer-canary' };
    const saved = { oauth1_token: { ...oauth1, domain: other }, oauth2_token: oauth2 };
    const { done, asked } = open(isChina, memoryTokens(saved));
    await expect(done).rejects.toMatchObject({
      code: 'config',
      message: expect.stringMatching(
        `Expected tokens of ${domain}.*\\(isChina\\), now ${isChina}, to ${!isChina}`,
      ),
    });
    expect(asked).toEqual([]);
    const own = open(isChina, memoryTokens({ ...saved, oauth1_token: { ...oauth1, domain } }));
    expect(await own.done).toMatchObject({ displayName: profile.displayName });
  },
);
