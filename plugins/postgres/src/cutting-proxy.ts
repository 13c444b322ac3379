import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

/** A way to the database, for tests, that counts what passes and can be cut anywhere. */
export interface CuttingProxy {
  /** The address to connect to instead of the database's. */
  readonly url: string;
  /** Bytes that have passed since the last {@link CuttingProxy.arm}. */
  readonly passed: { toServer: number; toClient: number };
  /** Counts from here on; ends every connection as soon as so many bytes have passed in the direction. */
  arm(cut?: { readonly direction: 'toServer' | 'toClient'; readonly after: number }): void;
  close(): Promise<void>;
}

/** Starts a proxy before the database at `url`, on a port of its own. */
export async function startCuttingProxy(url: string): Promise<CuttingProxy> {
  const target = new URL(url);
  const sockets = new Set<Socket>();
  const passed = { toServer: 0, toClient: 0 };
  let cut: { readonly direction: 'toServer' | 'toClient'; readonly after: number } | undefined;
  const endAll = (): void => {
    cut = undefined;
    for (const socket of sockets) socket.destroy();
  };
  const pass = (from: Socket, to: Socket, direction: 'toServer' | 'toClient'): void => {
    from.on('data', (bytes: Buffer) => {
      const room = cut?.direction === direction ? cut.after - passed[direction] : Infinity;
      passed[direction] += bytes.length;
      if (bytes.length < room) return void to.write(bytes);
      // What is before the cut arrives.
      to.write(bytes.subarray(0, room), endAll);
    });
    from.on('error', () => undefined);
    from.on('close', () => {
      sockets.delete(from);
      to.destroy();
    });
  };
  const server = createServer((client) => {
    const database = connect(Number(target.port), target.hostname);
    for (const socket of [client, database]) sockets.add(socket.setNoDelay(true));
    pass(client, database, 'toServer');
    pass(database, client, 'toClient');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const proxied = new URL(url);
  proxied.hostname = '127.0.0.1';
  proxied.port = String((server.address() as AddressInfo).port);
  return {
    url: proxied.href,
    passed,
    arm(next) {
      Object.assign(passed, { toServer: 0, toClient: 0 });
      cut = next;
    },
    async close() {
      endAll();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
