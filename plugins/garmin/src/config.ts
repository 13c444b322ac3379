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
  /** Used only for a first login with a person present; scheduled runs use the saved tokens. */
  password: secret().optional(),
  /** Default true: accounts of garmin.cn. The wrong region answers with empty shells. */
  isChina: z.boolean().default(true),
  /** Default 'all'. Unknown names are warned about and skipped. */
  metrics: z.union([z.literal('all'), z.array(z.string())]).default('all'),
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
});

/** A parsed configuration. */
export type GarminConfig = z.output<typeof configSchema>;

/** Where requests may go, and nowhere else. */
export interface Origins {
  /** `garmin.com` or `garmin.cn`. */
  readonly domain: 'garmin.com' | 'garmin.cn';
  /** Data, and the OAuth 1 endpoints. */
  readonly api: string;
  /** The sign-in pages. */
  readonly sso: string;
  /** Renewal of DI tokens. */
  readonly auth: string;
  /** True when all three are on this machine, so no real account can be touched. */
  readonly areLoopback: boolean;
}

/** The three origins of the configured region, or their loopback stand-ins. */
export function originsOf(config: GarminConfig): Origins {
  const domain = config.isChina ? 'garmin.cn' : 'garmin.com';
  const { apiOrigin, ssoOrigin, authOrigin } = config;
  return {
    domain,
    api: apiOrigin ?? `https://connectapi.${domain}`,
    sso: ssoOrigin ?? `https://sso.${domain}`,
    auth: authOrigin ?? `https://diauth.${domain}`,
    areLoopback: [apiOrigin, ssoOrigin, authOrigin].every((origin) => origin !== undefined),
  };
}
