import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import type { SessionKey } from './session-key.ts';

/** What is stored of a text: AES-256-GCM, the tag behind the ciphertext. */
export interface Sealed {
  readonly nonce: Buffer;
  readonly ciphertext: Buffer;
}

const algorithm = 'aes-256-gcm';
const nonceBytes = 12;
const tagBytes = 16;

/** Encrypts a text for one place; anywhere else it does not open. */
export function seal(key: SessionKey, place: string, text: string): Sealed {
  const nonce = randomBytes(nonceBytes);
  const cipher = createCipheriv(algorithm, key.bytes, nonce).setAAD(Buffer.from(place));
  const ciphertext = Buffer.concat([cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()]);
  return { nonce, ciphertext };
}

/** The text again; undefined when it was changed, sealed for another place, or with another key. */
export function unseal(key: SessionKey, place: string, { nonce, ciphertext }: Sealed): string | undefined {
  if (nonce.length !== nonceBytes || ciphertext.length < tagBytes) return undefined;
  const split = ciphertext.length - tagBytes;
  const decipher = createDecipheriv(algorithm, key.bytes, nonce, { authTagLength: tagBytes })
    .setAAD(Buffer.from(place))
    .setAuthTag(ciphertext.subarray(split));
  try {
    return decipher.update(ciphertext.subarray(0, split), undefined, 'utf8') + decipher.final('utf8');
  } catch (error) {
    // What final throws for a tag that does not fit is a plain Error without a code.
    if (error instanceof Error) return undefined;
    throw error;
  }
}
