import type { IncomingMessage, ServerResponse } from 'node:http';
import type { HostLog } from '../log.ts';
import { limitLines } from '../limit-lines.ts';
import { isPoolFull, isUnreachable } from '../storage/database.ts';
import { pathAsked, requestIdOf } from './exchange.ts';
import { sendJson } from './send.ts';

/** What a refusal may be called; docs/http.md says when. */
export const refusalCodes = [
  'INVALID_ARGUMENT',
  'DUPLICATE_IDEMPOTENCY_KEY',
  'UNSUPPORTED_METRIC_TYPE',
  'INVALID_TIMEZONE',
  'RAW_WRITE_FAILED',
  'WRONG_ROLE',
  'ALREADY_RUNNING',
  'RATE_LIMITED',
  'OVERLOADED',
  'PAUSED',
  'UNAUTHENTICATED',
  'FORBIDDEN',
  'NOT_FOUND',
  'DEPENDENCY_UNAVAILABLE',
  'INTERNAL_ERROR',
] as const;

/** One of them. */
export type RefusalCode = (typeof refusalCodes)[number];

/** A refusal in the contract's words. */
export class ApiError extends Error {
  override readonly name = 'ApiError';
  readonly status: number;
  readonly code: RefusalCode;
  /** When to try again. */
  readonly retryAfterSeconds: number | undefined;

  constructor(status: number, code: RefusalCode, message: string, retryAfterSeconds?: number) {
    super(message);
    this.status = status;
    this.code = code;
    this.retryAfterSeconds = retryAfterSeconds;
  }
}

/** What nobody else answered. */
export function notFound({ method }: IncomingMessage, response: ServerResponse): ApiError {
  return new ApiError(
    404,
    'NOT_FOUND',
    `Expected a path of this API, found ${method} ${pathAsked(response)}`,
  );
}

// Long enough for a Postgres to come back, short enough not to be noticed.
const retryAfterSeconds = 5;

/** Any error as the refusal that is answered. */
export function apiErrorOf(error: unknown): ApiError {
  if (error instanceof ApiError) return error;
  // All sessions of the pool are at work: ours to say, and no fault of the database.
  if (isPoolFull(error))
    return new ApiError(503, 'OVERLOADED', 'Too much is asked of this host at once; try again shortly', 1);
  if (isUnreachable(error)) {
    return new ApiError(
      503,
      'DEPENDENCY_UNAVAILABLE',
      'The database is not reachable; try again shortly',
      retryAfterSeconds,
    );
  }
  // Express' own refusals (a malformed address) carry a 4xx status; everything else is ours to mend.
  const status = error instanceof Error && 'status' in error ? Number(error.status) : 500;
  if (status >= 400 && status < 500)
    return new ApiError(status, 'INVALID_ARGUMENT', 'The request is malformed');
  return new ApiError(500, 'INTERNAL_ERROR', 'Something went wrong; the log has it under this request_id');
}

/** Answers every error in the contract's shape; internals go to the log, not to the caller. */
export function errorAnswerer(
  log: HostLog,
): (error: unknown, request: IncomingMessage, response: ServerResponse) => void {
  // A database that is away fails every request; what all of them say, a few lines do.
  const unavailableLine = limitLines();
  return (error, request, response) => {
    if (response.headersSent) {
      // Half of an answer must not look like all of it.
      response.destroy();
      return;
    }
    const { status, code, message, retryAfterSeconds: after } = apiErrorOf(error);
    const requestId = requestIdOf(response);
    // Of an overload a line each would make more of it; the metrics count them.
    const leftOut = code === 'DEPENDENCY_UNAVAILABLE' ? unavailableLine() : 0;
    if (status >= 500 && code !== 'OVERLOADED' && leftOut !== undefined) {
      const why = error instanceof Error ? error.message : String(error);
      log.error(
        {
          request_id: requestId,
          method: request.method,
          path: pathAsked(response),
          error: why,
          ...(leftOut > 0 && { left_out: leftOut }),
        },
        'request failed',
      );
    }
    if (after !== undefined) response.setHeader('Retry-After', String(after));
    // Nobody waits for the rest of what came too slowly.
    if (status === 408) response.setHeader('Connection', 'close');
    sendJson(response, status, { status: 'error', code, message, request_id: requestId });
  };
}
