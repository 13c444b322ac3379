import { createServer, type RequestListener } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, expect, test } from 'vitest';
import { readBody as readParts, readTextBody } from '../ingest/read-body.ts';
import { ApiError } from './api-error.ts';
import { shedLoad, type LoadOptions } from './overload.ts';
import { presetBodyLimits } from './slow-bodies.ts';
import { limitSockets, presetSocketLimits, type SocketLimits } from './sockets.ts';

const ends: (() => void)[] = [];
afterEach(() => {
  for (const end of ends.splice(0)) end();
});

interface Limits extends LoadOptions {
  readonly sockets?: Partial<SocketLimits>;
}

/** Connections that the server of the test has now. */
let openConnections: () => Promise<number>;

/** A server with limits of its own; gives back its port. */
async function serve(handler: RequestListener, { sockets, ...load }: Limits = {}): Promise<number> {
  const server = createServer();
  openConnections = () =>
    new Promise((resolve, reject) =>
      server.getConnections((error, count) => (error ? reject(error) : resolve(count))),
    );
  limitSockets(server, { ...presetSocketLimits, ...sockets });
  server.on('request', shedLoad(handler, load));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  ends.push(() => {
    server.close();
    server.closeAllConnections();
  });
  return (server.address() as AddressInfo).port;
}

/** A connection, with what it was sent so far. */
interface Peer {
  readonly socket: Socket;
  heard: string;
  closed: boolean;
}

function open(port: number, bytes = ''): Peer {
  const peer: Peer = { socket: connect(port, '127.0.0.1'), heard: '', closed: false };
  peer.socket.on('data', (chunk: Buffer) => (peer.heard += chunk.toString('latin1')));
  peer.socket.on('error', () => undefined).on('close', () => (peer.closed = true));
  if (bytes !== '') peer.socket.write(bytes);
  ends.push(() => peer.socket.destroy());
  return peer;
}

const get = (path = '/') => `GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`;
const post = (body: string, length = body.length) =>
  `POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\nContent-Length: ${length}\r\n\r\n${body}`;

const readBody: RequestListener = (request, response) => {
  readTextBody(request, { mediaTypes: ['text/plain'], limit: 1_000_000 }).then(
    (text) => response.end(`read ${text.length}`),
    (error: unknown) => {
      response.statusCode = error instanceof ApiError ? error.status : 500;
      response.setHeader('Connection', 'close').end();
    },
  );
};

test('senders of slow bodies keep nobody out, and the oldest of too many are given up', async () => {
  const bodies = { ...presetBodyLimits, most: 4, graceMs: 100 };
  const port = await serve(readBody, { most: 2, bodies });
  const slow = Array.from({ length: 8 }, () => open(port, post('{', 100)));
  await delay(100);
  const quick = open(port, post('quick'));
  await expect.poll(() => quick.heard).toContain('read 5');
  const ended = () => slow.map(({ heard }) => heard.startsWith('HTTP/1.1 408'));
  await expect.poll(() => ended().filter(Boolean).length).toBe(4);
  expect(ended().slice(4)).toEqual([false, false, false, false]);
  // Slow is not lost.
  slow[7]?.socket.write('x'.repeat(99));
  await expect.poll(() => slow[7]?.heard).toContain('read 100');
});

test('a body that comes too slowly is refused with 408, however few there are', async () => {
  const port = await serve(readBody, { bodies: { ...presetBodyLimits, deadlineMs: 200 } });
  const slow = open(port, post('{', 100));
  await expect.poll(() => slow.heard).toMatch(/^HTTP\/1\.1 408 /);
  await expect.poll(() => slow.closed).toBe(true);
});

/** Serves a body of which each part is followed by a pause, made by `pause`. */
function readWith(pause: () => Promise<void>, pausedMs: number): RequestListener {
  const readerOf = () => ({ take: pause, end: (bytes: number) => bytes });
  return (request, response) => {
    readParts(request, { mediaTypes: ['text/plain'], limit: 1_000, pausedMs, readerOf }).then(
      (bytes) => response.end(`read ${bytes}`),
      (error: unknown) => {
        const { status, retryAfterSeconds = 0 } = error as ApiError;
        response.writeHead(status, { 'Retry-After': retryAfterSeconds }).end();
      },
    );
  };
}

/** Sends a byte of a body every 40 ms. */
async function drip(port: number, bytes: number): Promise<Peer> {
  const peer = open(port, post('{', 1 + bytes));
  for (let sent = 0; sent < bytes && peer.heard === ''; sent += 1) {
    await delay(40);
    if (!peer.socket.destroyed) peer.socket.write('x');
  }
  return peer;
}

