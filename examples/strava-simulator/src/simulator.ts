import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { createHistory, type Changes, type HistoryOptions } from './history.ts';
import { createLimits, type Limit } from './limits.ts';
import * as routes from './routes.ts';
import { createTokenService } from './tokens.ts';

/** A request as it arrived. */
export interface Seen {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly body: string;
  /** Of the `Authorization` header. */
  readonly bearer: string;
}

/**
 * Looks at a request before it is answered. What it gives is answered instead; with `how` the connection breaks in the
 * middle of the body, is reset, or never gets an answer.
 */
export type Intercept = (request: Seen) =>
  | undefined
  | void
  | {
      readonly status?: number;
      readonly headers?: Readonly<Record<string, string>>;
      readonly body?: string;
      readonly how?: 'cut' | 'reset' | 'hang';
    };

/** What a simulator may be told at its start. */
export interface StravaSimulatorOptions {
  /** Default 0, any free port. */
  readonly port?: number;
  /** Milliseconds since 1970. Default the machine's clock. */
  readonly now?: () => number;
  /** Ids; each has a history of its own. Default 7001 and 7002. */
  readonly athletes?: readonly number[];
  readonly history?: Partial<HistoryOptions>;
  /** Life of an access token. Default 21,600. */
  readonly accessSeconds?: number;
  /** Requests in 15 minutes and in a day. Default 200 and 2,000. */
  readonly limit?: Limit;
  /** The same of requests that read. Default 100 and 1,000. */
  readonly readLimit?: Limit;
  /** What the athletes allowed. Default `read,activity:read_all`. */
  readonly scope?: string;
}

/** An athlete, and what a connection to it is configured with. */
export interface Account extends Changes {
  readonly athlete: number;
  /** Ids and starts, oldest first, as they are now. */
  readonly entries: readonly { readonly id: number; readonly start: number }[];
  /** The refresh token that works now. */
  refreshToken(): string;
  /** A code for one sign-in. */
  authorize(): string;
}

/** A simulator that runs. */
export interface StravaSimulator {
  readonly origin: string;
  readonly clientId: string;
  readonly clientSecret: string;
  readonly accounts: readonly [Account, ...Account[]];
  /** Every request so far. */
  readonly requests: Seen[];
  /** Set it to break things. */
  intercept: Intercept | undefined;
  /** Ends all access that was given so far; refresh tokens work. */
  expireAccess(): void;
  /** Ends everything that was given so far, codes apart. */
  revoke(): void;
  /** As if so many requests had been made in this quarter of an hour and this day. */
  use(used: Limit): void;
  close(): Promise<void>;
}

const clientId = '4711';
const clientSecret = 'simulated-client-secret';

async function receive(request: IncomingMessage): Promise<Seen> {
  const { pathname: path, searchParams: query } = new URL(request.url ?? '/', 'http://simulator');
  const bearer = /^Bearer (\S+)$/.exec(request.headers.authorization ?? '')?.[1] ?? '';
  return { method: request.method ?? 'GET', path, query, body: await text(request), bearer };
}

// One write for each activity of a large page would take longer than making it.
const pieceLength = 1_000_000;

/** The text of a JSON array in pieces, made as they are taken. */
function* piecesOf(elements: Iterable<unknown>): Generator<string> {
  let piece = '[';
  let mark = '';
  for (const element of elements) {
    piece += mark + JSON.stringify(element);
    mark = ',';
    if (piece.length < pieceLength) continue;
    yield piece;
    piece = '';
  }
  yield `${piece}]`;
}

async function send(
  response: ServerResponse,
  answer: routes.Answer,
  headers: Record<string, string>,
): Promise<void> {
  response.writeHead(answer.status, { 'content-type': 'application/json; charset=utf-8', ...headers });
  const pieces = answer.elements ? piecesOf(answer.elements) : [JSON.stringify(answer.body)];
  try {
    await pipeline(pieces, response);
  } catch (error) {
    // Whoever asked went away in the middle.
    if (!response.destroyed) throw error;
  }
}

