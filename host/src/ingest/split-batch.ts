import { ApiError } from '../http/api-error.ts';
import { decodeBody, type BodyReader } from './read-body.ts';

/** Media types of a batch that is one JSON text a line. */
export const lineTypes = ['application/x-ndjson', 'application/ndjson'];

/** Media types of a batch that is one JSON array. */
export const arrayTypes = ['application/json'];

/** Most events of a batch. */
export const batchItems = 1000;

/** What an array that is not JSON is refused with. */
export function notAnArray(): ApiError {
  return new ApiError(400, 'INVALID_ARGUMENT', 'Expected a JSON array, or one JSON text a line (NDJSON)');
}

const lineFeed = 0x0a;
const quote = 0x22;
const comma = 0x2c;
const backslash = 0x5c;

function isOpening(character: number): boolean {
  return character === 0x5b || character === 0x7b;
}

function isClosing(character: number): boolean {
  return character === 0x5d || character === 0x7d;
}

/** JSON's white space, which is less than trim() knows. */
function isSpace(character: number): boolean {
  return character === 0x20 || character === 0x09 || character === 0x0a || character === 0x0d;
}

/** The index of the quote that ends the string; the text's length when none does. */
function endOfString(text: string, start: number): number {
  for (let at = start + 1; at < text.length; at += 1) {
    const character = text.charCodeAt(at);
    if (character === quote) return at;
    if (character === backslash) at += 1;
  }
  return text.length;
}

/**
 * The texts between an array's brackets and commas. All that is not in one of them is those brackets and commas, so
 * that the array is JSON exactly when each of them is.
 */
function* itemsOfArray(text: string, start: number, end: number): Generator<string> {
  let depth = 0;
  let from = start + 1;
  for (let at = start; at < end; at += 1) {
    const character = text.charCodeAt(at);
    if (character === quote) at = endOfString(text, at);
    else if (isOpening(character)) depth += 1;
    else if (isClosing(character)) depth -= 1;
    else if (character === comma && depth === 1) {
      yield text.slice(from, at);
      from = at + 1;
    }
    if (depth === 0 && at < end - 1) break;
    if (at === end - 1 && depth === 0) return yield text.slice(from, at);
  }
  throw notAnArray();
}

function* arrayItems(text: string): Generator<string> {
  let start = 0;
  let end = text.length;
  while (start < end && isSpace(text.charCodeAt(start))) start += 1;
  while (end > start && isSpace(text.charCodeAt(end - 1))) end -= 1;
  if (text[start] !== '[' || text[end - 1] !== ']') throw notAnArray();
  let inside = start + 1;
  while (isSpace(text.charCodeAt(inside))) inside += 1;
  if (inside < end - 1) yield* itemsOfArray(text, start, end);
}

function notSoMany(found: string): ApiError {
  return new ApiError(422, 'INVALID_ARGUMENT', `Expected 1 to ${batchItems} items, found ${found}`);
}

/**
 * Takes an array apart. Whether an item is JSON is not looked at.
 *
 * @throws ApiError 400 for what can be no array, 422 for no items or more than 1000.
 */
export function splitArray(text: string): readonly string[] {
  const items: string[] = [];
  for (const item of arrayItems(text)) {
    items.push(item);
    if (items.length > batchItems) throw notSoMany('more');
  }
  if (items.length === 0) throw notSoMany('none');
  return items;
}

/** What is done with the lines of a batch. */
export interface LineOptions<T> {
  /** Called with each line that is not empty, in order, at most 1000 times. Whether it is JSON is not looked at. */
  readonly onLine: (line: string) => void;
  /** Called after each part of the body: the next one is waited for until this has resolved. */
  readonly pause: () => Promise<void> | undefined;
  /** Makes what the body is read as, once it is whole. */
  readonly end: () => T;
}

/** Tells the lines of a text from empty ones; refuses too many of either. */
function createLineSplitter(onLine: (line: string) => void) {
  let lines = 0;
  let blanks = 0;
  return {
    split(text: string): void {
      for (let from = 0; from <= text.length;) {
        const found = text.indexOf('\n', from);
        const end = found < 0 ? text.length : found;
        const line = text.slice(from, end);
        from = end + 1;
        if (/[^ \t\r]/.test(line)) {
          lines += 1;
          if (lines > batchItems) throw notSoMany('more');
          onLine(line);
          continue;
        }
        blanks += 1;
        // Going through millions of them would keep everybody else waiting.
        if (blanks > batchItems) throw notAnArray();
      }
    },
    end(): void {
      if (lines === 0) throw notSoMany('none');
    },
  };
}

/**
 * Takes lines apart as their bytes come. What refuses the whole batch refuses it as soon as it is known.
 *
 * Throws ApiError 400 for what is not UTF-8 or has a thousand empty lines, 422 for no items or more than 1000.
 */
export function lineReader<T>({ onLine, pause, end }: LineOptions<T>): BodyReader<T> {
  const lines = createLineSplitter(onLine);
  // Of the line that is not whole yet.
  let begun: Buffer[] = [];
  let isBeginning = true;
  const split = (bytes: Buffer): void => {
    lines.split(decodeBody(bytes, isBeginning));
    isBeginning = false;
  };
  return {
    take(part) {
      const last = part.lastIndexOf(lineFeed);
      if (last < 0) {
        begun.push(part);
        return undefined;
      }
      const whole = part.subarray(0, last);
      split(begun.length > 0 ? Buffer.concat([...begun, whole]) : whole);
      begun = last + 1 < part.length ? [part.subarray(last + 1)] : [];
      return pause();
    },
    end() {
      if (begun.length > 0) split(Buffer.concat(begun));
      lines.end();
      return end();
    },
  };
}
