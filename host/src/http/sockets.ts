import { randomUUID } from 'node:crypto';
import { STATUS_CODES, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { fixedHeaders } from './headers.ts';
import { cutTurnShort } from './turns.ts';

/** How many connections there may be, and what they may hold. */
export interface SocketLimits {
  /** That have not sent the head of a request since they were opened. */
  readonly waiting: number;
  /** In all. */
  readonly open: number;
  /** So long one may wait, or leave an answer, before it is closed for another. */
  readonly graceMs: number;
  /** So long an answer may be left of which nothing is taken. */
  readonly untakenMs: number;
  /** Of all answers that are not taken yet. */
  readonly untakenBytes: number;
  /** Requests that one connection sends ahead of their answers. */
  readonly ahead: number;
}

export const presetSocketLimits: SocketLimits = {
  waiting: 256,
  open: 1024,
  graceMs: 1_000,
  untakenMs: 30_000,
  untakenBytes: 64 * 1024 * 1024,
  ahead: 32,
};

/** A connection's place, oldest first in each. */
interface Places {
  readonly limits: SocketLimits;
  /** Opened, and no request yet; since when. */
  readonly waiting: Map<Duplex, number>;
  /** Between two requests. */
  readonly idle: Set<Duplex>;
  /** The whole answer is written, and not taken. */
  readonly untaken: Map<Duplex, Untaken>;
  /** Answers under way. */
  readonly answers: WeakMap<Duplex, Set<ServerResponse>>;
}

interface Untaken {
  readonly since: number;
  readonly bytes: number;
}

function oldest(sockets: ReadonlySet<Duplex> | ReadonlyMap<Duplex, unknown>): Duplex | undefined {
  return sockets.keys().next().value;
}

function forget({ waiting, idle, untaken }: Places, socket: Duplex): void {
  waiting.delete(socket);
  idle.delete(socket);
  untaken.delete(socket);
}

function drop(places: Places, socket: Duplex | undefined): void {
  if (!socket) return;
  forget(places, socket);
  socket.destroy();
}

/**
 * Makes room past the limits. Whoever has only just come may have sent a request that is not read yet, so what waits
 * for less than the grace stays as long as there is room in all.
 */
function makeRoom(places: Places, open: number): void {
  const { limits, waiting, idle, untaken } = places;
  const before = performance.now() - limits.graceMs;
  const { size } = waiting;
  for (const [socket, since] of waiting) {
    if (waiting.size <= limits.waiting || since > before) break;
    drop(places, socket);
  }
  if (open - (size - waiting.size) <= limits.open) return;
  const [stalled, { since = Infinity } = {}] = untaken.entries().next().value ?? [];
  const left = since <= before ? stalled : undefined;
  const rest = oldest(idle) ?? left ?? oldest(waiting);
  drop(places, waiting.size > limits.waiting ? oldest(waiting) : rest);
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

/** The refusal of what never became a whole request, in the shape of every other one; the connection ends with it. */
function refuse(socket: Duplex, status: number, id: string = randomUUID()): void {
  const body = JSON.stringify({
    status: 'error',
    code: 'INVALID_ARGUMENT',
    message: messages[status],
    request_id: id,
  });
  const head = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
    'Connection: close',
    ...Object.entries(fixedHeaders()).map(([name, value]) => `${name}: ${value}`),
    'Content-Type: application/json; charset=utf-8',
    `Content-Length: ${Buffer.byteLength(body)}`,
    `X-Request-Id: ${id}`,
  ].join('\r\n');
  socket.end(`${head}\r\n\r\n${body}`, () => socket.destroy());
}

/** Ends connections that leave answers: after a time, and the oldest of them when all together are too long. */
function followUntaken(places: Places, socket: Socket, { writableLength: bytes }: ServerResponse): void {
  const { limits, untaken } = places;
  if (bytes === 0 || socket.destroyed) return;
  untaken.set(socket, { since: performance.now(), bytes });
  // Node starts it anew whenever some of what is written is taken.
  socket.setTimeout(limits.untakenMs);
  let total = 0;
  for (const one of untaken.values()) total += one.bytes;
  for (const [one, { bytes: freed }] of untaken) {
    if (total <= limits.untakenBytes) return;
    total -= freed;
    drop(places, one);
  }
}

function followAnswers(server: Server, places: Places): void {
  const { limits, idle, untaken, answers } = places;
  server.on('request', ({ socket }, response) => {
    forget(places, socket);
    const underWay = answers.get(socket);
    underWay?.add(response);
    if ((underWay?.size ?? 0) > limits.ahead) socket.destroy();
    response.once('prefinish', () => followUntaken(places, socket, response));
    response.once('close', () => {
      untaken.delete(socket);
      // Set by us, and still there: a request that was sent ahead comes next, whose answer may take its time.
      if (socket.timeout === limits.untakenMs) socket.setTimeout(0);
      underWay?.delete(response);
      if (underWay?.size === 0 && !socket.destroyed) idle.add(socket);
    });
  });
}

function refuseMalformed(server: Server, { answers }: Places): void {
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Duplex) => {
    const underWay = [...(answers.get(socket) ?? [])];
    const begun = underWay.some(({ headersSent }) => headersSent);
    // The name under which log and audit have a request whose body broke off.
    const id = underWay.at(-1)?.getHeader('X-Request-Id')?.toString();
    // Behind an answer that has begun, ours would be read as a part of it.
    if (begun || !socket.writable || error.code === 'ECONNRESET') socket.destroy();
    else refuse(socket, statusOf[error.code ?? ''] ?? 400, id);
  });
  server.on('connect', (_request, socket: Duplex) => refuse(socket, 400));
}

/**
 * Keeps connections that send nothing, or take nothing, from shutting others out: past a limit the oldest that still
 * owes its first request is closed; when there are too many in all, the one that was idle longest. What Node refuses by
 * itself gets an answer in our shape. Called before the server listens and before anything else takes its requests.
 */
export function limitSockets(server: Server, limits: SocketLimits = presetSocketLimits): void {
  const places: Places = {
    limits,
    waiting: new Map(),
    idle: new Set(),
    untaken: new Map(),
    answers: new WeakMap(),
  };
  let open = 0;
  let later: NodeJS.Timeout | undefined;
  const look = (): void => {
    makeRoom(places, open);
    const isOver = places.waiting.size > limits.waiting;
    later = isOver ? setTimeout(look, limits.graceMs).unref() : undefined;
  };
  server.on('connection', (socket: Duplex) => {
    cutTurnShort();
    open += 1;
    places.waiting.set(socket, performance.now());
    places.answers.set(socket, new Set());
    socket.once('close', () => {
      open -= 1;
      forget(places, socket);
    });
    if (later) makeRoom(places, open);
    else look();
  });
  followAnswers(server, places);
  refuseMalformed(server, places);
}
