import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { startGarminSimulator, type GarminSimulator } from '@on-the-way/garmin-simulator';
import { addDays, type JsonValue } from '@on-the-way/sdk';
import {
  defineSubject,
  type LargeSource,
  type OpenSource,
  type Surface,
  type TestRequest,
  type TestServer,
} from '@on-the-way/sdk/testing';
import plugin from '../src/index.ts';

const people = {
  1: { seed: 'suite', email: 'somebody@example.org', password: 'password-of-somebody' },
  2: { seed: 'another', email: 'another@example.org', password: 'password-of-another' },
} as const;

const clientId = 'GARMIN_CONNECT_MOBILE_ANDROID_DI';
const renewalPath = '/di-oauth2-service/oauth/token';

function isSignIn({ path }: TestRequest): boolean {
  return path === renewalPath || /^\/(?:sso|mobile|portal|oauth-service)\//.test(path);
}

/** A session as an earlier run has saved it. */
function savedSession(
  tokens: { readonly access: string; readonly refresh: string },
  email: string,
): JsonValue {
  const now = Math.floor(Date.now() / 1000);
  return {
    kind: 'di',
    region: 'garmin.cn',
    client_id: clientId,
    access_token: tokens.access,
    refresh_token: tokens.refresh,
    expires_at: now + 64_000,
    renew_at: now + 60_000,
    account: createHash('sha256').update(email).digest('hex').slice(0, 12),
    verified_at: '2026-02-01T00:00:00.000Z',
  };
}

function sourceOf(simulator: GarminSimulator, { origin }: TestServer, account: 1 | 2): OpenSource {
  const { email, password } = people[account];
  const origins = { apiOrigin: origin, ssoOrigin: origin, authOrigin: origin };
  const config = { ...origins, email, password, minRequestIntervalMs: 2, requestTimeoutSeconds: 2 };
  const { access_token: access, refresh_token: refresh } = simulator.issueTokens({ clientId });
  const dead = { access: `dead-access-${account}`, refresh: `dead-refresh-${account}` };
  return {
    config,
    tokens: { session: savedSession({ access, refresh }, email) },
    refused: { config, tokens: { session: savedSession(dead, email) } },
    // Without a session it signs in with the password, as it does on this machine alone, and is asked for a code.
    needsUser: { config },
    isSignIn,
    renewal: {
      expire: () => simulator.expireAccess(),
      matches: ({ path }) => path === renewalPath,
    },
    close: () => simulator.close(),
  };
}

async function open(server: TestServer, account: 1 | 2): Promise<OpenSource> {
  const simulator = await startGarminSimulator({
    ...people[account],
    features: { hrv: true, menstrual: true },
    mfa: { method: 'email', code: '314159' },
  });
  server.forward(simulator.origin);
  return sourceOf(simulator, server, account);
}

/** Days whose readings are a megabyte each, as many as are wanted; Garmin's own largest answer is a little smaller. */
async function openLarge(server: TestServer, megabytes: number): Promise<LargeSource> {
  const source = await open(server, 1);
  const { answer } = server;
  const readings = 'x'.repeat(1_000_000);
  // In pieces, since to write so much as JSON would take longer than to read it.
  async function* pieces(day: string | null): AsyncGenerator<string> {
    yield `{"calendarDate":${JSON.stringify(day)},"restingHeartRate":50,"readings":"`;
    yield readings;
    yield '"}';
  }
  server.answer = (request) =>
    request.path.startsWith('/wellness-service/wellness/dailyHeartRate/')
      ? { stream: pieces(request.query.get('date')), headers: { 'content-type': 'application/json' } }
      : answer(request);
  const from = '2024-03-01';
  return { ...source, dataset: 'heart_rate', window: { from, to: addDays(from, megabytes) } };
}

// Written when a version is published: the next one must keep what it promised.
const published = new URL('../published.json', import.meta.url);

/** The connector over the simulator; every value is invented. */
export default defineSubject({
  plugin,
  module: import.meta.resolve('../src/index.ts'),
  ...(existsSync(published) && { published: JSON.parse(readFileSync(published, 'utf8')) as Surface }),
  open,
  openLarge,
  window: { from: '2026-02-24', to: '2026-03-03' },
  empty: {
    pregnancy: 'the person is not pregnant',
  },
  budget: { requests: 500, perMs: 1000 },
  skips: {
    21: 'Garmin keeps everything: a day before the first watch is one without data',
  },
});
