import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { startFaultProxy, type FaultProxy } from './fault-proxy.ts';

let heard: string[];
let server: Server;
let proxy: FaultProxy;
const clients: Socket[] = [];

beforeEach(async () => {
  heard = [];
  server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.on('data', (data) => {
      heard.push(String(data));
      socket.write(`re ${String(data)}`);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  proxy = await startFaultProxy((server.address() as AddressInfo).port);
});
afterEach(async () => {
  for (const client of clients.splice(0)) client.destroy();
  await proxy.close();
  server.close();
});

async function open(): Promise<Socket> {
  const client = connect(proxy.port, '127.0.0.1');
  client.on('error', () => undefined);
  clients.push(client);
  await once(client, 'connect');
  return client;
}

async function say(client: Socket, text: string): Promise<string> {
  client.write(text);
  const [data] = (await once(client, 'data')) as [Buffer];
  return String(data);
}

/** True when nothing comes while something else comes through twice on a connection of its own. */
async function silent(client: Socket, meanwhile: () => Promise<unknown>): Promise<boolean> {
  let answered = false;
  client.once('data', () => (answered = true));
  await meanwhile();
  return !answered;
}

test('without a fault everything comes through, and is counted', async () => {
  const client = await open();
  expect(await say(client, 'a')).toBe('re a');
  expect(proxy.open).toBe(1);
  expect(proxy.through('postgresql://u:p@127.0.0.1:5432/d')).toBe(
    `postgresql://u:p@127.0.0.1:${proxy.port}/d`,
  );
});

test('latency delays both ways and keeps the order', async () => {
  const client = await open();
  await proxy.set({ kind: 'latency', ms: 40 });
  const began = performance.now();
  expect(await say(client, 'a')).toBe('re a');
  expect(performance.now() - began).toBeGreaterThanOrEqual(75);
});

test('a black hole takes everything and gives nothing, for good', async () => {
  const client = await open();
  await say(client, 'before');
  await proxy.set({ kind: 'black-hole' });
  const late = await open();
  client.write('lost');
  late.write('lost too');
  await vi.waitFor(() => expect(proxy.lossy).toBe(2));
  await proxy.set({ kind: 'none' });
  const fresh = await open();
  client.write('after');
  expect(await silent(client, () => say(fresh, 'fresh'))).toBe(true);
  expect(heard).toEqual(['before', 'fresh']);
  expect(client.destroyed).toBe(false);
});

test('a swallowed reply leaves the request at the server', async () => {
  const client = await open();
  await proxy.set({ kind: 'swallow-replies', from: 'COMMIT' });
  expect(await say(client, 'BEGIN')).toBe('re BEGIN');
  client.write('COMMIT');
  const other = await open();
  expect(await silent(client, () => say(other, 'BEGIN'))).toBe(true);
  expect(heard).toEqual(['BEGIN', 'COMMIT', 'BEGIN']);
});

test('a reset ends old connections and refuses new ones until it is over', async () => {
  const client = await open();
  const closed = new Promise((resolve) => client.once('close', resolve));
  await proxy.set({ kind: 'reset' });
  await closed;
  const next = connect(proxy.port, '127.0.0.1');
  clients.push(next);
  const [error] = (await once(next, 'error')) as [NodeJS.ErrnoException];
  expect(error.code).toBe('ECONNRESET');
  await proxy.set({ kind: 'none' });
  expect(await say(await open(), 'a')).toBe('re a');
});

test('down means that nobody listens, and up again on the same port', async () => {
  const client = await open();
  const closed = once(client, 'close');
  await proxy.set({ kind: 'down' });
  await closed;
  const refused = connect(proxy.port, '127.0.0.1');
  const [error] = (await once(refused, 'error')) as [NodeJS.ErrnoException];
  expect(error.code).toBe('ECONNREFUSED');
  await proxy.set({ kind: 'none' });
  expect(await say(await open(), 'a')).toBe('re a');
});
