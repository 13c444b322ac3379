import type { ConnectorRecord } from '@on-the-way/sdk';
import { onTestFinished } from 'vitest';
import { createClient } from '../src/client.ts';
import { datasetNames, pickDatasets } from '../src/datasets/index.ts';
import { createGarminApi, type RawAnswer } from '../src/garmin-api.ts';
import { createPacer } from '../src/pacer.ts';
import { createSession, type GarminSession, type Profile } from '../src/session.ts';
import { localConfig, never, profile, silent } from './server.ts';

/** What differs from a session with the phone app's credential alone. */
export interface SessionOptions {
  readonly has?: readonly ('connect' | 'personal')[];
  /** Of the phone app's api, instead of `connect`. */
  readonly bearer?: string;
  readonly intraday?: boolean;
  readonly profile?: Partial<Profile>;
  /** Where the Personal API listens. */
  readonly personalOrigin?: string;
  readonly record?: (answer: RawAnswer) => void;
  readonly requestsInFlight?: number;
  readonly requestTimeoutSeconds?: number;
}

const credentialOf = (bearer: string) => ({ bearer: async () => bearer, renew: async () => `${bearer}-2` });

/** A session without a login: its bearers are `connect` and `personal`, and those with `-2` behind when renewed. */
export function openSession(origin: string, options: SessionOptions = {}): GarminSession {
  const {
    has = ['connect'],
    intraday = true,
    personalOrigin = origin,
    record,
    requestsInFlight = 1,
    requestTimeoutSeconds = 10,
  } = options;
  const config = localConfig(origin, {
    email: 'invented@example.org',
    intraday,
    personalOrigin,
    requestTimeoutSeconds,
  });
  const client = createClient(config, () => {});
  onTestFinished(() => client.close());
  const pace = createPacer(0, { requestsInFlight });
  const apiAt = (at: string, name: string) =>
    createGarminApi({ client, credential: credentialOf(name), pace, origin: at, ...(record && { record }) });
  const who = { displayName: profile.displayName, profileId: String(profile.profileId), userName: undefined };
  return createSession(
    {
      apis: {
        ...(has.includes('connect') && { connect: apiAt(origin, options.bearer ?? 'connect') }),
        ...(has.includes('personal') && { personal: apiAt(personalOrigin, 'personal') }),
      },
      profile: { ...who, ...options.profile },
      metrics: datasetNames,
      close: () => client.close(),
    },
    config,
  );
}

/** All records of a dataset, as the session's table has it. */
export async function readFrom(
  session: GarminSession,
  dataset: string,
  { from, to }: { readonly from: string; readonly to: string },
): Promise<ConnectorRecord[]> {
  const definition = pickDatasets(session)[dataset];
  if (!definition) throw new Error(`Expected a dataset, got ${dataset}`);
  return Array.fromAsync(definition.fetch({ session, window: { from, to }, signal: never, log: silent }));
}
