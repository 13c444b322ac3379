import { ConnectorError } from '@on-the-way/sdk';
import type { Verdict } from './answers.ts';

/** Where events go, and with whose permission. */
export interface Target {
  /** The address of the contract. */
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

function retryAfterMs(response: Response): number | undefined {
  const seconds = Number(response.headers.get('retry-after') ?? Number.NaN);
  return Number.isFinite(seconds) && seconds >= 0 ? seconds * 1000 : undefined;
}

/**
 * Posts and reads the whole answer.
 *
 * @throws ConnectorError `transient` when nothing answers in time, the signal's reason when it is aborted.
 */
export async function post(target: Target, posting: Posting, signal: AbortSignal): Promise<Verdict> {
  const limited = AbortSignal.any([signal, AbortSignal.timeout(target.timeoutSeconds * 1000)]);
  try {
    const response = await fetch(target.url + posting.path, {
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
      redirect: 'error',
    });
    const text = await response.text();
    return { body: parsed(text), status: response.status, retryAfterMs: retryAfterMs(response) };
  } catch (cause) {
    signal.throwIfAborted();
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
