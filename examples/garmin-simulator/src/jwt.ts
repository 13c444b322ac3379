import { Buffer } from 'node:buffer';
import { createHmac } from 'node:crypto';

export type Claims = Readonly<Record<string, unknown>>;

const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');

/** What a token says of itself, believed or not; nothing for what is no token. */
export function readClaims(token: string): Claims {
  try {
    return JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString('utf8')) as Claims;
  } catch {
    return {}; // whatever is no token has no claims, and is refused for that
  }
}

export interface Signer {
  sign(claims: Claims): string;
  /** The claims of a token signed here; undefined for any other. */
  verify(token: string): Claims | undefined;
}

/** Signs with the seed, so that a simulator started again still knows the tokens it gave out. */
export function openSigner(seed: string): Signer {
  const signature = (text: string): string =>
    createHmac('sha256', `garmin-simulator ${seed}`).update(text).digest('base64url');
  return {
    sign(claims) {
      const text = `${encode({ alg: 'HS256', typ: 'JWT', kid: 'simulated' })}.${encode(claims)}`;
      return `${text}.${signature(text)}`;
    },
    verify(token) {
      const [head, body, tail] = token.split('.');
      return tail === signature(`${head}.${body}`) ? readClaims(token) : undefined;
    },
  };
}
