import { secret } from '@on-the-way/sdk';
import { z } from 'zod';

const loopbackHost = /^(localhost|127\.\d{1,3}\.\d{1,3}\.\d{1,3}|\[::1\])$/;

function isLoopbackOrigin(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, hostname, username, pathname, search } = new URL(text);
  const isBare = username === '' && pathname === '/' && search === '';
  return /^https?:$/.test(protocol) && isBare && loopbackHost.test(hostname);
}

/** What a connection to Strava is configured with. */
export const configSchema = z.strictObject({
  /** The number of your API application, from https://www.strava.com/settings/api. */
  clientId: z
    .union([z.int().positive(), z.string().regex(/^\d+$/, { error: 'Expected digits, such as 12345' })])
    .transform(String),
  /** The secret of your API application, from the same page. */
  clientSecret: secret(),
  /** The first refresh token. Later ones are saved by the host; this one is used again only once it is another. */
  refreshToken: secret().optional(),
  /** Default 14, 1 to 3650. How far behind the newest activity each run looks for ones that were uploaded late. */
  lookBackDays: z.int().min(1).max(3650).default(14),
  /** Default 200, 1 to 200. Activities in one answer; fewer cost more requests. */
  perPage: z.int().min(1).max(200).default(200),
  /** Default 30, 1 to 300. Bounds one request as a whole. */
  requestTimeoutSeconds: z.number().min(1).max(300).default(30),
  /** Instead of https://www.strava.com; loopback only. */
  apiOrigin: z
    .string()
    .refine(isLoopbackOrigin, {
      error:
        'Expected an address of this machine, such as http://127.0.0.1:4010 (127.0.0.0/8, localhost or [::1]), ' +
        'got another one: leave it out to use Strava itself',
    })
    .transform((text) => new URL(text).origin)
    .optional(),
});

/** A parsed configuration. */
export type StravaConfig = z.output<typeof configSchema>;

/** Where requests go, and nowhere else. */
export function originOf({ apiOrigin }: StravaConfig): string {
  return apiOrigin ?? 'https://www.strava.com';
}
