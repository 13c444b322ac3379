import { secretsOf } from '@on-the-way/sdk';
import { expect, test } from 'vitest';
import { configSchema, originsOf } from './config.ts';

const parse = (config: unknown) => configSchema.parse(config);

test('the defaults are those of an account in China, asked once a second', () => {
  expect(parse({})).toEqual({
    isChina: true,
    metrics: 'all',
    intraday: true,
    requestsInFlight: 1,
    requestTimeoutSeconds: 10,
    minRequestIntervalMs: 1000,
  });
});

test.each([
  [undefined, 'garmin.cn'],
  [true, 'garmin.cn'],
  [false, 'garmin.com'],
])('without other origins and with isChina %s, every host is one of %s', (isChina, domain) => {
  expect(originsOf(parse({ isChina }))).toEqual({
    domain,
    api: `https://connectapi.${domain}`,
    sso: `https://sso.${domain}`,
    auth: `https://diauth.${domain}`,
    personal: `https://personal.connectapi.${domain}`,
    areLoopback: false,
  });
});

test.each([
  'http://127.0.0.1:4010',
  'http://127.8.9.1',
  'https://localhost:1',
  'http://[::1]:80',
  'http://localhost/',
])('%s may stand in for Garmin', (apiOrigin) => {
  expect(parse({ apiOrigin }).apiOrigin).toBe(new URL(apiOrigin).origin);
});

test.each([
  'https://connectapi.garmin.com',
  'http://127.0.0.1.example.org',
  'http://localhost.example.org',
  'http://user@127.0.0.1',
  'http://10.0.0.1',
  'http://[::2]',
  'ftp://127.0.0.1',
  'http://127.0.0.1/path',
  '127.0.0.1',
])('%s may not, and the message says so', (ssoOrigin) => {
  const { error } = configSchema.safeParse({ ssoOrigin });
  expect(error?.issues[0]?.message).toContain('this machine');
});

test('a simulator is one only when nothing can reach Garmin', () => {
  const origin = 'http://127.0.0.1:1';
  const some = { apiOrigin: origin, ssoOrigin: origin };
  expect(originsOf(parse(some)).areLoopback).toBe(false);
  expect(originsOf(parse({ ...some, authOrigin: origin })).areLoopback).toBe(true);
});

test.each([
  { email: 'nobody' },
  { requestTimeoutSeconds: 0 },
  { requestTimeoutSeconds: 301 },
  { minRequestIntervalMs: -1 },
  { requestsInFlight: 3 },
  { appVersion: 'newest' },
  { personalApiKeyExpiresOn: '1 March' },
])('%j is refused', (config) => {
  expect(configSchema.safeParse(config).success).toBe(false);
});

test('a misspelt key is refused by its name, without its value', () => {
  const { error } = configSchema.safeParse({ pasword: 'hunter2' });
  expect(error?.issues).toMatchObject([{ code: 'unrecognized_keys', keys: ['pasword'] }]);
  expect(error?.message).not.toContain('hunter2');
});

test('password, key and code are known to be secrets', () => {
  const secrets = { password: 'invented-1', personalApiKey: 'invented-2', mfaCode: 'invented-3' };
  expect(secretsOf(configSchema, parse(secrets))).toEqual(Object.values(secrets));
});

test('a stand-in for data stands in for the Personal API too, unless that has its own', () => {
  const apiOrigin = 'http://127.0.0.1:1';
  expect(originsOf(parse({ apiOrigin })).personal).toBe(apiOrigin);
  const personalOrigin = 'http://127.0.0.1:2';
  expect(originsOf(parse({ apiOrigin, personalOrigin })).personal).toBe(personalOrigin);
});
