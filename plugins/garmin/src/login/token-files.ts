import { ConnectorError, type JsonValue, type LoginContext } from '@on-the-way/sdk';
import { z } from 'zod';
import type { Region } from '../config.ts';
import { claimsOf, regionOfHost, regionOfToken } from './jwt.ts';
import { otherRegionHint, signInAgain } from './remedy.ts';
import type { DiSession, OauthSession, SavedSession } from './saved-session.ts';
import { digestOf } from './sign-in-memory.ts';

/** Names of the files that other programs save, without `.json`; fields of the token store too. */
export const fileNames = ['garmin_tokens', 'oauth1_token', 'oauth2_token'] as const;

/** Token files by name, parsed. */
export type TokenFiles = Readonly<Record<string, JsonValue | undefined>>;

const text = z.string().min(1).nullish().catch(undefined);
const seconds = z.number().nullish().catch(undefined);

/** python-garminconnect, from 0.3 on. */
const diFile = z.object({ di_token: text, di_refresh_token: text, di_client_id: text });
/** garth and garmin-connect. */
const oauth1File = z.object({
  oauth_token: z.string().min(1),
  oauth_token_secret: z.string().min(1),
  mfa_token: text,
  domain: text,
});
/** garth and garmin-connect. */
const oauth2File = z.object({ access_token: z.string().min(1), refresh_token: text, expires_at: seconds });

/** A session read from token files. The region is undefined where they do not tell it. */
interface Found {
  readonly session: Omit<DiSession, 'region'> | Omit<OauthSession, 'region'>;
  readonly region: Region | undefined;
}

const isThere = (value: unknown) => value !== undefined && value !== null;

function timesUntil(expires: number | null | undefined, marginSeconds: number) {
  return typeof expires === 'number' ? { expires_at: expires, renew_at: expires - marginSeconds } : {};
}

function readDi({ garmin_tokens: file }: TokenFiles): Found | undefined {
  const parsed = diFile.safeParse(file).data;
  const { di_token: token, di_refresh_token: refresh, di_client_id: client } = parsed ?? {};
  if (!token && !refresh) return undefined;
  return {
    region: regionOfToken(token ?? undefined),
    session: {
      kind: 'di',
      ...(token && { access_token: token, ...timesUntil(claimsOf(token).exp, 900) }),
      ...(refresh && { refresh_token: refresh }),
      ...(client && { client_id: client }),
    },
  };
}

function readOauth({ oauth1_token: file1, oauth2_token: file2 }: TokenFiles): Found | undefined {
  const oauth1 = oauth1File.safeParse(file1).data;
  const oauth2 = oauth2File.safeParse(file2).data;
  if (!oauth1 && !oauth2) return undefined;
  const { oauth_token = '', oauth_token_secret = '', mfa_token, domain } = oauth1 ?? {};
  const mfa = mfa_token ? { mfa_token } : {};
  return {
    region: domain ? regionOfHost(domain) : regionOfToken(oauth2?.access_token),
    session: {
      kind: 'oauth',
      ...(oauth1 && { oauth1: { oauth_token, oauth_token_secret, ...mfa } }),
      ...(oauth2 && { access_token: oauth2.access_token, ...timesUntil(oauth2.expires_at, 60) }),
      ...(oauth2?.refresh_token && { refresh_token: oauth2.refresh_token }),
    },
  };
}

function bind({ session, region: found }: Found, region: Region): SavedSession {
  if (found === undefined || found === region)
    return { ...session, region, imported: digestOf([session, region]) };
  throw new ConnectorError(
    'config',
    `Expected tokens of ${region}, got tokens of another region: ${otherRegionHint(region)}, or ${signInAgain}`,
  );
}

/**
 * The sessions that token files hold, best first; nothing of the files beside the tokens is kept. Names
 * that hold nothing usable are warned about. Throws `config` for tokens of the other region.
 */
export function readTokenFiles(
  files: TokenFiles,
  { region, log }: { readonly region: Region; readonly log: LoginContext<unknown>['log'] },
): SavedSession[] {
  const [di, oauth] = [readDi(files), readOauth(files)];
  if (!di && isThere(files['garmin_tokens']))
    log.warn('Expected di_token and di_refresh_token in garmin_tokens, got neither: replace the file');
  if (!oauth && (isThere(files['oauth1_token']) || isThere(files['oauth2_token'])))
    log.warn('Expected tokens in oauth1_token and oauth2_token, got neither: replace the files');
  return [di, oauth].filter((found) => found !== undefined).map((found) => bind(found, region));
}
