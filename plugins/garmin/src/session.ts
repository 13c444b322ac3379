import { ConnectorError } from '@on-the-way/sdk';
import { z } from 'zod';
import type { GarminConfig } from './config.ts';
import type { GarminApi } from './garmin-api.ts';
import { signInAgain } from './login/remedy.ts';
import { createSharedAnswers, type SharedAnswers } from './shared-answers.ts';

/** Who is signed in, as far as paths and the account's name need it. With a Personal API key alone, nothing of it. */
export interface Profile {
  /** Part of several paths. */
  readonly displayName: string | undefined;
  /** Part of the gear path, as text; absent where Garmin leaves it out. */
  readonly profileId: string | undefined;
  /** Usually the e-mail address. */
  readonly userName: string | undefined;
}

/** The ways to ask for data; at least one is there. */
export interface GarminApis {
  /** `connectapi`, as the phone app asks. */
  readonly connect?: GarminApi;
  /** Garmin's Connect Personal API. */
  readonly personal?: GarminApi;
}

/** What the datasets read with. */
export interface GarminSession {
  readonly apis: GarminApis;
  readonly profile: Profile;
  /** Whose data it is: the configured e-mail address, else the profile's name. */
  readonly account: string;
  /** Names of the datasets that are wanted. */
  readonly metrics: readonly string[];
  /** Whether each day's readings are wanted, or summaries will do. */
  readonly intraday: boolean;
  /** Answers that two datasets are read from. */
  readonly shared: SharedAnswers;
  /** Closes every socket. */
  close(): void;
}

/** Where it is said who is signed in. */
export const profilePath = '/userprofile-service/socialProfile';

const profileSchema = z.object({
  displayName: z.string().min(1),
  profileId: z.union([z.number(), z.string()]).transform(String).nullish(),
  userName: z.string().min(1).nullish().catch(undefined),
});

/** Reads who is signed in; the proof that a session is good. */
export async function readProfile(
  api: GarminApi,
  { isChina, signal }: { readonly isChina: boolean; readonly signal: AbortSignal },
): Promise<Profile> {
  const parsed = profileSchema.safeParse(await askProfile(api, signal));
  if (!parsed.success) {
    throw new ConnectorError(
      'config',
      `Expected displayName from ${profilePath}, got an empty profile, as accounts of another region do: ` +
        `set GARMIN_IS_CN (isChina), now ${isChina}, to ${!isChina}`,
    );
  }
  const { displayName, profileId, userName } = parsed.data;
  return { displayName, profileId: profileId ?? undefined, userName: userName ?? undefined };
}

async function askProfile(api: GarminApi, signal: AbortSignal): Promise<unknown> {
  try {
    return await api.get(profilePath, { signal });
  } catch (error) {
    const isForbidden = ConnectorError.is(error) && ['source', 'not_supported'].includes(error.code);
    if (!isForbidden || error.status !== 403) throw error;
    throw new ConnectorError(
      'auth',
      `Expected ${profilePath} of the signed-in account, got HTTP 403: ${signInAgain}`,
      { status: 403, cause: error },
    );
  }
}

/** One cheap read that proves every credential of a session good. */
export async function proveSession({ apis }: GarminSession, signal: AbortSignal): Promise<void> {
  if (apis.connect) await apis.connect.get(profilePath, { signal });
  if (apis.personal) await apis.personal.get('/userprofile-service/userprofile/settings', { signal });
}

/** Whether both are e-mail addresses and not the same one; an address may also have changed since. */
export function isSomeoneElse(email: string | undefined, userName: string | undefined): boolean {
  if (email === undefined || !userName?.includes('@')) return false;
  return email.trim().toLowerCase() !== userName.trim().toLowerCase();
}

/** The session of a profile. Throws `config` where neither the configuration nor the profile names the account. */
export function createSession(
  parts: Pick<GarminSession, 'apis' | 'profile' | 'metrics' | 'close'>,
  { email, intraday }: Pick<GarminConfig, 'email' | 'intraday'>,
): GarminSession {
  const { userName, displayName } = parts.profile;
  const account = email ?? userName ?? displayName;
  if (account === undefined) {
    throw new ConnectorError(
      'config',
      'Expected GARMIN_EMAIL (email) beside the Personal API key, got none: set it, it names the account of every row',
    );
  }
  return Object.freeze({
    ...parts,
    account,
    intraday,
    shared: createSharedAnswers(),
  });
}
