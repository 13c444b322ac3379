import { z } from 'zod';

/** A host's API, as commands use it. Nothing is tried twice. */
export interface ApiClient {
  /** Where it is, without a path. */
  readonly origin: string;
  get<Schema extends z.ZodType>(path: string, schema: Schema): Promise<z.output<Schema>>;
  /** Sends `body` as JSON where there is one. `withinMs` is how long to wait for the answer; default 15 s. */
  send<Schema extends z.ZodType>(
    request: {
      readonly method: 'POST' | 'DELETE';
      readonly path: string;
      readonly body?: object;
      readonly withinMs?: number;
    },
    schema: Schema,
  ): Promise<z.output<Schema>>;
  /**
   * Resolves once the stream is open; `onEvent` is then called with every event until it ends or is aborted. What
   * ends it is not told: a stream shows progress, and what counts is asked for.
   */
  listen(path: string, onEvent: (event: ServerEvent) => void, signal: AbortSignal): Promise<void>;
}

/** An event of a stream; `data` is what its JSON holds. */
export interface ServerEvent {
  readonly name: string;
  readonly data: unknown;
}

/** The host answered, and refused. */
export class ApiRefusal extends Error {
  override readonly name = 'ApiRefusal';
  readonly status: number;
  /** A code of docs/http.md; `HTTP` where something else answered. */
  readonly code: string;
  readonly retryAfterSeconds: number | undefined;

  constructor(
    message: string,
    { status, code, retryAfter }: { status: number; code: string; retryAfter: string | null },
  ) {
    super(message);
    this.status = status;
    this.code = code;
    this.retryAfterSeconds =
      retryAfter !== null && /^\d{1,9}$/.test(retryAfter) ? Number(retryAfter) : undefined;
  }
}

/** Nobody answered, or not in time, or not as this API does. */
export class ApiAway extends Error {
  override readonly name = 'ApiAway';
}

const answerWithinMs = 15_000;

const refusal = z.object({ code: z.string(), message: z.string() });

async function refusalOf(response: Response): Promise<ApiRefusal> {
  const { status } = response;
  const body: unknown = await response.json().catch(() => undefined);
  const { code, message } = refusal.safeParse(body).data ?? { code: 'HTTP', message: `HTTP ${status}` };
  return new ApiRefusal(message, { status, code, retryAfter: response.headers.get('retry-after') });
}

function away(error: unknown): ApiAway {
  if (error instanceof DOMException && error.name === 'TimeoutError')
    return new ApiAway('no answer in time', { cause: error });
  const cause = error instanceof Error ? error.cause : undefined;
  const code = cause instanceof Error && 'code' in cause ? ` (${String(cause.code)})` : '';
  return new ApiAway(`no answer${code}`, { cause: error });
}

/** The name and data of one event; undefined for comments and what is no JSON. */
function parseEvent(text: string): ServerEvent | undefined {
  const fields = new Map(
    text.split('\n').map((line) => [line.replace(/:.*$/s, ''), line.replace(/^[^:]*: ?/, '')]),
  );
  const name = fields.get('event');
  const data = fields.get('data');
  if (name === undefined || data === undefined) return undefined;
  try {
    return { name, data: JSON.parse(data) };
  } catch {
    // Of a host of another version; progress is all that is lost.
    return undefined;
  }
}

async function readEvents(
  body: ReadableStream<Uint8Array>,
  onEvent: (event: ServerEvent) => void,
): Promise<void> {
  const decoder = new TextDecoder();
  let text = '';
  for await (const chunk of body) {
    text += decoder.decode(chunk, { stream: true });
    const parts = text.split('\n\n');
    text = parts.pop() ?? '';
    for (const part of parts) {
      const event = parseEvent(part);
      if (event) onEvent(event);
    }
  }
}

/** A client for the host at `origin`; `key` is one of its API keys, where it asks for one. */
export function createApiClient({
  origin,
  key,
}: {
  readonly origin: string;
  readonly key?: string | undefined;
}): ApiClient {
  const headers = key === undefined ? {} : { authorization: `Bearer ${key}` };

  async function ask(path: string, init: RequestInit): Promise<Response> {
    let response: Response;
    try {
      response = await fetch(`${origin}${path}`, {
        ...init,
        headers: { ...headers, ...(init.body !== undefined && { 'content-type': 'application/json' }) },
        redirect: 'error',
      });
    } catch (error) {
      throw away(error);
    }
    if (!response.ok) throw await refusalOf(response);
    return response;
  }

  async function answer<Schema extends z.ZodType>(
    path: string,
    init: RequestInit,
    schema: Schema,
  ): Promise<z.output<Schema>> {
    const response = await ask(path, init);
    const body: unknown = await response.json().catch((error: unknown) => {
      throw away(error);
    });
    const parsed = schema.safeParse(body);
    if (parsed.success) return parsed.data;
    throw new ApiAway('an answer of another program or version', { cause: parsed.error });
  }

  return {
    origin,
    get: (path, schema) => answer(path, { signal: AbortSignal.timeout(answerWithinMs) }, schema),
    send: ({ method, path, body, withinMs = answerWithinMs }, schema) =>
      answer(
        path,
        { method, signal: AbortSignal.timeout(withinMs), ...(body && { body: JSON.stringify(body) }) },
        schema,
      ),
    async listen(path, onEvent, signal) {
      const { body } = await ask(path, { signal });
      // Ends with the signal, or with the host; neither is news to whoever follows a run.
      if (body) void readEvents(body, onEvent).catch(() => undefined);
    },
  };
}
