/**
 * Every code a connector may end with. A code says what happens next, so the list is closed:
 *
 * - `config`: the configuration is wrong; a person must change it. Never retried.
 * - `auth`: the credentials were refused. Ends the run. Never retried.
 * - `needs_user`: a person must act first (code, consent, captcha, new login). Ends the run.
 * - `rate_limited`: the source asked for a pause. Ends the run; the connection waits `retryAfterMs`.
 * - `transient`: trying again may help (time-out, reset, 5xx). Retried with growing delays.
 * - `not_supported`: this account or device has no such data. Recorded as an outcome, not a failure.
 * - `out_of_range`: the source does not keep days that old.
 * - `bad_data`: the source answered with something that is not what it should be.
 * - `source`: the source refused for a reason of its own; trying again unchanged does not help.
 *
 * Headings of the same names stand in docs/errors.md; a test compares the two.
 */
export const connectorErrorCodes = [
  'config',
  'auth',
  'needs_user',
  'rate_limited',
  'transient',
  'not_supported',
  'out_of_range',
  'bad_data',
  'source',
] as const;

/** One of {@link connectorErrorCodes}. */
export type ConnectorErrorCode = (typeof connectorErrorCodes)[number];

/** What may accompany a {@link ConnectorError}. */
export interface ConnectorErrorOptions {
  /** The error underneath, kept for the log. */
  readonly cause?: unknown;
  /**
   * Milliseconds until trying again makes sense. With `rate_limited` the connection waits so long, with `transient` the next try;
   * longer than 30 s that is the next run's.
   */
  readonly retryAfterMs?: number;
  /** HTTP status of the answer that led here, for the log line of a failed slice. */
  readonly status?: number;
  /** With `rate_limited`: it was a sign-in that was refused, not a question for data. The host pauses the two apart. */
  readonly refusedSignIn?: boolean;
}

/**
 * The one error a connector or a sink throws on purpose. Anything else that escapes a plugin is
 * reported as a bug of the plugin.
 *
 * The message is shown to people: say what was expected, what was found and what to do, and never
 * put a secret or a response body into it.
 */
export class ConnectorError extends Error {
  /** Tells it from other errors, also those of another copy of this package. */
  override readonly name = 'ConnectorError';
  /** What happens next. */
  readonly code: ConnectorErrorCode;
  /** Milliseconds until trying again makes sense, where the source said so. */
  readonly retryAfterMs: number | undefined;
  /** HTTP status of the answer that led here, if there was one. */
  readonly status: number | undefined;
  /** True when a sign-in was refused, not a question for data. */
  readonly refusedSignIn: boolean;

  /** Makes the error; `code` decides what the host does with it. */
  constructor(code: ConnectorErrorCode, message: string, options: ConnectorErrorOptions = {}) {
    super(message, 'cause' in options ? { cause: options.cause } : undefined);
    this.code = code;
    this.retryAfterMs = options.retryAfterMs;
    this.status = options.status;
    this.refusedSignIn = options.refusedSignIn === true;
  }

  /** True for a ConnectorError of any copy of this package, so that two installed versions get on. */
  static is(error: unknown): error is ConnectorError {
    return (
      error instanceof Error &&
      error.name === 'ConnectorError' &&
      'code' in error &&
      connectorErrorCodes.some((code) => code === error.code)
    );
  }
}
