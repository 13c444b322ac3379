import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo } from 'node:net';
import { exitCodes, HostError } from '../host-error.ts';
import { shedLoad } from './overload.ts';
import { limitSockets } from './sockets.ts';

/** The API while it listens. */
export interface ApiServer {
  /** Where it is: `http://127.0.0.1:8000`. */
  readonly url: string;
  /** Takes no new connections and closes idle ones; answers under way go on. */
  drain(): void;
  /** Ends what is still open; resolves when nothing is. */
  close(): Promise<void>;
}

const options = {
  headersTimeout: 10_000,
  requestTimeout: 30_000,
  // How late the two above may be noticed; the default is 30 s.
  connectionsCheckingInterval: 1_000,
  // Longer than proxies keep theirs, so that it is never ours that closes while one is being used again.
  keepAliveTimeout: 65_000,
  maxHeaderSize: 16_384,
  // The guard refuses a request without Host in the shape of every other refusal.
  requireHostHeader: false,
} as const;

function addressOf(server: Server, host: string): string {
  const { port } = server.address() as AddressInfo;
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}`;
}

function apiServerOf(server: Server, host: string): ApiServer {
  const closed = Promise.withResolvers<void>();
  server.once('close', closed.resolve);
  const drain = (): void => {
    if (server.listening) server.close();
    server.closeIdleConnections();
  };
  return {
    url: addressOf(server, host),
    drain,
    close() {
      drain();
      server.closeAllConnections();
      return closed.promise;
    },
  };
}

/** Leaves to the app what Node would answer by itself, or not at all. */
function answerToTheLast(server: Server): void {
  const asAnyOther = (request: IncomingMessage, response: ServerResponse): void =>
    void server.emit('request', request, response);
  // Whoever asks for a body says so itself, once nothing speaks against it.
  server.on('checkContinue', asAnyOther);
  server.on('checkExpectation', asAnyOther);
  // A client may shut its side once all is sent, and read the answer then. Not among the types, but as old as Node.
  Object.assign(server, { httpAllowHalfOpen: true });
}

/** Where to listen. */
export interface ListenOptions {
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  /** Called for each request that is refused since there are too many. */
  readonly onRefused?: () => void;
}

/**
 * Serves `handler` on an address and port, with the limits of docs/security.md.
 *
 * @throws HostError (exit 78) when nothing can listen there.
 */
export async function listen(
  handler: RequestListener,
  { host, port, onRefused }: ListenOptions,
): Promise<ApiServer> {
  const server = createServer(options);
  limitSockets(server);
  answerToTheLast(server);
  server.on('request', shedLoad(handler, onRefused && { onRefused }));
  const listening = Promise.withResolvers<void>();
  server.once('error', listening.reject).listen(port, host, listening.resolve);
  try {
    await listening.promise;
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : String(cause);
    throw new HostError(
      exitCodes.badConfig,
      `API_PORT: expected a port of ${host} that can be listened on, found ${port} (${code}); for example API_PORT=8010`,
      { cause },
    );
  }
  return apiServerOf(server, host);
}
