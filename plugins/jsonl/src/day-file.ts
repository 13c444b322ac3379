import type { RawEvent } from '@on-the-way/sdk';

/** Longest name of a source's folder that file systems take, with room to spare. */
export const longestFolder = 200;

/** What stands in a folder's name as it is; upper case does not, since some disks take `A` for `a`. */
const plain = /^[a-z0-9_-]$/;

/** The folder of a source: its name, with `%` and two hex digits a byte for what not every disk takes in a name. */
export function sourceFolder(sourceId: string): string {
  return Array.from(sourceId, (character) =>
    plain.test(character) ? character : Buffer.from(character).toString('hex').replaceAll(/../g, '%$&'),
  ).join('');
}

/** The file of an event below the directory: by its source, and the calendar day that is written in `occurredAt`. */
export function dayFileOf({ sourceId, occurredAt }: RawEvent): string {
  return `${sourceFolder(sourceId)}/${occurredAt.slice(0, 10)}.jsonl`;
}

/** Whether a file's name is a day's. */
export function isDayFile(name: string): boolean {
  return /^\d{4}-\d\d-\d\d\.jsonl$/.test(name);
}
