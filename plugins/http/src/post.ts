import { ConnectorError, parseRetryAfter } from '@on-the-way/sdk';
import type { Verdict } from './verdict.ts';

/** Where events go, and with whose permission. */
export interface Target {
  /** Where one event is posted. */
  readonly url: string;
  readonly apiKey?: string | undefined;
  /** Longest wait for one answer. */
  readonly timeoutSeconds: number;
}

/** One request to the other host. */
export interface Posting {
  /** Added to the target's address. */
  readonly path: '' | '/batch';
  readonly contentType: string;
  readonly body: string;
  /** The other host's log can be searched for it. */
  readonly requestId: string;
}

/** An address without what may be a secret in it; undefined for what is none. */
function shown(address: string, base?: string): string | undefined {
  const url = URL.parse(address, base);
  return url === null ? undefined : url.origin + url.pathname;
}

/** What was answered, as far as it matters. */
function verdictOf(response: Response, url: string, text: string): Verdict {
  const { headers, status } = response;
  // Of what `url` should be: that of a batch is made from it.
  const location = headers.get('location')?.replace(/\/batch(?=$|[?#])/, '');
  return {
    body: parsed(text),
    status,
    from: shown(url) ?? '',
    retryAfterMs: parseRetryAfter(headers.get('retry-after')),
    ...(location !== undefined && { location: shown(location, url) }),
  };
}

/** Fetch shows nobody an answer of 407: it fails, and is the only failure of it that has neither a message nor a code. */
function isProxyAuthentication(error: unknown): boolean {
  const { cause } = error instanceof TypeError ? error : {};
  return cause instanceof Error && cause.message === '' && !('code' in cause);
}

/**
 * Posts and reads the whole answer.
 *
 * @throws ConnectorError `transient` when nothing answers in time, the signal's reason when it is aborted.
 */
export async function post(target: Target, posting: Posting, signal: AbortSignal): Promise<Verdict> {
  const limited = AbortSignal.any([signal, AbortSignal.timeout(target.timeoutSeconds * 1000)]);
  const url = target.url + posting.path;
  try {
    const response = await fetch(url, {
      method: 'POST',
      headers: {
        'content-type': posting.contentType,
        'x-request-id': posting.requestId,
        // All of a batch or nothing; a host of an earlier version takes each of its events by itself.
        ...(posting.path === '/batch' && { 'otw-batch': 'whole' }),
        ...(target.apiKey !== undefined && { authorization: `Bearer ${target.apiKey}` }),
      },
      body: posting.body,
      signal: limited,
      // A key must not follow a redirect to somebody else.
      redirect: 'manual',
    });
    return verdictOf(response, url, await response.text());
  } catch (cause) {
    signal.throwIfAborted();
    if (isProxyAuthentication(cause)) return { body: undefined, status: 407, from: shown(url) ?? '' };
    const { host } = new URL(target.url);
    throw new ConnectorError('transient', `Expected ${host} to take an event, but it did not answer`, {
      cause,
    });
  }
}

/** Undefined for what no ingest API answers, such as the page of a proxy. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
