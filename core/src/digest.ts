import { hash } from 'node:crypto';

/** SHA-256 of the text's UTF-8 bytes, in hex. */
export function sha256(text: string): string {
  return hash('sha256', text, 'hex');
}

/** The part of an account that is stored: first 12 hex digits over the trimmed, lower-cased address. */
export function accountRefOf(account: string): string {
  return sha256(account.trim().toLowerCase()).slice(0, 12);
}

/** One digest for what a day holds, whatever order its events came in. Empty for a day with nothing. */
export function digestOfDay(externalIds: readonly string[]): string | undefined {
  if (externalIds.length === 0) return undefined;
  if (externalIds.length === 1) return externalIds[0]?.slice(-16);
  return sha256(externalIds.toSorted().join('\n')).slice(0, 16);
}
