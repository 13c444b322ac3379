import { ConnectorError, type JsonValue } from '@on-the-way/sdk';
import { keepAccess, type AccessKeeper, type AccessParts } from './access.ts';
import { missingScope, refusalOf } from './refusals.ts';
import type { Answer } from './transport.ts';

/** An answer of the API, as text and parsed. */
export interface Read {
  readonly text: string;
  readonly value: JsonValue;
}

/** All that the datasets know of Strava: a path is asked, JSON comes back. */
export interface StravaClient {
  /**
   * Asks once, and once more with renewed access where that had ended.
   *
   * @throws ConnectorError of any code but `not_supported` and `out_of_range`; the signal's reason once it is aborted.
   */
  get(path: string, query: Readonly<Record<string, number>>, signal: AbortSignal): Promise<Read>;
  /** Strava's clock, milliseconds since 1970. */
  now(): number;
  /** Waits for a renewal that is under way, then closes every connection. */
  close(): Promise<void>;
}

interface Asking extends AccessParts {
  readonly access: AccessKeeper;
}

async function send(
  { transport, limits, countRequest }: Asking,
  { path, token, signal }: { readonly path: string; readonly token: string; readonly signal: AbortSignal },
): Promise<Answer> {
  signal.throwIfAborted();
  limits.check();
  countRequest();
  const answer = await transport.send(
    { method: 'GET', path, headers: { authorization: `Bearer ${token}` } },
    signal,
  );
  limits.note(answer);
  return answer;
}

/** The answer to a question whose access is good, renewed if need be. */
async function ask(asking: Asking, path: string, signal: AbortSignal): Promise<Answer> {
  const token = await asking.access.get(signal);
  const answer = await send(asking, { path, token, signal });
  if (answer.status !== 401 || missingScope(answer)) return answer;
  return send(asking, { path, token: await asking.access.renew(token, signal), signal });
}

function readOf({ text }: Answer, path: string): Read {
  try {
    return { text, value: JSON.parse(text) as JsonValue };
  } catch {
    // The reason would quote the body.
    throw new ConnectorError('bad_data', `Expected JSON from ${path}, got something else`);
  }
}

/** Makes the client of one session. */
export function createClient(parts: AccessParts): StravaClient {
  const { limits, transport } = parts;
  const access = keepAccess(parts);
  return {
    async get(path, query, signal) {
      const search = new URLSearchParams(
        Object.entries(query).map(([name, value]): [string, string] => [name, String(value)]),
      );
      const full = search.size === 0 ? path : `${path}?${search.toString()}`;
      const answer = await ask({ ...parts, access }, full, signal);
      if (answer.status === 429) throw limits.refusal(answer, path);
      if (answer.status < 200 || answer.status > 299) throw refusalOf(answer, path);
      return readOf(answer, path);
    },
    now: () => limits.now(),
    async close() {
      await access.settled();
      transport.close();
    },
  };
}
