import { createHmac } from 'node:crypto';

/** Stands in for ids and names, each always by the same invention, so that relations hold. */
export interface Pseudonyms {
  /** For an id: letters, digits and hex digits stay what they are. */
  id(text: string): string;
  /** For an id: a number of as many digits. */
  number(value: number): number;
  /** For a name: e-mail addresses, UUIDs and digits keep their form, anything else is `redacted-…`. */
  name(text: string): string;
}

type Form = (bytes: Uint8Array, text: string) => string;

const lower = 'abcdefghijklmnopqrstuvwxyz';
const hexDigits = '0123456789abcdef';
const emailPattern = /^[^\s@]+@[^\s@]+$/;
// The largest number of digits a double holds exactly.
const mostDigits = 15;

const pick = (from: string, byte: number): string => from[byte % from.length] ?? '';

/** Each character replaced by one of its sort; what is neither letter nor digit stays. */
const likeText: Form = (bytes, text) =>
  text.replace(/[^-_.:]/g, (character, index: number) => {
    const byte = bytes[index % bytes.length] ?? 0;
    if (/\d/.test(character)) return index === 0 ? String(1 + (byte % 9)) : String(byte % 10);
    if (/[a-z]/.test(character)) return pick(lower, byte);
    return /[A-Z]/.test(character) ? pick(lower, byte).toUpperCase() : 'x';
  });

const likeHex: Form = (bytes, text) => {
  const digits = text.replace(/[^-]/g, (_, index: number) =>
    pick(hexDigits, bytes[index % bytes.length] ?? 0),
  );
  return text === text.toUpperCase() ? digits.toUpperCase() : digits;
};

const hexOf = (bytes: Uint8Array, length: number): string => likeHex(bytes, '0'.repeat(length)).toLowerCase();
const likeEmail: Form = (bytes) => `person-${hexOf(bytes, 8)}@example.org`;
const likeName: Form = (bytes) => `redacted-${hexOf(bytes, 8)}`;

/** True for a UUID or a hash: at least 16 hex digits and nothing else. */
export function isHex(text: string): boolean {
  return /^[\da-f-]+$/i.test(text) && text.replaceAll('-', '').length >= 16 && !/^\d+$/.test(text);
}

/** True for an e-mail address and nothing else. */
export function isEmail(text: string): boolean {
  return emailPattern.test(text);
}

function formOf(text: string, otherwise: Form): Form {
  if (isEmail(text)) return likeEmail;
  if (isHex(text)) return likeHex;
  return /^\d+$/.test(text) ? likeText : otherwise;
}

/** Makes the pseudonyms of one recording; nobody without its secret can tell them from inventions. */
export function createPseudonyms(secret: Uint8Array): Pseudonyms {
  const known = new Map<string, string>();
  const taken = new Set<string>();

  function invent(text: string, form: Form): string {
    for (let attempt = 0; ; attempt += 1) {
      // Short ids can run out of inventions; then they grow by a digit.
      const pattern = attempt < 32 ? text : `${text}${'0'.repeat(Math.ceil((attempt - 31) / 32))}`;
      const bytes = createHmac('sha512', secret).update(`${attempt} ${text}`).digest();
      const invented = form(bytes, pattern);
      if (invented !== text && !taken.has(invented)) return invented;
    }
  }

  function pseudonym(text: string, form: Form): string {
    const before = known.get(text);
    if (before !== undefined) return before;
    const invented = invent(text, form);
    known.set(text, invented);
    taken.add(invented);
    return invented;
  }

  return {
    id: (text) => pseudonym(text, formOf(text, likeText)),
    name: (text) => pseudonym(text, formOf(text, likeName)),
    number(value) {
      const digits = String(Math.abs(Math.trunc(value)));
      // What a double cannot hold is not written with all its digits either.
      const text = /^\d+$/.test(digits) ? digits.slice(0, mostDigits) : '1'.repeat(mostDigits);
      return Math.sign(value) * Number(pseudonym(text, likeText));
    },
  };
}
