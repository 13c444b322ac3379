import type { z } from 'zod';
import { ConnectorError, type ConnectorErrorCode } from './errors.ts';

const aDayMs = 24 * 3_600_000;

/**
 * Milliseconds that a `Retry-After` header asks for, seconds or an HTTP date: the `retryAfterMs` of an error. At most a day, and
 * undefined where it is missing or neither.
 */
export function parseRetryAfter(header: string | null | undefined): number | undefined {
  if (!header?.trim()) return undefined;
  const ms = Number.isFinite(Number(header)) ? Number(header) * 1000 : Date.parse(header) - Date.now();
  return Number.isNaN(ms) ? undefined : Math.min(Math.max(ms, 0), aDayMs);
}

function codeOfStatus(status: number): ConnectorErrorCode {
  if (status === 401 || status === 403) return 'auth';
  if (status === 410) return 'out_of_range';
  if (status === 429) return 'rate_limited';
  return status === 408 || status === 425 || status >= 500 ? 'transient' : 'source';
}

const remedies: Partial<Record<ConnectorErrorCode, string>> = {
  auth: ': the source does not take the credentials for it, check them',
  rate_limited: ': the source wants a pause',
  out_of_range: ': the source does not keep it any more',
};

/**
 * The error that an HTTP answer without success is, as most sources mean it: 401 and 403 are `auth`, 410 is
 * `out_of_range`, 429 is `rate_limited` with the time of its `Retry-After` (seconds or a date, at most a day), 408, 425 and
 * 5xx are `transient`, everything else, also a redirect, is `source`. Look at `status` first where your source means something else, e.g. by
 * a 404 that there is nothing. `what` was asked for, in words without a secret; it stands in the message.
 */
export function errorOfStatus(status: number, what: string, headers?: Pick<Headers, 'get'>): ConnectorError {
  const code = codeOfStatus(status);
  const retryAfterMs = code === 'rate_limited' ? parseRetryAfter(headers?.get('retry-after')) : undefined;
  return new ConnectorError(code, `Expected ${what}, got HTTP ${status}${remedies[code] ?? ''}`, {
    status,
    ...(retryAfterMs !== undefined && { retryAfterMs }),
  });
}

/** What {@link fetchJson} needs to know. */
export interface FetchJsonOptions<Schema extends z.ZodType> {
  /** What is asked for, in words without a secret, e.g. `the steps of 2026-02-26`; it stands in messages. */
  readonly what: string;
  /** What the answer must be. Use `z.looseObject`: `z.object` leaves out what it does not know. */
  readonly schema: Schema;
  /** Ends the wait: its reason is thrown. */
  readonly signal: AbortSignal;
  /** Sent with the request; `accept: application/json` is. */
  readonly headers?: Readonly<Record<string, string>>;
  /** `GET` without it. */
  readonly method?: string;
  /** Sent as JSON. */
  readonly json?: unknown;
  /** Longest wait for the whole answer, in milliseconds. Default 30,000. After it the error is `transient`. */
  readonly timeoutMs?: number;
}

function requestOf(
  url: string,
  { what, method, headers, json, signal, timeoutMs = 30_000 }: FetchJsonOptions<z.ZodType>,
): Request {
  try {
    return new Request(url, {
      method: method ?? 'GET',
      headers: {
        accept: 'application/json',
        ...(json !== undefined && { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(json !== undefined && { body: JSON.stringify(json) }),
      signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
      // Headers of your own would follow it to another host.
      redirect: 'manual',
    });
  } catch {
    // Without the cause, which quotes the header or the address that is wrong, and so perhaps a key.
    const message = `Expected an address and headers that HTTP can send, to ask for ${what}, got others`;
    throw new ConnectorError(
      'config',
      `${message}: check the configuration for line breaks and typing errors`,
    );
  }
}

async function textOf(request: Request, { what, signal }: FetchJsonOptions<z.ZodType>): Promise<string> {
  try {
    const response = await fetch(request);
    if (response.ok) return await response.text();
    await response.body?.cancel();
    throw errorOfStatus(response.status, what, response.headers);
  } catch (cause) {
    signal.throwIfAborted();
    if (ConnectorError.is(cause)) throw cause;
    throw new ConnectorError('transient', `Expected ${what}, got no whole answer: it is worth trying again`, {
      cause,
    });
  }
}

function parsed(text: string, what: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // Without the cause, which quotes the answer.
    throw new ConnectorError(
      'bad_data',
      `Expected ${what} as JSON, got ${text.length} characters of something else`,
    );
  }
}

// The parts of zod's definitions that are walked; by name, since a plugin may bring its own copy of zod.
interface Walked {
  readonly def?: {
    readonly innerType?: Walked;
    readonly in?: Walked;
    readonly shape?: Readonly<Record<string, Walked>>;
    readonly element?: Walked;
    readonly valueType?: Walked;
  };
}

/** The schema inside optional, nullable, default and pipe. */
function inside(schema: Walked | undefined): Walked | undefined {
  const inner = schema?.def?.innerType ?? schema?.def?.in;
  return inner === undefined ? schema : inside(inner);
}

/** Where in an answer something is: numbers, and names that the schema itself has; a key that is data is `*`. */
function shownPath(schema: unknown, path: readonly PropertyKey[]): string {
  let at = inside(schema as Walked);
  const parts = path.map((part) => {
    const { shape, element, valueType } = at?.def ?? {};
    const named = shape && typeof part === 'string' && Object.hasOwn(shape, part) ? shape[part] : undefined;
    at = inside(named ?? element ?? valueType);
    return named !== undefined || typeof part === 'number' ? String(part) : '*';
  });
  return parts.join('.');
}

/**
 * Asks a source for JSON by HTTP and resolves with what the schema makes of the answer. Call `countRequest` before it. A
 * redirect is not followed.
 * Numbers become doubles: where a source has integers beyond 2^53, fetch the text yourself and yield it as `rawJson`.
 *
 * @throws ConnectorError: as {@link errorOfStatus} for an answer without success, `transient` for none within the time and
 *   for one that breaks off, `bad_data` for one that is no JSON or not what the schema says, `config` for an address or a
 *   header that cannot be sent. The signal's reason when it is aborted. No message quotes the answer.
 */
export async function fetchJson<Schema extends z.ZodType>(
  url: string,
  options: FetchJsonOptions<Schema>,
): Promise<z.output<Schema>> {
  const { what, schema, signal } = options;
  signal.throwIfAborted();
  const text = await textOf(requestOf(url, options), options);
  const answer = await schema.safeParseAsync(parsed(text, what));
  if (answer.success) return answer.data;
  const places = answer.error.issues
    .slice(0, 3)
    .map(({ path, code }) => `${shownPath(schema, path) || 'the whole'} (${code})`);
  throw new ConnectorError(
    'bad_data',
    `Expected ${what} as its schema says, got another ${places.join(', ')}`,
  );
}
