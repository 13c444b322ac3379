import { ConnectorError, type JsonValue } from '@on-the-way/sdk';
import { unlessAborted, withDeadline } from './abort.ts';
import { nativeHeaders, type GarminClient } from './client.ts';
import type { Credential } from './login/credential.ts';
import { statusOf, toConnectorError } from './map-error.ts';
import type { Pacer } from './pacer.ts';
import { parseAnswer } from './parse-answer.ts';

/** How a path is filled in and asked for. */
export interface GetOptions {
  /** What stands for `{name}` in the path and the parameters. */
  readonly values?: Readonly<Record<string, string>>;
  /** Query parameters. */
  readonly params?: Readonly<Record<string, string>>;
  /** Headers beside those of the phone app. */
  readonly headers?: Readonly<Record<string, string>>;
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

/** What an api is made of. */
export interface GarminApiParts {
  readonly client: GarminClient;
  readonly credential: Credential;
  readonly pace: Pacer;
}

function fill(text: string, values: Readonly<Record<string, string>>, path: string): string {
  return text.replace(/\{(\w+)\}/g, (_, name: string) => {
    const value = values[name];
    if (value !== undefined) return value;
    throw new ConnectorError('bad_data', `Expected ${name} in the profile to ask for ${path}, got none`);
  });
}

function encodeAll(values: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, encodeURIComponent(value)]));
}

function urlOf(origin: string, path: string, { values = {}, params = {} }: GetOptions): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(params)) query.set(name, fill(value, values, path));
  const filled = fill(path, encodeAll(values), path);
  return `${origin}${filled}${query.size > 0 ? `?${query.toString()}` : ''}`;
}

function refusedTwice(error: unknown, path: string): unknown {
  const mapped = toConnectorError(error, { path });
  if (!ConnectorError.is(mapped) || mapped.code !== 'auth') return mapped;
  return new ConnectorError(
    'auth',
    `Expected data from ${path}, got HTTP 401 with a renewed session: sign in again and replace the saved tokens`,
    { status: 401 },
  );
}

/** Sends one request with a bearer; throws what the library throws. */
async function send(
  path: string,
  { bearer, options, client, pace }: { bearer: string; options: GetOptions } & GarminApiParts,
): Promise<JsonValue> {
  const { library, origins, timeoutMs } = client;
  const url = urlOf(origins.api, path, options);
  await pace(options.signal);
  const text = await withDeadline({ signal: options.signal, timeoutMs }, (signal) =>
    library.get<string>(url, {
      signal,
      // The deadline counts the request as a whole; the library's counts silence.
      timeout: 0,
      responseType: 'text',
      transformResponse: [(body: unknown) => body],
      headers: {
        Accept: 'application/json',
        ...nativeHeaders,
        ...options.headers,
        Authorization: `Bearer ${bearer}`,
      },
    }),
  );
  return parseAnswer(text, path);
}

/** Makes the api of one session. */
export function createGarminApi(parts: GarminApiParts): GarminApi {
  const { credential } = parts;
  let refusal: unknown;

  async function sendAgain(path: string, options: GetOptions, refused: string): Promise<JsonValue> {
    const bearer = await unlessAborted(credential.renew(refused), options.signal);
    try {
      return await send(path, { ...parts, bearer, options });
    } catch (error) {
      const mapped = refusedTwice(error, path);
      // Nothing can be read any more, so later requests are spared.
      if (ConnectorError.is(mapped) && mapped.code === 'auth') refusal = mapped;
      throw mapped;
    }
  }

  async function get(path: string, options: GetOptions = {}): Promise<JsonValue> {
    options.signal?.throwIfAborted();
    if (refusal) throw refusal;
    const bearer = await unlessAborted(credential.bearer(), options.signal);
    try {
      return await send(path, { ...parts, bearer, options });
    } catch (error) {
      if (statusOf(error) === 401) return sendAgain(path, options, bearer);
      throw toConnectorError(error, { path });
    }
  }

  return Object.freeze({ get });
}
