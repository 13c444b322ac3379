import { ConnectorError, type JsonValue } from '@on-the-way/sdk';
import { unlessAborted } from '../abort.ts';
import { isFilled, memberOf, textOf } from '../json-shape.ts';
import { profilePath, type GarminSession, type Profile } from '../session.ts';

/** Profiles that were read anew, by session. */
const newer = new WeakMap<GarminSession, Promise<Profile>>();

function checkSameAccount(before: Profile, id: string | undefined): void {
  if (before.profileId === undefined || id === undefined || before.profileId === id) return;
  throw new ConnectorError(
    'auth',
    `Expected ${profilePath} of the account that was signed in, got another one's: sign in again`,
  );
}

async function ask({ apis, profile }: GarminSession): Promise<Profile> {
  const api = apis.connect ?? apis.personal;
  // It was parsed from JSON by the api.
  const answer = ((await api?.get(profilePath)) ?? null) as JsonValue;
  const name = memberOf(answer, 'displayName');
  const id = memberOf(answer, 'profileId');
  checkSameAccount(profile, isFilled(id) ? textOf(id) : undefined);
  return typeof name === 'string' && name !== '' ? { ...profile, displayName: name } : profile;
}

/** Who is signed in as far as is known by now. */
export async function profileOf(session: GarminSession): Promise<Profile> {
  return (await newer.get(session)?.catch(() => undefined)) ?? session.profile;
}

/**
 * Reads once a session who is signed in: the account's name may have changed since the login. Throws
 * `auth` when it is another account by now. A read that failed is not remembered.
 */
export async function rereadProfile(session: GarminSession, signal: AbortSignal): Promise<Profile> {
  let reading = newer.get(session);
  if (!reading) {
    reading = ask(session);
    newer.set(session, reading);
    reading.catch(() => newer.delete(session));
  }
  return unlessAborted(reading, signal);
}
