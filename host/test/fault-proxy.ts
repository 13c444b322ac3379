import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

/** What a network may do to those who use it. */
export type Fault =
  /** Everything comes through. */
  | { readonly kind: 'none' }
  /** Everything comes through, each piece later by this. */
  | { readonly kind: 'latency'; readonly ms: number }
  /** Connections are accepted and stay open; nothing comes through. */
  | { readonly kind: 'black-hole' }
  /** Requests come through, answers do not; from the first request on that holds the text, where one is given. */
  | { readonly kind: 'swallow-replies'; readonly from?: string }
  /** Connections are reset, old ones and new ones. */
  | { readonly kind: 'reset' }
  /** Nobody listens, and old connections are closed. */
  | { readonly kind: 'down' };

/** A TCP proxy on 127.0.0.1 whose faults a test switches while it runs. */
export interface FaultProxy {
  readonly port: number;
  /** Resolves when the fault is in force. A connection that has lost a byte loses all that follow. */
  set(fault: Fault): Promise<void>;
  /** Where new connections lead. */
  target(port: number): void;
  /** The same address by way of the proxy. */
  through(url: string): string;
  /** Connections that clients hold now. */
  readonly open: number;
  /** Those of them that have lost something. */
  readonly lossy: number;
  close(): Promise<void>;
}

interface Pair {
  readonly client: Socket;
  readonly server: Socket;
  /** Whether this direction has lost something. */
  readonly lost: { requests: boolean; replies: boolean };
}

type Direction = 'requests' | 'replies';

/** Notes what the fault takes from a pair that hears this. */
function take({ lost }: Pair, fault: Fault, heard: { direction: Direction; chunk: Buffer }): void {
  if (fault.kind === 'black-hole') lost[heard.direction] = true;
  if (fault.kind !== 'swallow-replies' || heard.direction === 'replies') return;
  if (fault.from === undefined || heard.chunk.includes(fault.from)) lost.replies = true;
}

/** Hands on what `from` says to `to`, as the fault of the moment wants it. */
function relay(pair: Pair, direction: Direction, faultNow: () => Fault): void {
  const [from, to] = direction === 'requests' ? [pair.client, pair.server] : [pair.server, pair.client];
  from.on('data', (chunk: Buffer) => {
    const fault = faultNow();
    take(pair, fault, { direction, chunk });
    if (pair.lost[direction]) return;
    if (fault.kind === 'latency') setTimeout(() => to.write(chunk), fault.ms);
    else to.write(chunk);
  });
  from.on('error', () => to.destroy());
  from.on('close', () => {
    // What vanishes on the way includes the farewell.
    if (!pair.lost[direction] && faultNow().kind !== 'black-hole') to.destroy();
  });
}

async function listen(server: Server, port: number): Promise<void> {
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
}

/** Starts one that leads to this port of 127.0.0.1. */
export async function startFaultProxy(targetPort: number): Promise<FaultProxy> {
  let fault: Fault = { kind: 'none' };
  let target = targetPort;
  const pairs = new Set<Pair>();
  const server = createServer((client) => {
    client.on('error', () => undefined);
    if (fault.kind === 'reset') {
      client.resetAndDestroy();
      return;
    }
    const pair = { client, server: connect(target, '127.0.0.1'), lost: { requests: false, replies: false } };
    pairs.add(pair);
    client.on('close', () => pairs.delete(pair));
    relay(pair, 'requests', () => fault);
    relay(pair, 'replies', () => fault);
  });
  await listen(server, 0);
  const { port } = server.address() as AddressInfo;

  function cut(how: 'reset' | 'close'): void {
    for (const pair of pairs) {
      if (how === 'reset') pair.client.resetAndDestroy();
      else pair.client.destroy();
      pair.server.destroy();
    }
  }

  async function stopListening(): Promise<void> {
    const closed = server.listening ? once(server, 'close') : undefined;
    server.close();
    cut('close');
    await closed;
  }

  return {
    port,
    async set(wanted) {
      fault = wanted;
      if (wanted.kind === 'reset') cut('reset');
      if (wanted.kind === 'down') await stopListening();
      else if (!server.listening) await listen(server, port);
    },
    target: (to) => (target = to),
    through(url) {
      const by = new URL(url);
      by.port = String(port);
      return by.href;
    },
    get open() {
      return pairs.size;
    },
    get lossy() {
      return [...pairs].filter(({ lost }) => lost.requests || lost.replies).length;
    },
    close: stopListening,
  };
}
