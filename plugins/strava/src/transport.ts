import { Agent as HttpAgent, request as requestHttp, type IncomingHttpHeaders } from 'node:http';
import { Agent as HttpsAgent, request as requestHttps } from 'node:https';
import { text } from 'node:stream/consumers';
import { ConnectorError } from '@on-the-way/sdk';

/** An answer of whatever status, read to its end. */
export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

/** A request to Strava. */
interface Question {
  readonly method: 'GET' | 'POST';
  /** Path and query. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** One way to Strava for the length of a session. */
export interface Transport {
  /**
   * Sends one request and reads the whole answer. Redirects are not followed: a token must not go elsewhere.
   *
   * @throws ConnectorError `transient` without a whole answer in time; the signal's reason once that is aborted.
   */
  send(question: Question, signal?: AbortSignal): Promise<Answer>;
  /** Closes every connection. */
  close(): void;
}

/** Opens nothing yet; connections are kept from one request to the next. */
export function createTransport(origin: string, timeoutMs: number): Transport {
  const isSecure = origin.startsWith('https:');
  const agent = isSecure ? new HttpsAgent({ keepAlive: true }) : new HttpAgent({ keepAlive: true });

  async function exchange({ method, path, headers, body }: Question, signal: AbortSignal): Promise<Answer> {
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    const request = (isSecure ? requestHttps : requestHttp)(new URL(path, origin), {
      agent,
      method,
      signal,
      headers: { accept: 'application/json', 'user-agent': 'on-the-way', ...headers },
    });
    request.on('error', reject);
    request.on('response', (response) => {
      const { statusCode: status = 0, headers: answered } = response;
      text(response).then((read) => resolve({ status, headers: answered, text: read }), reject);
    });
    request.end(body);
    return promise;
  }

  return {
    async send(question, signal) {
      signal?.throwIfAborted();
      const deadline = new AbortController();
      const timer = setTimeout(() => deadline.abort(), timeoutMs);
      try {
        const signals = signal ? [signal, deadline.signal] : [deadline.signal];
        return await exchange(question, AbortSignal.any(signals));
      } catch (cause) {
        signal?.throwIfAborted();
        const found = deadline.signal.aborted
          ? `none within ${timeoutMs / 1000} s`
          : 'a connection that broke';
        const [path] = question.path.split('?');
        throw new ConnectorError('transient', `Expected an answer from ${path}, got ${found}`, { cause });
      } finally {
        clearTimeout(timer);
      }
    },
    close: () => agent.destroy(),
  };
}
