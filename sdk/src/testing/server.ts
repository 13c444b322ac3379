import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';

/** A request as it arrived. */
export interface TestRequest {
  /** In capitals. */
  readonly method: string;
  /** Without the query. */
  readonly path: string;
  /** What stood behind `?`, decoded. */
  readonly query: URLSearchParams;
  /** By their names in lower case. */
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** As UTF-8. */
  readonly body: string;
}

/** What a request is answered with. Without a status it is 200, or what was forwarded to said. */
export interface Reply {
  /** Of HTTP. */
  readonly status?: number;
  /** Besides what is set for every answer. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as application/json. */
  readonly json?: unknown;
  /** Sent as it is, text/html unless `headers` say otherwise. */
  readonly text?: string;
  /** Sent piece by piece, as fast as it is read. */
  readonly stream?: AsyncIterable<string>;
  /** Milliseconds to wait first. */
  readonly delayMs?: number;
  /** Instead of an answer: never one, one that breaks off in its middle, a connection that is reset. */
  readonly how?: 'hang' | 'cut' | 'reset';
}

/** Answers a request; undefined where it has nothing to say, which is a 404. */
export type Handler = (request: TestRequest) => Reply | undefined | Promise<Reply | undefined>;

/** The part of an address a connector is configured with: scheme, host, port. */
type Origin = string;

/**
 * A source on this machine that a test scripts: real HTTP on a free port of 127.0.0.1. `answer` says what it answers;
 * `fault` comes before it. Nothing is asserted by itself: look at `requests`.
 */
export interface TestServer {
  /** Such as `http://127.0.0.1:40123`. */
  readonly origin: Origin;
  /** Everything that arrived so far, in order. */
  readonly requests: readonly TestRequest[];
  /** Replace it to change what is answered. At first every request gets a 404. */
  answer: Handler;
  /** Set it to break things: what it gives is answered instead; undefined lets the request through to `answer`. */
  fault: Handler | undefined;
  /** Told of each request before it is answered, and of the reply before it is sent. */
  seen: ((request: TestRequest, reply?: Reply) => void) | undefined;
  /** Makes `answer` pass requests on to another server of this machine, such as a simulator. */
  forward(origin: Origin): void;
  /** Resolves with the next request that arrives and for which `matches` is true. */
  next(matches?: (request: TestRequest) => boolean): Promise<TestRequest>;
  /** Refuses connections from now on, as a machine that is away; `origin` stays the same. */
  close(): Promise<void>;
}

async function receive(request: IncomingMessage): Promise<TestRequest> {
  const url = new URL(request.url ?? '/', 'http://source');
  const body = (await buffer(request)).toString('utf8');
  const { method = 'GET', headers } = request;
  return { method, path: url.pathname, query: url.searchParams, headers, body };
}

// What belongs to a connection, not to what is asked or answered.
const hopByHop = new Set([
  'connection',
  'content-length',
  'content-encoding',
  'host',
  'keep-alive',
  'transfer-encoding',
]);

async function passOn(origin: Origin, { method, path, query, headers, body }: TestRequest): Promise<Reply> {
  const sent = Object.entries(headers).filter(([name]) => !hopByHop.has(name));
  const search = query.size === 0 ? '' : `?${query.toString()}`;
  const response = await fetch(`${origin}${path}${search}`, {
    method,
    headers: sent.flatMap(([name, value]) =>
      [value ?? []].flat().map((one): [string, string] => [name, one]),
    ),
    redirect: 'manual',
    ...(body !== '' && { body }),
  });
  const answered = [...response.headers].filter(([name]) => !hopByHop.has(name));
  return { status: response.status, headers: Object.fromEntries(answered), text: await response.text() };
}

function send(reply: Reply, request: IncomingMessage, response: ServerResponse): Promise<void> | void {
  const { status = 200, how, headers, json, text = json === undefined ? '' : JSON.stringify(json) } = reply;
  if (how === 'hang') return undefined;
  if (how === 'reset') return void request.socket.resetAndDestroy();
  const type = { 'content-type': json === undefined ? 'text/html' : 'application/json', ...headers };
  if (reply.stream) return sendStream(reply.stream, response.writeHead(status, type));
  const length = Buffer.byteLength(text) + (how === 'cut' ? 10 : 0);
  response.writeHead(status, { ...type, 'content-length': length });
  if (how === 'cut') response.write(text, () => request.socket.destroy());
  else response.end(text);
}

async function sendStream(stream: AsyncIterable<string>, response: ServerResponse): Promise<void> {
  for await (const piece of stream) {
    if (response.destroyed) return;
    if (response.write(piece)) continue;
    await new Promise<void>((resolve) => {
      response.once('drain', resolve);
      response.once('close', resolve);
    });
  }
  response.end();
}

function listen(server: Server): Promise<void> {
  return new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
}

/** Starts a scriptable source on a free port. Call `close` when done with it. */
export async function startTestServer(answer: Handler = () => undefined): Promise<TestServer> {
  const requests: TestRequest[] = [];
  const waiting = new Set<(request: TestRequest) => void>();
  const replyTo = async (request: TestRequest): Promise<Reply> => {
    const reply = (await test.fault?.(request)) ?? (await test.answer(request)) ?? { status: 404, json: {} };
    if (reply.delayMs !== undefined) await delay(reply.delayMs);
    return reply;
  };
  const serve = async (incoming: IncomingMessage, response: ServerResponse): Promise<void> => {
    const request = await receive(incoming);
    requests.push(request);
    for (const tell of waiting) tell(request);
    test.seen?.(request);
    const reply = await replyTo(request);
    test.seen?.(request, reply);
    await send(reply, incoming, response);
  };
  // A client that goes away while it is answered breaks off what is read or sent; nobody is left to be told.
  const server = createServer(
    (incoming, response) => void serve(incoming, response).catch(() => incoming.destroy()),
  );
  await listen(server);
  const test: TestServer = {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    answer,
    fault: undefined,
    seen: undefined,
    forward(origin) {
      test.answer = (request) => passOn(origin, request);
    },
    next: (matches = () => true) =>
      new Promise((resolve) => {
        const tell = (request: TestRequest): void => {
          if (!matches(request)) return;
          waiting.delete(tell);
          resolve(request);
        };
        waiting.add(tell);
      }),
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return test;
}
