import { isIP, isIPv6 } from 'node:net';
import { shownText } from './shown-value.ts';
import { timeZoneExpected, timeZoneName } from './time-zone.ts';
import type { Variable } from './variable-kinds.ts';

/** One of several values of the same kind. */
interface Item {
  readonly expected: string;
  readonly example: string;
  parse(text: string): string | undefined;
}

/** A name the Host header may have, lower case, without port. */
export const hostName: Item = {
  expected: 'a host name without scheme, port and path',
  example: 'otw.example.com',
  parse(text) {
    const name = text.toLowerCase();
    if (isIPv6(name.replace(/^\[(.*)\]$/, '$1'))) return name.startsWith('[') ? name : `[${name}]`;
    return /^[a-z0-9_]([a-z0-9_.-]{0,251}[a-z0-9_])?$/.test(name) ? name : undefined;
  },
};

/** The origin of a page, as browsers send it. `*` is none. */
export const pageOrigin: Item = {
  expected: 'the origin of a page: scheme, name and port, no path, never *',
  example: 'https://dashboard.example.com',
  parse(text) {
    const url = URL.parse(text);
    const isPage = url && /^https?:$/.test(url.protocol) && url.username === '';
    return isPage && text.toLowerCase().replace(/\/$/, '') === url.origin ? url.origin : undefined;
  },
};

/** A proxy, or a net of them. */
export const proxyAddress: Item = {
  expected: 'the address of a proxy, or of a net',
  example: '10.0.0.0/8',
  parse(text) {
    const [address = '', bits, more] = text.split('/');
    const family = isIP(address);
    if (family === 0 || more !== undefined) return undefined;
    if (bits === undefined) return text;
    // A net of all addresses would believe everybody.
    const isNet = /^\d{1,3}$/.test(bits) && Number(bits) >= 1 && Number(bits) <= (family === 4 ? 32 : 128);
    return isNet ? text : undefined;
  },
};

/** A zone payloads may be in. */
export const zoneName: Item = { expected: timeZoneExpected, example: 'Asia/Shanghai', parse: timeZoneName };

/** Several of a kind, with commas between them. */
export function listOf(item: Item, example = item.example): Variable<readonly string[]> {
  const textsOf = (text: string): string[] =>
    text
      .split(',')
      .map((part) => part.trim())
      .filter((part) => part !== '');
  return {
    expected: `${item.expected}, or several with commas between them`,
    example,
    parse(text) {
      const parsed = textsOf(text).flatMap((part) => item.parse(part) ?? []);
      return parsed.length > 0 && parsed.length === textsOf(text).length ? [...new Set(parsed)] : undefined;
    },
    problem(text) {
      const bad = textsOf(text).find((part) => item.parse(part) === undefined);
      return bad === undefined ? 'nothing' : shownText(bad);
    },
  };
}

/** A key that opens everything. */
export const apiKey: Variable<string> = {
  expected: 'a key of 32 to 256 characters without spaces, such as `openssl rand -hex 32` makes',
  // Refused where it is used: a key that stands in a manual is none.
  example: 'the-32-characters-or-more-of-your-own-key',
  secret: true,
  parse: (text) => (/^[\x21-\x7e]{32,256}$/.test(text) ? text : undefined),
};
