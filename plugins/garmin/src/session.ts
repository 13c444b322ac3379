import { ConnectorError } from '@on-the-way/sdk';
import { z } from 'zod';
import type { GarminConfig } from './config.ts';
import type { GarminApi } from './garmin-api.ts';
import { createSharedAnswers, type SharedAnswers } from './shared-answers.ts';

/** Who is signed in, as far as paths and the account's name need it. */
export interface Profile {
  /** Part of several paths. */
  readonly displayName: string;
  /** Part of the gear path, as text; absent where Garmin leaves it out. */
  readonly profileId: string | undefined;
  /** Usually the e-mail address. */
  readonly userName: string | undefined;
}

/** What the datasets read with. */
export interface GarminSession {
  readonly api: GarminApi;
  readonly profile: Profile;
  /** Whose data it is: the configured e-mail address, else the profile's name. */
  readonly account: string;
  /** Names of the datasets that are wanted. */
  readonly metrics: readonly string[];
  /** Answers that two datasets are read from. */
  readonly shared: SharedAnswers;
  /** Closes every socket. */
  close(): void;
}

const path = '/userprofile-service/socialProfile';

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
      `Expected displayName from ${path}, got an empty profile, as accounts of another region do: ` +
        `set GARMIN_IS_CN (isChina), now ${isChina}, to ${!isChina}`,
    );
  }
  const { displayName, profileId, userName } = parsed.data;
  return { displayName, profileId: profileId ?? undefined, userName: userName ?? undefined };
}

async function askProfile(api: GarminApi, signal: AbortSignal): Promise<unknown> {
  try {
    return await api.get(path, { signal });
  } catch (error) {
    if (!ConnectorError.is(error) || error.code !== 'source' || error.status !== 403) throw error;
    throw new ConnectorError(
      'auth',
      `Expected ${path} of the signed-in account, got HTTP 403: sign in again and replace the saved tokens`,
      { status: 403, cause: error },
    );
  }
}

/** Whether both are e-mail addresses and not the same one; an address may also have changed since. */
export function isSomeoneElse(email: string | undefined, userName: string | undefined): boolean {
  if (email === undefined || !userName?.includes('@')) return false;
  return email.trim().toLowerCase() !== userName.trim().toLowerCase();
}

/** The session of a profile. */
export function createSession(
  parts: Pick<GarminSession, 'api' | 'profile' | 'metrics' | 'close'>,
  { email }: Pick<GarminConfig, 'email'>,
): GarminSession {
  const { userName, displayName } = parts.profile;
  return Object.freeze({
    ...parts,
    account: email ?? userName ?? displayName,
    shared: createSharedAnswers(),
  });
}
