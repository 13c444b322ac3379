import { hash } from 'node:crypto';

/** SHA-256 of the text's UTF-8 bytes, in hex. */
export function sha256(text: string): string {
  return hash('sha256', text, 'hex');
}

/** What stands before and behind a text that is hashed. */
export interface Frame {
  readonly before: Buffer;
  readonly behind: string;
}

const room = Buffer.allocUnsafeSlow(256 * 1024);
// What stands before is shorter, or the text is hashed another way.
const start = 4 * 1024;
// Of a character in UTF-8, at most.
const widest = 3;

/** The frame around the text, whose bytes stand in `room` up to `end`. */
function sha256InRoom(end: number, { before, behind }: Frame): string {
  const from = start - before.length;
  room.set(before, from);
  return hash('sha256', room.subarray(from, end + room.write(behind, end)), 'hex');
}

/**
 * SHA-256 of a text within each of two frames, in hex. The text, which is the longest part, is made bytes once: that
 * takes longer than the hashing.
 */
export function sha256Within(text: string, one: Frame, other: Frame): readonly [string, string] {
  const behind = Math.max(one.behind.length, other.behind.length);
  const isShort = start + (text.length + behind) * widest <= room.length;
  if (isShort && Math.max(one.before.length, other.before.length) <= start) {
    const end = start + room.write(text, start);
    return [sha256InRoom(end, one), sha256InRoom(end, other)];
  }
  const sha256Of = (frame: Frame): string =>
    hash('sha256', Buffer.concat([frame.before, Buffer.from(text + frame.behind)]), 'hex');
  return [sha256Of(one), sha256Of(other)];
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