test('a sender that is kept waiting for too long in all is refused with 503 and told when to come back', async () => {
  const port = await serve(readWith(() => delay(60), 150));
  const pausedOften = await drip(port, 8);
  await expect.poll(() => pausedOften.heard).toMatch(/^HTTP\/1\.1 503 [^]*Retry-After: 1\r\n/);
  const pausedOnce = open(await serve(readWith(() => new Promise(() => undefined), 100)), post('{', 2));
  await expect.poll(() => pausedOnce.heard).toMatch(/^HTTP\/1\.1 503 /);
});

test('pauses neither make a body slow nor give its sender more time', async () => {
  const bodies = { ...presetBodyLimits, deadlineMs: 250 };
  const paused = Promise.withResolvers<void>();
  const goOn = Promise.withResolvers<void>();
  const pause = () => {
    paused.resolve();
    return goOn.promise;
  };
  const waiting = open(await serve(readWith(pause, 60_000), { bodies }), post('{', 2));
  await paused.promise;
  // Takes longer than the deadline of both.
  const slow = await drip(
    await serve(
      readWith(() => delay(5), 2_000),
      { bodies },
    ),
    30,
  );
  expect(slow.heard).toMatch(/^HTTP\/1\.1 408 /);
  expect(waiting.heard).toBe('');
  waiting.socket.write('x');
  goOn.resolve();
  await expect.poll(() => waiting.heard).toContain('read 2');
});

test('requests that come all at once with their connections are answered, each one', async () => {
  const port = await serve((_request, response) => response.end('served'), { sockets: { waiting: 16 } });
  const peers = Array.from({ length: 200 }, () => open(port, get()));
  const served = () => peers.filter(({ heard }) => heard.endsWith('served')).length;
  await expect.poll(served).toBe(200);
});

test('of connections that send nothing the oldest are closed, once they had time to', async () => {
  const port = await serve((_request, response) => response.end(), { sockets: { waiting: 4, graceMs: 200 } });
  const peers = Array.from({ length: 8 }, () => open(port, 'GET / HTTP/1.1\r\nHost'));
  await delay(100);
  expect(peers.some(({ closed }) => closed)).toBe(false);
  await expect.poll(() => peers.map(({ closed }) => closed).indexOf(false)).toBe(4);
  expect(peers.filter(({ closed }) => closed)).toHaveLength(4);
});

const large = Buffer.alloc(16 * 1024 * 1024, 'x');
const answerLarge: RequestListener = (_request, response) => void response.end(large);

test('answers that nobody takes end their connections after a time, and none that is read does', async () => {
  const port = await serve(answerLarge, { most: 2, sockets: { untakenMs: 300 } });
  // More than there are places: what is answered is no work any more.
  const deaf = Array.from({ length: 3 }, () => open(port, get()));
  for (const { socket } of deaf) socket.pause();
  const slow = open(port, get());
  const reading = setInterval(() => {
    if (slow.socket.isPaused()) slow.socket.resume();
    else slow.socket.pause();
  }, 20);
  await expect.poll(() => slow.heard.length, { timeout: 10_000 }).toBeGreaterThan(large.length);
  clearInterval(reading);
  slow.socket.resume();
  // Who does not read does not hear either that it is over.
  await expect.poll(openConnections).toBe(1);
  for (const { socket } of deaf) socket.resume();
  await expect.poll(() => deaf.every(({ closed }) => closed)).toBe(true);
  for (const { heard } of deaf) expect(heard.length).toBeLessThan(large.length);
  expect(slow.closed).toBe(false);
});

test('answers that nobody takes are bounded together: the oldest goes', async () => {
  const port = await serve(answerLarge, { sockets: { untakenBytes: 3.5 * large.length } });
  const deaf: Peer[] = [];
  for (let n = 0; n < 4; n += 1) {
    const peer = open(port, get());
    peer.socket.once('data', () => peer.socket.pause());
    deaf.push(peer);
    await expect.poll(() => peer.heard.length).toBeGreaterThan(0);
  }
  for (const { socket } of deaf) socket.resume();
  await expect
    .poll(() => deaf.map(({ heard }) => heard.length > large.length))
    .toEqual([false, true, true, true]);
  expect(deaf[0]?.closed).toBe(true);
});

test('what is sent ahead is begun when its turn comes, and too much of it ends the connection', async () => {
  let begun = 0;
  const held: (() => void)[] = [];
  const port = await serve(
    (_request, response) => {
      begun += 1;
      held.push(() => response.end(`served ${begun}`));
    },
    { sockets: { ahead: 3 } },
  );
  const peer = open(port, get().repeat(3));
  for (const count of [1, 2, 3]) {
    await expect.poll(() => held.length).toBe(1);
    expect(begun).toBe(count);
    held.pop()?.();
    await expect.poll(() => peer.heard).toContain(`served ${count}`);
  }
  const greedy = open(port, get().repeat(4));
  await expect.poll(() => greedy.closed).toBe(true);
});
