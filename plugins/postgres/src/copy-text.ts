import { randomUUID } from 'node:crypto';

// What else has a meaning of its own in COPY's text format; JSON has it only between its tokens.
const escapes: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' };

/** Text as a field of COPY's text format. */
export function copyField(text: string): string {
  const doubled = text.includes('\\') ? text.replaceAll('\\', '\\\\') : text;
  // Looked for one by one, which takes half as long as a pattern of them does.
  const hasBreak = text.includes('\n') || text.includes('\r') || text.includes('\t');
  return hasBreak ? doubled.replaceAll(/[\n\r\t]/g, (found) => escapes[found] ?? found) : doubled;
}

// Text is written as bytes in strips short enough that it is still near when it is read a second time.
const stripCharacters = 16 * 1024;
const pieceBytes = 256 * 1024;
// Of a character in UTF-8, at most.
const widest = 3;

/** Joins lines to the bytes that are sent; holds little text at a time. */
export class CopyText {
  readonly #pieces: Buffer[] = [];
  #piece = Buffer.alloc(0);
  #used = 0;
  #strip = '';

  add(line: string): void {
    this.#strip += line;
    if (this.#strip.length >= stripCharacters) this.#write();
  }

  /** All bytes so far. */
  end(): readonly Buffer[] {
    this.#write();
    this.#cut();
    return this.#pieces;
  }

  #write(): void {
    const room = this.#strip.length * widest;
    if (this.#piece.length - this.#used < room) {
      this.#cut();
      this.#piece = Buffer.allocUnsafeSlow(Math.max(room, pieceBytes));
    }
    this.#used += this.#piece.write(this.#strip, this.#used);
    this.#strip = '';
  }

  #cut(): void {
    if (this.#used > 0) this.#pieces.push(this.#piece.subarray(0, this.#used));
    this.#piece = Buffer.alloc(0);
    this.#used = 0;
  }
}

/**
 * Makes ids in the order of time (UUIDv7, RFC 9562 §5.7): 48 bits of milliseconds, 12 bits that count within the batch, so that the
 * index over them grows at one end. At 4096 ids the next millisecond begins.
 */
export function timeOrderedIds(now: number): (index: number) => string {
  let millisecond = -1;
  let head = '';
  return (index) => {
    const at = now + Math.floor(index / 4096);
    if (at !== millisecond) {
      millisecond = at;
      const hex = at.toString(16).padStart(12, '0');
      head = `${hex.slice(0, 8)}-${hex.slice(8)}-7`;
    }
    const count = (index % 4096).toString(16).padStart(3, '0');
    return `${head}${count}${randomUUID().slice(18)}`;
  };
}
