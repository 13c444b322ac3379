import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';

/** A source whose refresh tokens are good for one use; its tokens are canaries. */
export interface RotatingSource {
  readonly origin: string;
  /** Requests so far, by path. */
  readonly counts: Readonly<Record<string, number>>;
  /** What `fixtures/rotating.ts` saves for a session that works. */
  session(): { readonly access: string; readonly refresh: string };
  /** The access token of the session works no more; its refresh token does. */
  expire(): void;
  /** Called for each request, before anything happens to it. */
  before: (path: string) => Promise<void> | void;
  /** Called when a refresh token was used up, before anybody is told of the new one. */
  rotated: () => Promise<void> | void;
  /** How sign-ins are answered. */
  signIn: { readonly status: number; readonly retryAfter?: number };
  /** Status that renewals are answered with. */
  renewal: number;
  close(): Promise<void>;
}

interface State {
  generation: number;
  isExpired: boolean;
}

type Answer = readonly [status: number, body: unknown];

function tokensOf({ generation }: State) {
  return { access: `canary-access-${generation}`, refresh: `canary-refresh-${generation}` };
}

async function answerToken(request: IncomingMessage, state: State, source: RotatingSource): Promise<Answer> {
  const { refresh } = (await json(request)) as { refresh?: string };
  if (source.renewal !== 200) return [source.renewal, {}];
  if (refresh !== tokensOf(state).refresh) return [400, { error: 'invalid_grant' }];
  state.generation += 1;
  state.isExpired = false;
  await source.rotated();
  return [200, tokensOf(state)];
}

async function answerTo(request: IncomingMessage, state: State, source: RotatingSource): Promise<Answer> {
  const { access } = tokensOf(state);
  if (request.url === '/token') return answerToken(request, state, source);
  if (request.url === '/sign-in') {
    const { status } = source.signIn;
    return [status, status === 200 ? tokensOf(state) : {}];
  }
  const isGood = !state.isExpired && request.headers.authorization === `Bearer ${access}`;
  return isGood ? [200, { fine: true }] : [401, {}];
}

/** Starts the source on a port of its own. */
export async function startRotatingSource(): Promise<RotatingSource> {
  const state: State = { generation: 1, isExpired: false };
  const counts: Record<string, number> = {};
  const server = createServer((request: IncomingMessage, response: ServerResponse) => {
    const path = request.url ?? '';
    counts[path] = (counts[path] ?? 0) + 1;
    void (async () => {
      await source.before(path);
      const [status, body] = await answerTo(request, state, source);
      const { retryAfter } = source.signIn;
      if (status === 429 && retryAfter !== undefined) response.setHeader('retry-after', retryAfter);
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    })();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const source: RotatingSource = {
    origin: `http://127.0.0.1:${port}`,
    counts,
    session: () => tokensOf(state),
    expire: () => (state.isExpired = true),
    before: () => undefined,
    rotated: () => undefined,
    signIn: { status: 200 },
    renewal: 200,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  return source;
}
