import type { Prompt, SignIn } from '@on-the-way/sdk';
import type { ConnectionConfig } from './config/host-config.ts';
import { claimConnection } from './run-service.ts';
import type { ClaimStore } from './storage/claims.ts';
import { signInRefused, useConnector, type UseParts } from './use-connector.ts';

/** What a person brings to sign in anew. */
interface SignInRequest {
  readonly signIn: SignIn;
  /** Present when the person can be asked. */
  readonly prompt?: Prompt;
  readonly signal: AbortSignal;
}

/** What a sign-in brought. */
interface SignedIn {
  readonly accountRef: string;
  /** Datasets that can be read. */
  readonly datasets: number;
  /** Datasets that cannot, as things are. */
  readonly notSupported: number;
}

/** Signs people in and out. */
export interface SignInService {
  /**
   * Opens the connector with what the person brings, and checks the session. Never tries twice.
   *
   * @throws what the connector throws; ConnectorError `rate_limited` with the time in its message, also
   *   without asking the source, where it refused a sign-in before; AlreadyRunning after 30 s.
   */
  signIn(connection: ConnectionConfig, request: SignInRequest): Promise<SignedIn>;
  /** Forgets the saved session; resolves with how many of its fields are gone. Throws AlreadyRunning after 30 s. */
  signOut(connection: ConnectionConfig): Promise<number>;
}

/** What the service is built from. */
export type SignInParts = UseParts & { readonly claims: ClaimStore };

const waitForRunMs = 30_000;

/** Refuses before anything is sent, while the source wants to be left alone. */
async function refuseDuringPause(
  { signInPauses, clock }: SignInParts,
  connection: ConnectionConfig,
): Promise<void> {
  const pause = await signInPauses.read(connection.name);
  const now = clock.now();
  const until = pause?.until.getTime() ?? 0;
  if (until > now) throw signInRefused(until, connection, until - now);
}

async function attempt(
  parts: SignInParts,
  connection: ConnectionConfig,
  request: SignInRequest,
): Promise<SignedIn> {
  const { clock, connections, signInPauses } = parts;
  const signedIn = await useConnector(parts, connection, request, async (connector) => {
    await connector.check(request.signal);
    await connections.rememberConnector(connection.name, connector);
    const notSupported = connector.datasets.filter((dataset) => dataset.notSupported !== undefined).length;
    return {
      accountRef: connector.accountRef,
      datasets: connector.datasets.length - notSupported,
      notSupported,
    };
  });
  await signInPauses.signedIn(connection.name, new Date(clock.now()));
  return signedIn;
}

async function signIn(
  parts: SignInParts,
  connection: ConnectionConfig,
  request: SignInRequest,
): Promise<SignedIn> {
  const refuseEarly = async (): Promise<void> => {
    if (request.signIn.way === 'ask') await refuseDuringPause(parts, connection);
  };
  await refuseEarly();
  const claim = await claimConnection(parts, connection.name, {
    waitMs: waitForRunMs,
    signal: request.signal,
  });
  try {
    // Once more: a sign-in that was waited for may have been refused.
    await refuseEarly();
    return await attempt(parts, connection, request);
  } finally {
    await claim.release();
  }
}

/** Makes the service that `otw login` and `otw logout` use. */
export function createSignInService(parts: SignInParts): SignInService {
  return {
    signIn: (connection, request) => signIn(parts, connection, request),
    async signOut({ name }) {
      const claim = await claimConnection(parts, name, { waitMs: waitForRunMs });
      try {
        return await parts.sessions.forget(name);
      } finally {
        await claim.release();
      }
    },
  };
}
