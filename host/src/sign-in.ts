import type { OpenConnector } from '@on-the-way/core';
import { ConnectorError, formatInstant, type Prompt, type SignIn } from '@on-the-way/sdk';
import type { ConnectionConfig } from './config/host-config.ts';
import { openConnection, type OpenParts } from './open-connection.ts';
import { lockConnection } from './run-service.ts';
import type { ConnectionStore } from './storage/connections.ts';
import type { Database } from './storage/database.ts';
import { createSignInPauses, type SignInPauses } from './storage/sign-in-pauses.ts';

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
  /** Forgets the saved session; resolves with how many fields it had. Throws AlreadyRunning after 30 s. */
  signOut(connection: ConnectionConfig): Promise<number>;
}

/** What the service is built from. */
export interface SignInParts extends OpenParts {
  readonly database: Database;
  readonly connections: ConnectionStore;
}

const waitForRunMs = 30_000;
const hourMs = 3_600_000;
// Garmin refuses for hours after one or two sign-ins too many, and for longer the more it is tried.
const firstPauseMs = 2 * hourMs;
const longestPauseMs = 24 * hourMs;
// A time stated wrongly must not shut a person out for good.
const longestStatedMs = 7 * 24 * hourMs;

function rateLimited(until: number, timeZone: string, retryAfterMs: number, cause?: unknown): ConnectorError {
  const why = cause instanceof Error ? ` (${cause.message})` : '';
  return new ConnectorError(
    'rate_limited',
    `The source refused a sign-in${why}: do not try before ${formatInstant(until, timeZone)}, since each try makes it longer. ` +
      'Importing tokens works meanwhile',
    { cause, retryAfterMs },
  );
}

/** Refuses before anything is sent, while the source wants to be left alone. */
async function refuseDuringPause(
  pauses: SignInPauses,
  { name, timeZone }: ConnectionConfig,
  now: number,
): Promise<void> {
  const pause = await pauses.read(name);
  const until = pause?.until.getTime() ?? 0;
  if (until > now) throw rateLimited(until, timeZone, until - now);
}

/** Remembers the refusal, across restarts; twice as long as the last one. */
async function pauseAfter(
  pauses: SignInPauses,
  { name, timeZone }: ConnectionConfig,
  now: number,
  error: ConnectorError,
): Promise<ConnectorError> {
  const last = (await pauses.read(name))?.pauseMs;
  const pauseMs = last === undefined ? firstPauseMs : Math.min(2 * last, longestPauseMs);
  const stated = Number.isFinite(error.retryAfterMs) ? (error.retryAfterMs ?? 0) : 0;
  const waitMs = Math.max(pauseMs, Math.min(stated, longestStatedMs));
  await pauses.pause(name, { until: new Date(now + waitMs), pauseMs });
  return rateLimited(now + waitMs, timeZone, waitMs, error);
}

async function open(
  parts: SignInParts,
  connection: ConnectionConfig,
  request: SignInRequest,
): Promise<SignedIn> {
  const connector: OpenConnector = await openConnection(parts, connection, request, request.signal);
  try {
    await connector.check(request.signal);
    await parts.connections.rememberDatasets(connection.name, connector.datasets);
    const notSupported = connector.datasets.filter((dataset) => dataset.notSupported !== undefined).length;
    return {
      accountRef: connector.accountRef,
      datasets: connector.datasets.length - notSupported,
      notSupported,
    };
  } finally {
    await connector.close();
  }
}

async function attempt(
  parts: SignInParts,
  pauses: SignInPauses,
  connection: ConnectionConfig,
  request: SignInRequest,
): Promise<SignedIn> {
  const { clock } = parts;
  try {
    const signedIn = await open(parts, connection, request);
    await pauses.signedIn(connection.name, new Date(clock.now()));
    return signedIn;
  } catch (error) {
    const isRefused = ConnectorError.is(error) && error.code === 'rate_limited';
    throw isRefused ? await pauseAfter(pauses, connection, clock.now(), error) : error;
  }
}

async function signIn(
  parts: SignInParts,
  pauses: SignInPauses,
  connection: ConnectionConfig,
  request: SignInRequest,
): Promise<SignedIn> {
  const refuseEarly = async (): Promise<void> => {
    if (request.signIn.way === 'ask') await refuseDuringPause(pauses, connection, parts.clock.now());
  };
  await refuseEarly();
  const unlock = await lockConnection(parts, connection.name, {
    waitMs: waitForRunMs,
    signal: request.signal,
  });
  try {
    // Once more: a sign-in that was waited for may have been refused.
    await refuseEarly();
    return await attempt(parts, pauses, connection, request);
  } finally {
    await unlock();
  }
}

/** Makes the service that `otw login` and `otw logout` use. */
export function createSignInService(parts: SignInParts): SignInService {
  const pauses = createSignInPauses(parts.database);
  return {
    signIn: (connection, request) => signIn(parts, pauses, connection, request),
    async signOut({ name }) {
      const unlock = await lockConnection(parts, name, { waitMs: waitForRunMs });
      try {
        return await parts.sessions.forget(name);
      } finally {
        await unlock();
      }
    },
  };
}
