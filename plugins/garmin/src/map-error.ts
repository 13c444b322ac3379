import { ConnectorError, type ConnectorErrorCode } from '@on-the-way/sdk';
import { DeadlineError } from './abort.ts';

/** What failed, in words that may be shown. */
export interface FailedRequest {
  /** The path as the table writes it, so without names and days. */
  readonly path: string;
  /** Waiting time after 429 or a bot check when Garmin names none. Default 30 minutes. */
  readonly pauseMs?: number;
}

/** The part of the HTTP library's error that is looked at. The rest holds headers and bodies and is never kept. */
interface HttpFailure {
  readonly code: string;
  readonly message: string;
  readonly response?: {
    readonly status: number;
    readonly headers: Record<string, unknown>;
    readonly data: unknown;
  };
}

const halfAnHourMs = 30 * 60_000;
const aDayMs = 24 * 3_600_000;

/** The failed answer's status, or undefined when there was no answer. */
export function statusOf(error: unknown): number | undefined {
  return asHttpFailure(error)?.response?.status;
}

function asHttpFailure(error: unknown): HttpFailure | undefined {
  if (!(error instanceof Error) || !('isAxiosError' in error || error.name === 'CanceledError'))
    return undefined;
  const { code, message, response } = error as Error & Partial<HttpFailure>;
  return { code: code ?? 'unknown', message, ...(response && { response }) };
}

/** Milliseconds that a `Retry-After` header asks for (seconds or an HTTP date), at most a day. */
export function parseRetryAfter(header: unknown, nowMs: number): number | undefined {
  if (typeof header !== 'string' || header.trim() === '') return undefined;
  const seconds = Number(header);
  const ms = Number.isFinite(seconds) ? seconds * 1000 : Date.parse(header) - nowMs;
  return Number.isNaN(ms) ? undefined : Math.min(Math.max(ms, 0), aDayMs);
}

function textOf(data: unknown): string {
  return typeof data === 'string' ? data : JSON.stringify(data ?? '');
}

function isBotCheck({ headers, data }: NonNullable<HttpFailure['response']>): boolean {
  const text = textOf(data);
  const isPage = /html/i.test(textOf(headers['content-type'])) || /^\s*</.test(text);
  const isMarked =
    headers['cf-ray'] !== undefined ||
    headers['cf-mitigated'] !== undefined ||
    /cloudflare|just a moment/i.test(text);
  return isPage && isMarked;
}

function isNotSetUp(path: string, status: number, body: string): boolean {
  if (!path.startsWith('/periodichealth-service/')) return false;
  return status === 400 ? /MCT settings were not found/i.test(body) : /NullPointerException/.test(body);
}

interface Verdict {
  readonly code: ConnectorErrorCode;
  readonly advice: string;
}

function judge(path: string, { response }: { response: NonNullable<HttpFailure['response']> }): Verdict {
  const { status, data } = response;
  if (status === 429) return { code: 'rate_limited', advice: 'wait before asking again' };
  if ((status === 403 || status === 503) && isBotCheck(response)) {
    return {
      code: 'rate_limited',
      advice: 'a bot check stands in front of Garmin; wait before asking again',
    };
  }
  if ((status === 400 || status === 500) && isNotSetUp(path, status, textOf(data))) {
    return { code: 'not_supported', advice: 'the account has not set this up in Garmin Connect' };
  }
  if (status === 401) return { code: 'auth', advice: 'Garmin refuses the session; sign in again' };
  if (status === 408 || status >= 500) return { code: 'transient', advice: 'ask again later' };
  if (status >= 300 && status < 400)
    return { code: 'bad_data', advice: 'a redirect is not followed with a session' };
  if (status === 403) return { code: 'source', advice: 'the account may not read this' };
  return { code: 'source', advice: 'asking again unchanged does not help' };
}

function fromNoAnswer({ code, message }: HttpFailure, path: string): ConnectorError {
  const cause = new Error(`request failed: ${code}`);
  if (/maxContentLength/.test(message) || (code.startsWith('Z_') && code !== 'Z_BUF_ERROR')) {
    return new ConnectorError(
      'bad_data',
      `Expected a readable answer of at most 64 MB from ${path}, got ${code}`,
      {
        cause,
      },
    );
  }
  return new ConnectorError(
    'transient',
    `Expected an answer from ${path}, got none (${code}): ask again later`,
    {
      cause,
    },
  );
}

/** What the redirect check threw; the library wraps it once or twice. */
function findConnectorError(error: unknown): ConnectorError | undefined {
  if (ConnectorError.is(error)) return error;
  return error instanceof Error ? findConnectorError(error.cause) : undefined;
}

/**
 * The ConnectorError for what a request threw. A ConnectorError and whatever is not about HTTP (the
 * reason of an abort, a bug) come back as they are. Nothing of headers or bodies is kept.
 */
export function toConnectorError(error: unknown, { path, pauseMs = halfAnHourMs }: FailedRequest): unknown {
  if (error instanceof DeadlineError) {
    return new ConnectorError(
      'transient',
      `Expected an answer from ${path}, got ${error.message}: ask again later`,
    );
  }
  const failure = asHttpFailure(error);
  if (!failure || ConnectorError.is(error)) return error;
  const inner = findConnectorError(error);
  if (inner) return inner;
  const { response } = failure;
  // With a good status it is the body that failed: cut off, too long, not what its encoding says.
  if (!response || (response.status >= 200 && response.status < 300)) return fromNoAnswer(failure, path);
  const { status, headers } = response;
  const { code, advice } = judge(path, { response });
  return new ConnectorError(code, `Expected data from ${path}, got HTTP ${status}: ${advice}`, {
    status,
    cause: new Error(`HTTP ${status}`),
    ...(code === 'rate_limited' && {
      retryAfterMs: parseRetryAfter(headers['retry-after'], Date.now()) ?? pauseMs,
    }),
  });
}
