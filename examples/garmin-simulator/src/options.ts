import type { Syncs } from './person/syncs.ts';
import type { Region } from './region.ts';
import type { MfaOptions } from './sign-in/desk.ts';

export interface GarminSimulatorOptions {
  /** Default 0: any free port. Only 127.0.0.1 is listened on. */
  port?: number;
  /** Default 'demo'. The same seed gives the same person, for ever. */
  seed?: string;
  /** Milliseconds since 1970; default the machine's clock. */
  now?: () => number;
  /** The person's zone; default 'Asia/Shanghai'. */
  timeZone?: string;
  /** Default 'runner@example.com'. */
  email?: string;
  /** Default 'simulated'. */
  password?: string;
  /** A folder with an index.json: its answers are served instead of invented ones. */
  recordings?: string;
  /** What the watch and the person have. Default: heart rate variability, no cycle tracking. */
  features?: { hrv?: boolean; menstrual?: boolean };
  /** Default: any region's service URL is taken. With one, tokens say so and the other region's are refused. */
  region?: Region;
  /** What the other region's access token gets: 401 (default), or a profile of nulls and 403 for the rest. */
  foreignTokens?: 'refused' | 'empty-profile';
  /** Default: the password is enough. */
  mfa?: MfaOptions;
  /** Default: nobody has a key of the Personal API. */
  personalApiKey?: string;
  /** Life of an access token; default 64800. */
  accessSeconds?: number;
  /** Life of a refresh token; default 2591999. */
  refreshSeconds?: number;
  /** Is the refresh token of an OAuth1 exchange taken at the DI endpoint? Default true. */
  oauth2RefreshAtDi?: boolean;
  /** Client ids a ticket is exchanged for; default the four of the app. */
  diClientIds?: readonly string[];
  /** Default: the watch syncs at 07:30 and 21:30 of the person's clock. */
  syncs?: Syncs;
}