function sendInstead(
  request: IncomingMessage,
  response: ServerResponse,
  { status = 200, headers = {}, body = '', how }: Exclude<ReturnType<Intercept>, undefined | void>,
): void {
  if (how === 'hang') return;
  if (how === 'reset') return void request.socket.resetAndDestroy();
  const length = Buffer.byteLength(body);
  response.writeHead(status, { 'content-length': how === 'cut' ? length + 10 : length, ...headers });
  if (how === 'cut') response.write(body, () => request.socket.destroy());
  else response.end(body);
}

function createSite(options: StravaSimulatorOptions, now: () => number) {
  const { athletes = [7001, 7002], accessSeconds = 21_600, scope = 'read,activity:read_all' } = options;
  const history: HistoryOptions = {
    seed: 'demo',
    from: Date.UTC(2022, 0, 1) / 1000,
    until: Math.floor(now() / 1000) - 86_400,
    count: 150,
    bytes: 0,
    ...options.history,
  };
  const tokens = createTokenService({ clientId, clientSecret, athletes, accessSeconds, now });
  const limits = createLimits(options.limit ?? [200, 2000], options.readLimit ?? [100, 1000], now);
  const histories = new Map(athletes.map((athlete) => [athlete, createHistory(history, athlete)]));

  function answerTo({ method, path, query, body, bearer }: Seen): routes.Answer {
    if (method === 'POST' && path === '/oauth/token')
      return { ...tokens.exchange(new URLSearchParams(body)) };
    if (limits.take()) return routes.overLimit;
    const athlete = tokens.athleteOf(bearer);
    const found = athlete === undefined ? undefined : histories.get(athlete);
    if (athlete === undefined || !found) return routes.unauthorized;
    if (path === '/api/v3/athlete') return routes.athleteOf(athlete);
    if (path === `/api/v3/athletes/${athlete}/stats`) return routes.statsOf(found);
    if (path !== '/api/v3/athlete/activities') return routes.notFound;
    return scope.includes('activity:read')
      ? routes.listActivities(found, query, now())
      : routes.missingPermission;
  }

  const accounts = [...histories].map(([athlete, { entries, upload, remove }]): Account => ({
    athlete,
    entries,
    upload,
    remove,
    refreshToken: () => tokens.refreshToken(athlete),
    authorize: () => tokens.authorize(athlete),
  }));
  return { answerTo, accounts, tokens, limits };
}

function listen(server: Server, port: number): Promise<void> {
  return new Promise((resolve) => server.listen(port, '127.0.0.1', resolve));
}

/** Starts the stand-in for Strava on this machine; everything it answers is invented. Close it at the end. */
export async function startStravaSimulator(options: StravaSimulatorOptions = {}): Promise<StravaSimulator> {
  const { now = Date.now, port = 0 } = options;
  const { answerTo, accounts, tokens, limits } = createSite(options, now);
  const [first, ...others] = accounts;
  if (!first) throw new Error('Expected at least one athlete, got none');
  const requests: Seen[] = [];
  const server = createServer(async (incoming, response) => {
    const seen = await receive(incoming);
    requests.push(seen);
    const instead = simulator.intercept?.(seen);
    if (instead) return sendInstead(incoming, response, instead);
    const answer = answerTo(seen);
    const date = new Date(now()).toUTCString();
    const counted = seen.path.startsWith('/api/') ? limits.headers() : {};
    await send(response, answer, { date, 'x-simulated': 'strava-simulator', ...counted });
  });
  await listen(server, port);
  const simulator: StravaSimulator = {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    clientId,
    clientSecret,
    accounts: [first, ...others],
    requests,
    intercept: undefined,
    expireAccess: () => tokens.expireAccess(),
    revoke: () => tokens.revoke(),
    use: (used) => limits.use(used),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  return simulator;
}
