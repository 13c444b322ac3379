import { failureOf, type Failure, type OpenConnector } from '@on-the-way/core';
import { ConnectorError, dayAt, formatInstant } from '@on-the-way/sdk';
import type { ConnectionConfig } from './config/host-config.ts';
import { openConnection, type OpenParts, type OpenRequest } from './open-connection.ts';
import type { ConnectionStore } from './storage/connections.ts';
import type { Fence } from './storage/fence.ts';

/** What a connector is used with outside of a run. */
export interface UseParts extends OpenParts {
  readonly connections: ConnectionStore;
}

/** The error of a sign-in that was refused, with the time before which none is wanted; `cause` is the refusal. */
export function signInRefused(
  until: number,
  { timeZone }: ConnectionConfig,
  retryAfterMs: number,
  cause?: unknown,
): ConnectorError {
  const why = cause instanceof Error ? ` (${cause.message})` : '';
  return new ConnectorError(
    'rate_limited',
    `The source refused a sign-in${why}: do not try before ${formatInstant(until, timeZone)}, since each try makes it longer. ` +
      'Importing tokens works meanwhile',
    { cause, retryAfterMs, refusedSignIn: true },
  );
}

/**
 * Remembers the pause a source asked for: of sign-ins where it refused one, else of everything. Resolves
 * with how long it is in milliseconds; undefined for any other failure. Throws Fenced where there is a fence.
 */
export async function rememberPause(
  { connections, signInPauses, clock }: UseParts,
  connection: string,
  { failure, fence }: { readonly failure: Failure; readonly fence?: Fence | undefined },
): Promise<number | undefined> {
  if (failure.code !== 'rate_limited') return undefined;
  const now = clock.now();
  if (failure.refusedSignIn === true)
    return (fence ? signInPauses.under(fence) : signInPauses).refused(connection, now, failure.retryAfterMs);
  return (fence ? connections.under(fence) : connections).pause(connection, now, failure);
}

async function withPause(
  parts: UseParts,
  connection: ConnectionConfig,
  { error, fence }: { readonly error: unknown; readonly fence: Fence | undefined },
): Promise<unknown> {
  const failure = failureOf(error);
  const retryAfterMs = await rememberPause(parts, connection.name, { failure, fence });
  if (retryAfterMs === undefined) return error;
  return failure.refusedSignIn === true
    ? signInRefused(parts.clock.now() + retryAfterMs, connection, retryAfterMs, error)
    : new ConnectorError('rate_limited', failure.message, { cause: error, retryAfterMs });
}

/**
 * Opens a connection's connector outside of a run, lets `use` ask, and closes it. Its requests count into
 * the day's budget, and a pause the source asks for is remembered.
 *
 * @throws what opening and `use` throw; `rate_limited` with how long the pause is.
 */
export async function useConnector<T>(
  parts: UseParts,
  connection: ConnectionConfig,
  request: OpenRequest & { readonly signal: AbortSignal },
  use: (connector: OpenConnector) => Promise<T>,
): Promise<T> {
  const day = dayAt(parts.clock.now(), connection.timeZone);
  let requests = 0;
  const onRequests = (made: number): void => void (requests = made);
  try {
    const connector = await openConnection(parts, connection, { ...request, onRequests }, request.signal);
    try {
      return await use(connector);
    } finally {
      await connector.close();
    }
  } catch (error) {
    throw await withPause(parts, connection, { error, fence: request.fence });
  } finally {
    if (requests > 0) await parts.connections.countRequests(connection.name, day, requests);
  }
}
