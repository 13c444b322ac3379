import { z } from 'zod';
import type { Region } from '../config.ts';

const claimsSchema = z.object({
  exp: z.number().optional().catch(undefined),
  client_id: z.string().min(1).optional().catch(undefined),
  iss: z.string().optional().catch(undefined),
});

/** The claims of a JWT that are used; none when it is not a JWT. Nothing is verified: Garmin does that. */
export function claimsOf(token: string): z.output<typeof claimsSchema> {
  try {
    const text = Buffer.from(token.split('.')[1] ?? '', 'base64url').toString('utf8');
    return claimsSchema.parse(JSON.parse(text));
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof z.ZodError) return {};
    throw error;
  }
}

/** The region a host belongs to, or undefined for any other host. */
export function regionOfHost(host: string): Region | undefined {
  const regions: readonly Region[] = ['garmin.com', 'garmin.cn'];
  return regions.find((region) => host === region || host.endsWith(`.${region}`));
}

/** The region whose service made a token, where the token says so. */
export function regionOfToken(token: string | undefined): Region | undefined {
  const issuer = claimsOf(token ?? '').iss ?? '';
  return regionOfHost(URL.canParse(issuer) ? new URL(issuer).hostname : issuer);
}
