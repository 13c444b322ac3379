import { ConnectorError } from '@on-the-way/sdk';
import { DeadlineError } from './abort.ts';
import { judge } from './answer-rules.ts';

/** What failed, in words that may be shown. */
export interface FailedRequest {
  /** The path as the table writes it, so without names and days. */
  readonly path: string;
}

/** An answer as it came. */
export interface RawResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly data: unknown;
}

/** The part of the HTTP library's error that is looked at. The rest holds headers and bodies and is never kept. */
interface HttpFailure {
  readonly code: string;
  readonly message: string;
  readonly response?: RawResponse;
}

const aDayMs = 24 * 3_600_000;

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

/** Where a refusal stands when it is not the answer's own status: inside a body of 200. */
export interface InnerRefusal {
  readonly status: number;
  readonly body: string;
}

/**
 * The ConnectorError for an answer without data, by the table of {@link judge}. With `inner` it is
 * about a part of the answer. Nothing of headers or bodies is kept.
 */
export function toRefusalError(
  { status, headers, data }: RawResponse,
  { path, inner }: FailedRequest & { readonly inner?: InnerRefusal },
): ConnectorError {
  const body = inner?.body ?? textOf(data);
  const isPage = /html/i.test(textOf(headers['content-type'])) || /^\s*</.test(body);
  const isMarked =
    headers['cf-ray'] !== undefined ||
    headers['cf-mitigated'] !== undefined ||
    /cloudflare|just a moment/i.test(body);
  const meant = inner?.status ?? status;
  const isOuter = inner === undefined;
  const refusal = {
    path,
    status: meant,
    isPage: isOuter && isPage,
    isBotCheck: isOuter && isPage && isMarked,
  };
  const rule = judge({ ...refusal, body });
  const where = isOuter ? `HTTP ${status}` : `${meant} inside an answer`;
  const pause = parseRetryAfter(headers['retry-after'], Date.now()) ?? rule.pauseMs;
  return new ConnectorError(rule.code, `Expected data from ${path}, got ${where}: ${rule.advice}`, {
    status: meant,
    cause: new Error(where),
    ...(rule.code === 'rate_limited' && pause !== undefined && { retryAfterMs: pause }),
  });
}

function fromNoAnswer({ code, message }: HttpFailure, path: string): ConnectorError {
  const cause = new Error(`request failed: ${code}`);
  if (/maxContentLength/.test(message) || (code.startsWith('Z_') && code !== 'Z_BUF_ERROR')) {
    return new ConnectorError(
      'bad_data',
      `Expected a readable answer of at most 64 MB from ${path}, got ${code}`,
      { cause },
    );
  }
  return new ConnectorError(
    'transient',
    `Expected an answer from ${path}, got none (${code}): ask again later`,
    { cause },
  );
}

/** What the redirect check threw; the library wraps it once or twice. */
function findConnectorError(error: unknown): ConnectorError | undefined {
  if (ConnectorError.is(error)) return error;
  return error instanceof Error ? findConnectorError(error.cause) : undefined;
}

/**
 * The ConnectorError for what a request threw. A ConnectorError and whatever is not about HTTP (the
 * reason of an abort, a spent budget, a bug) come back as they are. Nothing of headers or bodies is kept.
 */
export function toConnectorError(error: unknown, { path }: FailedRequest): unknown {
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
  return toRefusalError(response, { path });
}
