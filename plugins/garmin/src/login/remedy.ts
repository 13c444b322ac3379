import type { Region } from '../config.ts';

/** What a person does to sign in anew; within a sentence. */
export const signInAgain = 'sign in with `npx otw login garmin`';

/** Why a session ended, with what to do where the reason does not say so. */
export function describeEnd(reason: string): string {
  return reason.includes('npx otw login garmin') ? reason : `${reason}. To go on, ${signInAgain}`;
}

/** Every way in; the end of a `needs_user` message where nothing is there yet. */
export const describeSignIn =
  'Run `npx otw login garmin` at a terminal; with --ticket to sign in with your own browser, or with --import and the ' +
  'token files of python-garminconnect, garth or garmin-connect, which may also lie in GARMIN_TOKEN_DIR.';

/** The way in that no limit on sign-ins stands before. */
export const ticketWay = 'sign in with your own browser: `npx otw login garmin --ticket`';

/** How to say that the account lives in the other region. */
export function otherRegionHint(region: Region): string {
  return `set GARMIN_IS_CN (isChina), now ${region === 'garmin.cn'}, to ${region !== 'garmin.cn'}`;
}

/** A time span in words. */
export function describeSpan(ms: number): string {
  const minutes = Math.ceil(ms / 60_000);
  if (minutes < 120) return minutes === 1 ? '1 minute' : `${minutes} minutes`;
  const hours = Math.floor(minutes / 60);
  return minutes % 60 === 0 ? `${hours} hours` : `${hours} hours and ${minutes % 60} minutes`;
}
