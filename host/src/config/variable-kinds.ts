import { isIP } from 'node:net';
import { isAbsolute } from 'node:path';
import { isDay } from '@on-the-way/sdk';
import { roles, type Role } from '../roles.ts';
import { parseSessionKey } from '../storage/session-key.ts';
import { shownText } from './shown-value.ts';
import { timeZoneExpected, timeZoneName } from './time-zone.ts';

/** How a variable is read: `parse` gives undefined for a bad value. */
export interface Variable<T> {
  readonly expected: string;
  readonly example: string;
  /** The value is never shown. */
  readonly secret?: boolean;
  /** Spaces around the value belong to it. */
  readonly verbatim?: boolean;
  parse(text: string): T | undefined;
  /** What is wrong with a bad value, where that says more than the value itself. */
  problem?(text: string): string | undefined;
}

/** A whole number within bounds. */
export function whole(min: number, max: number, example: number): Variable<number> {
  return {
    expected: `a whole number from ${min} to ${max}`,
    example: String(example),
    parse(text) {
      const value = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
      return value >= min && value <= max ? value : undefined;
    },
  };
}

/** Text that fits a pattern. */
export function matching(expected: string, example: string, pattern: RegExp): Variable<string> {
  return { expected, example, parse: (text) => (pattern.test(text) ? text : undefined) };
}

const trueWords = ['true', '1', 'yes', 'on'];
const falseWords = ['false', '0', 'no', 'off'];

/** A choice, in the words people write for it. */
export const yesOrNo: Variable<boolean> = {
  expected: 'true or false',
  example: 'true',
  parse(text) {
    const word = text.toLowerCase();
    return trueWords.includes(word) ? true : falseWords.includes(word) ? false : undefined;
  },
};

function parseUrl(text: string, protocols: readonly string[]): URL | undefined {
  const url = URL.parse(text);
  return url && protocols.includes(url.protocol) && url.hostname !== '' ? url : undefined;
}

function isPercentEncoded(text: string): boolean {
  try {
    decodeURIComponent(text);
    return true;
  } catch (error) {
    if (error instanceof URIError) return false;
    throw error;
  }
}

/** The address of a database; the driver the predecessor named in it is taken out. */
export const postgresUrl: Variable<string> = {
  expected: 'the address of a Postgres database',
  example: 'postgresql://user:password@localhost:5432/otw',
  secret: true,
  parse(text) {
    const plain = text.replace(/^postgres(ql)?\+psycopg2?:/, 'postgresql:');
    const url = URL.parse(plain);
    const isPostgres = url && ['postgresql:', 'postgres:'].includes(url.protocol) && url.pathname.length > 1;
    return isPostgres && isPercentEncoded(plain) ? plain : undefined;
  },
  problem: (text) =>
    isPercentEncoded(text)
      ? undefined
      : 'percent-encoding that is not valid: write % as %25 (the value is not shown)',
};

/** Where a service is, without a path. */
export const httpOrigin: Variable<string> = {
  expected: 'an http or https address without a path',
  example: 'http://127.0.0.1:8000',
  parse(text) {
    const url = parseUrl(text, ['http:', 'https:']);
    return url && url.pathname === '/' && url.search === '' && url.username === '' ? url.origin : undefined;
  },
};

/** Where notifications are posted. */
export const receiverUrl: Variable<string> = {
  expected: 'an http or https address, without name and password in it',
  example: 'https://hooks.example.com/otw',
  // Its path is often all that keeps others from posting there.
  secret: true,
  parse(text) {
    const url = parseUrl(text, ['http:', 'https:']);
    return url && url.username === '' && url.password === '' ? url.href : undefined;
  },
};

/** What notifications are signed with. */
export const signingSecret: Variable<string> = {
  expected: 'a secret of 16 to 256 characters without spaces, such as `openssl rand -hex 32` makes',
  // Refused where it is used: a secret that stands in a manual is none.
  example: 'the-16-characters-or-more-of-your-own-secret',
  secret: true,
  parse: (text) => (/^[\x21-\x7e]{16,256}$/.test(text) ? text : undefined),
};

/** A time zone all agree on. */
export const timeZone: Variable<string> = {
  expected: timeZoneExpected,
  example: 'Asia/Shanghai',
  parse: timeZoneName,
};

/** The names between the commas, which may be too many. */
function datasetNames(text: string): readonly string[] {
  const names = text.toLowerCase().split(',');
  return names.map((name) => name.trim()).filter((name) => name !== '');
}

const datasetName = /^[a-z0-9_]+$/;

/** Names of datasets, or all. */
export const metrics: Variable<readonly string[] | 'all'> = {
  expected: 'all, or names of datasets with commas between them',
  example: 'sleep,heart_rate',
  parse(text) {
    const names = datasetNames(text);
    if (names.length === 1 && names[0] === 'all') return 'all';
    return names.length > 0 && names.every((name) => datasetName.test(name)) ? names : undefined;
  },
  problem(text) {
    const bad = datasetNames(text).find((name) => !datasetName.test(name));
    return bad === undefined ? 'no name' : shownText(bad);
  },
};

/** An address or a name to listen on. */
export const listenAddress: Variable<string> = {
  expected: 'an address to listen on',
  example: '127.0.0.1',
  parse(text) {
    // 127.0.0.999 would be looked up as a name.
    const isNumeric = /^[\d.]+$/.test(text) || text.includes(':');
    return (isNumeric ? isIP(text) !== 0 : /^[\w.-]+$/.test(text)) ? text : undefined;
  },
};

/** An absolute path. */
export const path: Variable<string> = {
  expected: 'the absolute path of a folder',
  example: '/home/me/.garminconnect',
  parse: (text) => (isAbsolute(text) && !text.includes('\0') ? text : undefined),
};

/** What a host does. */
export const role: Variable<Role> = {
  expected: roles.join(', ').replace(/, (?=\w+$)/, ' or '),
  example: 'api',
  parse: (text) => roles.find((name) => name === text),
};

/** The key sessions are encrypted with. */
export const sessionKey: Variable<string> = {
  expected: '32 bytes in base64 or hex',
  // Refused where it is used: a key that stands in a manual is none.
  example: Buffer.alloc(32).toString('base64'),
  secret: true,
  parse: (text) => (parseSessionKey(text) ? text : undefined),
};

/** A calendar day. */
export const day: Variable<string> = {
  expected: 'a day, YYYY-MM-DD',
  example: '2027-01-31',
  parse: (text) => (isDay(text) ? text : undefined),
};
