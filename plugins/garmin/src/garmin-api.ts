import { ConnectorError, type JsonValue } from '@on-the-way/sdk';
import { unlessAborted, withDeadline } from './abort.ts';
import type { GarminClient } from './client.ts';
import type { Credential } from './login/credential.ts';
import { toConnectorError, type RawResponse } from './map-error.ts';
import type { Pacer } from './pacer.ts';
import { parseAnswer, tryParse } from './parse-answer.ts';

/** How a path is filled in and asked for. */
export interface GetOptions {
  /** What stands for `{name}` in the path, the parameters and the body. */
  readonly values?: Readonly<Record<string, string>>;
  /** Query parameters. */
  readonly params?: Readonly<Record<string, string>>;
  /** Headers beside those of the phone app. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as JSON with POST: a question of GraphQL. It still only reads. */
  readonly body?: Readonly<Record<string, string>>;
  /** The dataset it is asked for, for recordings. */
  readonly dataset?: string;
  /** Aborted when the answer is no longer wanted. */
  readonly signal?: AbortSignal;
}

/** All that the datasets know of Garmin: a path is asked, JSON comes back. */
export interface GarminApi {
  /**
   * Asks for a path and resolves with the parsed answer, null for an empty one. Renews the session
   * once when it is refused. Throws ConnectorErrors that name the path as given, unfilled.
   */
  get(path: string, options?: GetOptions): Promise<unknown>;
}

/** An answer as it came, for recordings. It names people. */
export interface RawAnswer {
  readonly dataset?: string;
  /** Filled in, without the query. */
  readonly path: string;
  /** The query parameters; of GraphQL the members of the body. */
  readonly query: Readonly<Record<string, string>>;
  /** 200 to 299, or 404. */
  readonly status: number;
  /** Null where it is empty or not JSON. */
  readonly body: JsonValue;
}

/** What an api is made of. */
export interface GarminApiParts {
  readonly client: GarminClient;
  readonly credential: Credential;
  /** Shared by all apis of one account. */
  readonly pace: Pacer;
  /** Where it asks. */
  readonly origin: string;
  /** Told of every answer that a recording may need. */
  readonly record?: (answer: RawAnswer) => void;
}

type Values = Readonly<Record<string, string>>;

interface Question {
  readonly url: string;
  readonly pathname: string;
  readonly query: Readonly<Record<string, string>>;
  readonly body?: Readonly<Record<string, string>>;
}

function fill(text: string, values: Values, path: string): string {
  return text.replace(/\{(\w+)\}/g, (_, name: string) => {
    const value = values[name];
    if (value !== undefined) return value;
    throw new ConnectorError('bad_data', `Expected ${name} in the profile to ask for ${path}, got none`);
  });
}

function fillAll(texts: Values, values: Values, path: string): Record<string, string> {
  return Object.fromEntries(Object.entries(texts).map(([name, text]) => [name, fill(text, values, path)]));
}

function encodeAll(values: Values): Record<string, string> {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, encodeURIComponent(value)]));
}

function toQuestion(origin: string, path: string, options: GetOptions): Question {
  const { values = {}, params = {}, body } = options;
  // Garmin takes the signed-in account where the name is left out, and answers 403 to `undefined`.
  const asked = values['displayName'] === undefined ? path.replace('/{displayName}', '') : path;
  const pathname = fill(asked, encodeAll(values), path);
  const query = fillAll(params, values, path);
  const search = new URLSearchParams(query).toString();
  return {
    url: `${origin}${pathname}${search === '' ? '' : `?${search}`}`,
    pathname,
    query,
    ...(body && { body: fillAll(body, values, path) }),
  };
}

function refusedTwice(error: unknown, path: string): unknown {
  if (!isUnauthorised(error)) return error;
  return new ConnectorError(
    'auth',
    `Expected data from ${path}, got HTTP 401 with a renewed session: sign in again and replace the saved tokens`,
    { status: 401 },
  );
}

function isUnauthorised(error: unknown): boolean {
  return ConnectorError.is(error) && error.code === 'auth' && error.status === 401;
}

interface Sending {
  readonly client: GarminClient;
  readonly bearer: string;
  readonly options: GetOptions;
}

/** Sends one request with a bearer and resolves with the answer of whatever status. */
async function send({ url, body }: Question, { client, bearer, options }: Sending): Promise<RawResponse> {
  const { library, timeoutMs, headers } = client;
  const {
    status,
    headers: answered,
    data,
  } = await withDeadline({ signal: options.signal, timeoutMs }, (signal) =>
    library.client.request<string>({
      url,
      ...(body ? { method: 'POST', data: JSON.stringify(body) } : { method: 'GET' }),
      signal,
      // The deadline counts the request as a whole; the library's counts silence.
      timeout: 0,
      responseType: 'text',
      transformResponse: [(text: unknown) => text],
      validateStatus: () => true,
      headers: {
        Accept: 'application/json',
        ...headers,
        ...(body && { 'Content-Type': 'application/json' }),
        ...options.headers,
        Authorization: `Bearer ${bearer}`,
      },
    }),
  );
  return { status, headers: answered, data };
}

function toRawAnswer(question: Question, { status, data }: RawResponse, dataset?: string): RawAnswer {
  const body = tryParse(typeof data === 'string' ? data : '') ?? null;
  const { pathname, query } = question;
  return {
    ...(dataset !== undefined && { dataset }),
    path: pathname,
    query: { ...query, ...question.body },
    status,
    body,
  };
}

const isRecorded = (status: number) => (status >= 200 && status < 300) || status === 404;

/** Makes an api of a session. */
export function createGarminApi({ client, credential, pace, origin, record }: GarminApiParts): GarminApi {
  let refusal: unknown;

  async function askWith(bearer: string, path: string, options: GetOptions): Promise<JsonValue> {
    const question = toQuestion(origin, path, options);
    try {
      const response = await pace(options.signal, async () => {
        // The session may have died while this request waited for its turn.
        if (refusal) throw refusal;
        return send(question, { client, bearer, options });
      });
      if (record && isRecorded(response.status)) record(toRawAnswer(question, response, options.dataset));
      return parseAnswer(response, path);
    } catch (error) {
      throw toConnectorError(error, { path });
    }
  }

  async function askAgain(path: string, options: GetOptions, refused: string): Promise<JsonValue> {
    const bearer = await unlessAborted(credential.renew(refused), options.signal);
    try {
      return await askWith(bearer, path, options);
    } catch (error) {
      // Nothing can be read any more, so later requests are spared.
      if (isUnauthorised(error)) refusal = refusedTwice(error, path);
      throw refusedTwice(error, path);
    }
  }

  async function get(path: string, options: GetOptions = {}): Promise<JsonValue> {
    options.signal?.throwIfAborted();
    if (refusal) throw refusal;
    const bearer = await unlessAborted(credential.bearer(), options.signal);
    try {
      return await askWith(bearer, path, options);
    } catch (error) {
      if (isUnauthorised(error)) return askAgain(path, options, bearer);
      throw error;
    }
  }

  return Object.freeze({ get });
}
