import { secret } from '@on-the-way/sdk';
import { z } from 'zod';

const loopbackHost = /^(localhost|127\.\d{1,3}\.\d{1,3}\.\d{1,3}|\[::1\])$/;

/** True for `http(s)://` and a host of this machine, with nothing but an optional port behind it. */
export function isLoopbackOrigin(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, hostname, username, pathname, search } = new URL(text);
  const isBare = username === '' && pathname === '/' && search === '';
  return /^https?:$/.test(protocol) && isBare && loopbackHost.test(hostname);
}

const loopbackOrigin = z
  .string()
  .refine(isLoopbackOrigin, {
    error:
      'Expected an address of this machine, such as http://127.0.0.1:4010 (127.0.0.0/8, localhost or [::1]), ' +
      'got another one: leave it out to use Garmin itself',
  })
  .transform((text) => new URL(text).origin)
  .optional();

/** What a connection to Garmin is configured with. */
export const configSchema = z.strictObject({
  /** The account's e-mail address. Also names the account of every row. */
  email: z.email().optional(),
  /** Used only for a sign-in with a person present; scheduled runs use the saved session. */
  password: secret().optional(),
  /** A key of Garmin's Connect Personal API; serves some of the datasets. */
  personalApiKey: secret().optional(),
  /** The day that key ends; warned about from 14 days before. */
  personalApiKeyExpiresOn: z.iso.date().optional(),
  /** A code for one sign-in without a person: once for each code, never again. */
  mfaCode: secret().optional(),
  /** Default true: accounts of garmin.cn. The wrong region answers with empty shells. */
  isChina: z.boolean().default(true),
  /** Default 'all'. Unknown names are warned about and skipped. */
  metrics: z.union([z.literal('all'), z.array(z.string())]).default('all'),
  /** Default true. False reads daily summaries for many days at once instead of each day's readings. */
  intraday: z.boolean().default(true),
  /** Default 1, at most 2: requests to Garmin at the same time. */
  requestsInFlight: z.number().int().min(1).max(2).default(1),
  /** Instead of the phone app's version that is stated to Garmin, for the day it refuses that one. */
  appVersion: z
    .string()
    .regex(/^\d{1,4}(\.\d{1,4}){1,3}$/, { error: 'Expected a version such as 5.23' })
    .optional(),
  /** Default 10, 1 to 300. Bounds one request as a whole. */
  requestTimeoutSeconds: z.number().min(1).max(300).default(10),
  /** Default 1000, 0 or more. Time from one request to the next, plus up to 20 %; a burst is answered with 429. */
  minRequestIntervalMs: z.number().int().min(0).max(600_000).default(1000),
  /** Instead of connectapi.garmin.com or .cn; loopback only. */
  apiOrigin: loopbackOrigin,
  /** Instead of sso.garmin.com or .cn; loopback only. */
  ssoOrigin: loopbackOrigin,
  /** Instead of diauth.garmin.com or .cn; loopback only. */
  authOrigin: loopbackOrigin,
  /** Instead of personal.connectapi.garmin.com or .cn; loopback only. Default: apiOrigin, if that is given. */
  personalOrigin: loopbackOrigin,
});

/** A parsed configuration. */
export type GarminConfig = z.output<typeof configSchema>;

/** Garmin keeps accounts in two places that know nothing of each other. */
export type Region = 'garmin.com' | 'garmin.cn';

/** Where requests may go, and nowhere else. */
export interface Origins {
  /** `garmin.com` or `garmin.cn`. */
  readonly domain: Region;
  /** Data, and the OAuth 1 endpoints. */
  readonly api: string;
  /** The sign-in pages. */
  readonly sso: string;
  /** DI tokens: first ones and renewals. */
  readonly auth: string;
  /** The Connect Personal API. */
  readonly personal: string;
  /** True when data, sign-in and tokens are on this machine, so no real account can be touched. */
  readonly areLoopback: boolean;
}

/** The origins of the configured region, or their loopback stand-ins. */
export function originsOf(config: GarminConfig): Origins {
  const domain = config.isChina ? 'garmin.cn' : 'garmin.com';
  const { apiOrigin, ssoOrigin, authOrigin, personalOrigin } = config;
  return {
    domain,
    api: apiOrigin ?? `https://connectapi.${domain}`,
    sso: ssoOrigin ?? `https://sso.${domain}`,
    auth: authOrigin ?? `https://diauth.${domain}`,
    personal: personalOrigin ?? apiOrigin ?? `https://personal.connectapi.${domain}`,
    areLoopback: [apiOrigin, ssoOrigin, authOrigin].every((origin) => origin !== undefined),
  };
}
