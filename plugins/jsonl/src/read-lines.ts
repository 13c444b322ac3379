import { open } from 'node:fs/promises';
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { ConnectorError } from '@on-the-way/sdk';
import { parseHead, parseLine, payloadText, type LineHead } from './line.ts';

const lineFeed = 0x0a;
// Reading so much keeps others from being served for a millisecond or two.
const chunkBytes = 256 * 1024;
// Most heads are shorter.
const headBytes = 1024;

function broken(path: string, offset: number, found: string): ConnectorError {
  return new ConnectorError(
    'config',
    `Expected ${path} to have one event a line, as this sink wrote it, found ${found} at byte ${offset}: ` +
      'put the file back from a copy, or take what is broken out of it',
  );
}

/** A file is shorter or longer than what was read of it. */
export function lengthChanged(path: string, known: number, found: number): ConnectorError {
  return new ConnectorError(
    'config',
    `Expected ${path} to have ${known} bytes, as this sink left it, found ${found}: something else changed it; ` +
      'put it back, or let the next write read all files again as they are; events that are gone are then stored again',
  );
}

/** Part of a file. */
export interface Range {
  readonly from: number;
  readonly to: number;
}

/**
 * Reads the lines of a part of a file that begins and ends with whole ones, in order; so much of the file is in memory
 * as one line has.
 *
 * @throws ConnectorError `config` for a line that is cut off or none of this sink.
 */
export async function readLines(
  path: string,
  { from, to }: Range,
  onLine: (head: LineHead, offset: number) => void,
): Promise<void> {
  const handle = await open(path, 'r');
  const chunk = Buffer.allocUnsafe(Math.min(chunkBytes, to - from));
  let begun: Buffer[] = [];
  let lineAt = from;
  try {
    for (let at = from; at < to;) {
      const { bytesRead } = await handle.read(chunk, 0, Math.min(chunk.length, to - at), at);
      if (bytesRead === 0) break;
      at += bytesRead;
      let start = 0;
      for (
        let end = chunk.indexOf(lineFeed);
        end >= 0 && end < bytesRead;
        end = chunk.indexOf(lineFeed, start)
      ) {
        const rest = chunk.subarray(start, end);
        const head = parseLine(begun.length > 0 ? Buffer.concat([...begun, rest]) : rest);
        if (!head) throw broken(path, lineAt, 'a line that is none');
        onLine(head, lineAt);
        begun = [];
        start = end + 1;
        lineAt = at - bytesRead + start;
      }
      if (start < bytesRead) begun.push(Buffer.from(chunk.subarray(start, bytesRead)));
    }
  } finally {
    await handle.close();
  }
  if (lineAt !== to) throw broken(path, lineAt, 'a line that is cut off');
}

function readAt(file: number, { from, to }: Range): Buffer {
  const bytes = Buffer.allocUnsafe(Math.max(0, to - from));
  let read = 0;
  while (read < bytes.length) {
    const more = readSync(file, bytes, read, bytes.length - read, from + read);
    if (more === 0) break;
    read += more;
  }
  return bytes.subarray(0, read);
}

/** The bytes of the line that begins there, without its line feed; cut off where the file ends before that. */
function wholeLine(file: number, { from, to }: Range): Buffer {
  for (let length = 16 * headBytes; ; length *= 4) {
    const bytes = readAt(file, { from, to: Math.min(to, from + length) });
    const end = bytes.indexOf(lineFeed);
    if (end >= 0) return bytes.subarray(0, end);
    if (from + length >= to) return bytes;
  }
}

/** A line that is looked up. */
export interface FoundLine {
  readonly head: LineHead;
  /** Text of the payload, digit for digit. Called while the file is as it was. */
  payload(): string;
}

function withFile<T>(path: string, use: (file: number) => T): T {
  const file = openSync(path, 'r');
  try {
    return use(file);
  } finally {
    closeSync(file);
  }
}

/**
 * Looks up the line that begins at `from` of a file with `to` bytes. Does not wait: what is looked up was read before, and
 * is mostly in the system's memory.
 *
 * @throws ConnectorError `config` when the file is shorter, or there is no line of this sink.
 */
export function lineAt(path: string, range: Range): FoundLine {
  const { from, to } = range;
  const head = withFile(path, (file) => {
    const { size } = fstatSync(file);
    if (size < to) throw lengthChanged(path, to, size);
    return (
      parseHead(readAt(file, { from, to: Math.min(to, from + headBytes) })) ??
      parseLine(wholeLine(file, range))
    );
  });
  if (!head) throw broken(path, from, 'other bytes');
  return {
    head,
    payload() {
      const text = payloadText(withFile(path, (file) => wholeLine(file, range)));
      if (text === undefined) throw broken(path, from, 'a line whose payload is not its last member');
      return text;
    },
  };
}
