import { withDeadline } from '../abort.ts';
import type { GarminClient } from '../client.ts';
import { toConnectorError } from '../map-error.ts';

/** What Garmin's sign-in and token services answer; every status is an answer. */
export interface PlainAnswer {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, unknown>>;
  /** As it came. */
  readonly text: string;
  /** The text as JSON; undefined where it is none. */
  readonly json: unknown;
}

/** A request with a body, beside the data. */
export interface PlainRequest {
  readonly url: string;
  readonly body: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal | undefined;
  /** Default: the client's. Bounds the request as a whole. */
  readonly timeoutMs?: number;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // A page, or nothing: for the caller to look at as text.
    return undefined;
  }
}

/** Sends one POST and resolves with the answer, whatever its status. Without an answer: `transient`. */
export async function post(client: GarminClient, request: PlainRequest): Promise<PlainAnswer> {
  const { url, body, signal, timeoutMs = client.timeoutMs } = request;
  const { library } = client;
  const answer = await withDeadline({ signal, timeoutMs }, async (giveUp) =>
    library.client.post<string>(url, body, {
      headers: { ...request.headers },
      signal: giveUp,
      timeout: 0,
      responseType: 'text',
      transformResponse: [(text: unknown) => text],
      validateStatus: () => true,
    }),
  ).catch((error: unknown) => {
    throw toConnectorError(error, { path: new URL(url).pathname });
  });
  const text = typeof answer.data === 'string' ? answer.data : JSON.stringify(answer.data ?? '');
  const headers = Object.fromEntries(Object.entries(answer.headers));
  return { status: answer.status, headers, text, json: parseJson(text) };
}
