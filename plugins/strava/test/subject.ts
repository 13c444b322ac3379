import { existsSync, readFileSync } from 'node:fs';
import type { JsonValue } from '@on-the-way/sdk';
import { defineSubject, type OpenSource, type Surface, type TestServer } from '@on-the-way/sdk/testing';
import {
  startStravaSimulator,
  type StravaSimulator,
  type StravaSimulatorOptions,
} from '@on-the-way/strava-simulator';
import { z } from 'zod';
import plugin from '../src/index.ts';

const from = Date.parse('2026-01-01T00:00:00Z') / 1000;
const history = { from, until: from + 90 * 86_400, count: 30 };
// Written when a version is published: the next one must keep what it promised.
const published = new URL('../published.json', import.meta.url);
const isToken = ({ path }: { readonly path: string }): boolean => path === '/oauth/token';

/** A session as an earlier run saved it: a refresh token works once, and the suite logs in more often. */
async function accessTo(
  { origin, clientId, clientSecret }: StravaSimulator,
  token: string,
): Promise<JsonValue> {
  const grant = { grant_type: 'refresh_token', refresh_token: token };
  const body = new URLSearchParams({ client_id: clientId, client_secret: clientSecret, ...grant });
  const answer = z
    .object({ access_token: z.string(), refresh_token: z.string(), expires_in: z.number() })
    .parse(await (await fetch(`${origin}/oauth/token`, { method: 'POST', body })).json());
  const { access_token: access, refresh_token: refresh, expires_in: seconds } = answer;
  return { access, refresh, expiresAt: Date.now() + seconds * 1000 };
}

/** Puts a simulator behind the server. Its limits are far away: the suite asks more in a minute than Strava allows. */
async function open(
  server: TestServer,
  account: 1 | 2,
  options: StravaSimulatorOptions = { history },
): Promise<OpenSource> {
  const limit = [100_000, 100_000] as const;
  const strava = await startStravaSimulator({ limit, readLimit: limit, ...options });
  server.forward(strava.origin);
  const { clientId, clientSecret, accounts } = strava;
  const refreshToken = accounts[account - 1]?.refreshToken() ?? '';
  const config = {
    clientId,
    clientSecret,
    apiOrigin: server.origin,
    requestTimeoutSeconds: 4,
    perPage: 12,
  };
  const unknown = { config: { ...config, refreshToken: 'unknown-refresh-token' }, tokens: {} };
  const tokens = { session: await accessTo(strava, refreshToken) };
  return {
    config,
    tokens,
    refused: unknown,
    needsUser: unknown,
    isSignIn: isToken,
    renewal: { expire: () => strava.expireAccess(), matches: isToken },
    close: () => strava.close(),
  };
}

/** What the conformance suite is told of the Strava connector. */
export default defineSubject({
  plugin,
  module: import.meta.resolve('../src/index.ts'),
  ...(existsSync(published) && { published: JSON.parse(readFileSync(published, 'utf8')) as Surface }),
  open: (server: TestServer, account: 1 | 2) => open(server, account),
  window: { from: '2026-01-05', to: '2026-01-12' },
  // 14 days that are looked back, two of overlap, and one since a day is not where UTC's is.
  overlapDays: 17,
  timeLimitMs: 10_000,
  skips: {
    21: 'profile and totals are those of now, and activities are read from a cursor: no days are too old',
  },
  async openLarge(server: TestServer, megabytes: number) {
    // Some two a day: what lies within two days is read twice.
    const many = { from: 0, until: from, count: megabytes * 21, bytes: 50_000 };
    const source = await open(server, 1, { history: many });
    const config = { ...source.config, requestTimeoutSeconds: 30, perPage: 100 };
    return { ...source, config, dataset: 'activities' };
  },
});
