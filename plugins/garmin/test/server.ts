import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import type { JsonValue, LoginContext } from '@on-the-way/sdk';
import { onTestFinished } from 'vitest';
import type { GarminConfig } from '../src/config.ts';
import connector from '../src/index.ts';
import type { GarminSession } from '../src/session.ts';

/** What arrived. */
export interface Seen {
  readonly method: string;
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
}

/** What is answered: `json` or `text`; `hang` never ends, `cut` breaks off in the middle. */
export interface Reply {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly json?: unknown;
  readonly text?: string;
  readonly how?: 'hang' | 'cut' | 'reset';
}

export type Handler = (seen: Seen) => Reply | undefined | Promise<Reply | undefined>;

export interface TestServer {
  readonly origin: string;
  readonly seen: Seen[];
  /** Paths with queries, without the profile. */
  asked(): string[];
}

const profilePath = '/userprofile-service/socialProfile';

export const profile = { displayName: 'run ner', profileId: 4711, userName: 'invented@example.org' };

async function receive(request: IncomingMessage): Promise<Seen> {
  const url = new URL(request.url ?? '/', 'http://localhost');
  const { method = '', headers } = request;
  const query = Object.fromEntries(url.searchParams);
  return { method, path: url.pathname, query, headers, body: await text(request) };
}

function send(
  reply: Reply,
  { request, response }: { request: IncomingMessage; response: ServerResponse },
): void {
  const { status = 200, how, headers } = reply;
  if (how === 'hang') return;
  if (how === 'reset') return void request.socket.destroy();
  const body = reply.text ?? (reply.json === undefined ? '' : JSON.stringify(reply.json));
  const length = Buffer.byteLength(body) + (how === 'cut' ? 10 : 0);
  const type = reply.text === undefined ? 'application/json' : 'text/html';
  response.writeHead(status, { 'content-type': type, 'content-length': length, ...headers });
  if (how === 'cut') response.write(body, () => request.socket.destroy());
  else response.end(body);
}

function describe({ path, query }: Seen): string {
  const text = new URLSearchParams(query).toString();
  return `${decodeURIComponent(path)}${text === '' ? '' : `?${text}`}`;
}

/** A server on a free port that answers the profile itself and everything else by the handler. */
export async function startServer(handler: Handler = () => undefined): Promise<TestServer> {
  const seen: Seen[] = [];
  const server = createServer(async (request, response) => {
    const arrived = await receive(request);
    seen.push(arrived);
    const normal = arrived.path === profilePath ? { json: profile } : { status: 404, json: {} };
    send((await handler(arrived)) ?? normal, { request, response });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  const asked = () => seen.filter(({ path }) => path !== profilePath).map(describe);
  return { origin: `http://127.0.0.1:${port}`, seen, asked };
}

/** A configuration that stays on this machine and never waits. */
export function localConfig(origin: string, more: Record<string, unknown> = {}): GarminConfig {
  const origins = { apiOrigin: origin, ssoOrigin: origin, authOrigin: origin };
  return connector.config.parse({ ...origins, minRequestIntervalMs: 0, ...more }) as GarminConfig;
}

/** Seconds since 1970, a while from now. */
export function inSeconds(seconds: number): number {
  return Math.floor(Date.now() / 1000) + seconds;
}

/** An invented token in the form of a JWT. */
export function makeJwt(name: string, expiresInSeconds = 36_000): string {
  const claims = { exp: inSeconds(expiresInSeconds), client_id: 'INVENTED_CLIENT', name };
  return ['e30', Buffer.from(JSON.stringify(claims)).toString('base64url'), 'sig'].join('.');
}

/** Tokens in memory that tell what was saved. */
export function memoryTokens(start: Record<string, JsonValue> = {}) {
  const stored = new Map(Object.entries(start));
  const saves: [string, JsonValue][] = [];
  let last: Promise<unknown> = Promise.resolve();
  const tokens = {
    saves,
    stored,
    load: async (field: string) => stored.get(field),
    save: async (field: string, value: JsonValue) => {
      if (value === null) stored.delete(field);
      else stored.set(field, value);
      saves.push([field, value]);
    },
    async update(
      field: string,
      change: (current: JsonValue | undefined) => Promise<JsonValue | undefined>,
    ): Promise<JsonValue | undefined> {
      const turn = async () => {
        const saved = await tokens.load(field);
        const next = await change(saved);
        if (next !== undefined) await tokens.save(field, next);
        return next ?? saved;
      };
      const mine = last.then(turn, turn);
      last = mine;
      return mine;
    },
  };
  return tokens;
}

export const silent = { debug() {}, info() {}, warn() {} };
export const never = new AbortController().signal;

/** A DI token that lasts. */
export const goodTokens = () =>
  memoryTokens({
    garmin_tokens: { di_token: makeJwt('good'), di_refresh_token: 'refresh-0', di_client_id: 'ID' },
  });

/** Logs in as the host does; the session is closed after the test. */
export async function login(
  config: GarminConfig,
  context: Partial<LoginContext<GarminConfig>> = {},
): Promise<GarminSession> {
  const session = await connector.login({
    config,
    tokens: goodTokens(),
    countRequest() {},
    log: silent,
    signal: never,
    ...context,
  });
  onTestFinished(async () => connector.logout?.({ session }));
  return session as GarminSession;
}

/** All records of a dataset in a window. */
export async function read(session: GarminSession, dataset: string, from: string, to: string) {
  return Array.fromAsync(
    connector.fetch({ dataset, session, window: { from, to }, signal: never, log: silent }),
  );
}
