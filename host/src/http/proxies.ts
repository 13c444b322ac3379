import { isIP } from 'node:net';
import type { IncomingMessage } from 'node:http';

/** Who asks, also where a proxy asks for them. */
export interface Proxies {
  /** The address of who asks: the first one, from our side, that no trusted proxy has. */
  addressOf(request: IncomingMessage): string;
  /** Whether the way to the trusted proxy was TLS. */
  isSecure(request: IncomingMessage): boolean;
}

/** Whether an address is that of a proxy to be believed; `hop` counts from 0, the other end of the connection. */
export type Trust = (address: string | undefined, hop: number) => boolean;

function partsOf(header: string | string[] | undefined): string[] {
  return typeof header === 'string' ? header.split(',').map((part) => part.trim()) : [];
}

/** Reads X-Forwarded-For and X-Forwarded-Proto as far as they were written by whom `trust` believes. */
export function createProxies(trust: Trust): Proxies {
  return {
    addressOf({ headers, socket }) {
      const own = socket.remoteAddress;
      let address = own;
      const before = partsOf(headers['x-forwarded-for']).filter((part) => part !== '');
      for (let hop = 0; before.length > 0 && trust(address, hop); hop += 1) address = before.pop();
      // A proxy that is trusted may still say one that is none.
      return address !== undefined && isIP(address) > 0 ? address : (own ?? 'unknown');
    },
    isSecure({ headers, socket }) {
      return trust(socket.remoteAddress, 0) && partsOf(headers['x-forwarded-proto'])[0] === 'https';
    },
  };
}
