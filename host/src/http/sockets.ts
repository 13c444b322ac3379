import { randomUUID } from 'node:crypto';
import { STATUS_CODES, type Server, type ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { cutTurnShort } from './turns.ts';

/** How many connections there may be. */
export interface SocketLimits {
  /** That have not sent the head of a request since they were opened. */
  readonly waiting: number;
  /** In all. */
  readonly open: number;
}

const presetLimits: SocketLimits = { waiting: 256, open: 1024 };

/** A connection's place, oldest first in each. */
interface Places {
  /** Opened, and no request yet. */
  readonly waiting: Set<Duplex>;
  /** Between two requests. */
  readonly idle: Set<Duplex>;
  /** Answers under way. */
  readonly answers: WeakMap<Duplex, Set<ServerResponse>>;
}

function oldest(sockets: Set<Duplex>): Duplex | undefined {
  return sockets.values().next().value;
}

function drop({ waiting, idle }: Places, socket: Duplex | undefined): void {
  if (!socket) return;
  waiting.delete(socket);
  idle.delete(socket);
  socket.destroy();
}

const messages: Readonly<Record<number, string>> = {
  400: 'The request is malformed',
  408: 'Expected the whole request sooner',
  413: 'Expected smaller chunk extensions',
  431: 'Expected headers of at most 16 KB',
};

const statusOf: Readonly<Record<string, number>> = {
  ERR_HTTP_REQUEST_TIMEOUT: 408,
  HPE_CHUNK_EXTENSIONS_OVERFLOW: 413,
  HPE_HEADER_OVERFLOW: 431,
};

/** The refusal of what never became a request, in the shape of every other one; the connection ends with it. */
function refuse(socket: Duplex, status: number): void {
  const id = randomUUID();
  const body = JSON.stringify({
    status: 'error',
    code: 'INVALID_ARGUMENT',
    message: messages[status],
    request_id: id,
  });
  const head = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
    'Connection: close',
    'Cache-Control: no-store',
    'X-Content-Type-Options: nosniff',
    'Content-Type: application/json; charset=utf-8',
    `Content-Length: ${Buffer.byteLength(body)}`,
    `X-Request-Id: ${id}`,
  ].join('\r\n');
  socket.end(`${head}\r\n\r\n${body}`, () => socket.destroy());
}

function followAnswers(server: Server, places: Places): void {
  const { waiting, idle, answers } = places;
  server.on('request', ({ socket }, response) => {
    waiting.delete(socket);
    idle.delete(socket);
    const underWay = answers.get(socket);
    underWay?.add(response);
    response.once('close', () => {
      underWay?.delete(response);
      if (underWay?.size === 0 && !socket.destroyed) idle.add(socket);
    });
  });
}

function refuseMalformed(server: Server, { answers }: Places): void {
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Duplex) => {
    const begun = [...(answers.get(socket) ?? [])].some(({ headersSent }) => headersSent);
    // Behind an answer that has begun, ours would be read as a part of it.
    if (begun || !socket.writable || error.code === 'ECONNRESET') socket.destroy();
    else refuse(socket, statusOf[error.code ?? ''] ?? 400);
  });
  server.on('connect', (_request, socket: Duplex) => refuse(socket, 400));
}

/**
 * Keeps connections that send nothing from shutting others out: past a limit the oldest that still owes its first
 * request is closed; when there are too many in all, the one that was idle longest. What Node refuses by itself gets
 * an answer in our shape. Called before the server listens and before anything else takes its requests.
 */
export function limitSockets(server: Server, limits: SocketLimits = presetLimits): void {
  const places: Places = { waiting: new Set(), idle: new Set(), answers: new WeakMap() };
  const { waiting, idle, answers } = places;
  let open = 0;
  server.on('connection', (socket: Duplex) => {
    cutTurnShort();
    open += 1;
    waiting.add(socket);
    answers.set(socket, new Set());
    socket.once('close', () => {
      open -= 1;
      waiting.delete(socket);
      idle.delete(socket);
    });
    if (waiting.size > limits.waiting) drop(places, oldest(waiting));
    else if (open > limits.open) drop(places, oldest(idle) ?? oldest(waiting));
  });
  followAnswers(server, places);
  refuseMalformed(server, places);
}
