import type { JsonValue } from '@on-the-way/sdk';
import { isExact, numberProblem } from './exact-number.ts';

/** Where a member's value stands in the text. */
export interface JsonSpan {
  /** Index of its first character. */
  readonly start: number;
  /** Index after its last character. */
  readonly end: number;
  /** The value's own members, where it is an object and the text's outermost value holds it. */
  readonly members: JsonMembers | undefined;
}

/** The members of an object by name, in the order of the text. */
export type JsonMembers = ReadonlyMap<string, JsonSpan>;

/** What a text turned out to be. `unstorable` is JSON that the database, or a reader of it, would take for something else. */
export type StrictJson =
  | {
      readonly kind: 'json';
      readonly value: JsonValue;
      /** Of the outermost object; undefined when the outermost value is none. */
      readonly members: JsonMembers | undefined;
      /** False when a number has digits that its double does not hold. */
      readonly exact: boolean;
    }
  | { readonly kind: 'malformed' }
  | {
      readonly kind: 'unstorable';
      readonly value: JsonValue;
      /** Names and indexes that lead to it, outermost first. */
      readonly path: readonly (string | number)[];
      /** What was found, in words that quote nothing of the text. */
      readonly found: string;
    };

/** How text is read. */
export interface StrictJsonOptions {
  /** Levels of arrays and objects, the outermost one included. */
  readonly maxDepth: number;
  /** How many of them are around what a sender is told the limit of; 0 by default. */
  readonly outerDepth?: number;
}

/** An array or object that is open at a place of the text. */
interface Frame {
  readonly isObject: boolean;
  /** Names seen so far, with their spans down to the depth that spans are kept for; empty for an array. */
  readonly members: Map<string, JsonSpan>;
  /** The member being read. */
  name: string;
  /** The item being read. */
  index: number;
  /** Whether the next string is a name. */
  expectsName: boolean;
  valueStart: number;
  /** Members of the object that has just been closed in it. */
  closed: JsonMembers | undefined;
}

// Members of the body, and of its payload.
const spanDepth = 2;
// A double holds every decimal of so many characters, as long as no exponent is written.
const safeNumberLength = 15;
// As many digits are within the range of a double and of numeric on either side of the point.
const storableNumberLength = 300;
const halfPair = 'half of a surrogate pair (\\ud800 to \\udfff)';
const noMembers = new Map<string, JsonSpan>();
const noSpan: JsonSpan = { start: 0, end: 0, members: undefined };

class Unstorable {
  readonly found: string;
  constructor(found: string) {
    this.found = found;
  }
}

/** Walks over text that is known to be well-formed; keeps its own stack, so that no depth can exhaust the machine's. */
class Walk {
  readonly #text: string;
  readonly #maxDepth: number;
  readonly #outerDepth: number;
  readonly #frames: Frame[] = [];
  #frame: Frame | undefined;
  #at = 0;
  /** After the last token, for the ends of spans. */
  #tokenEnd = 0;
  #nextEscape: number;
  members: JsonMembers | undefined;
  exact = true;

  constructor(text: string, { maxDepth, outerDepth = 0 }: StrictJsonOptions) {
    this.#text = text;
    this.#maxDepth = maxDepth;
    this.#outerDepth = outerDepth;
    this.#nextEscape = this.#escapeFrom(0);
  }

  /** @throws Unstorable */
  run(): void {
    const text = this.#text;
    while (this.#at < text.length) {
      const character = text.charCodeAt(this.#at);
      if (character === 0x22) this.#string();
      else if (character === 0x2c) this.#comma();
      else if (character === 0x3a) this.#colon();
      else if (character === 0x7b || character === 0x5b) this.#open(character === 0x7b);
      else if (character === 0x7d || character === 0x5d) this.#close();
      else if (character === 0x2d || (character >= 0x30 && character <= 0x39)) this.#number();
      else {
        this.#at += 1;
        // Letters of true, false and null; else white space.
        if (character > 0x20) this.#tokenEnd = this.#at;
      }
    }
  }

  path(): (string | number)[] {
    return this.#frames.map((frame) => (frame.isObject ? frame.name : frame.index));
  }

  #escapeFrom(at: number): number {
    const found = this.#text.indexOf('\\', at);
    return found < 0 ? Infinity : found;
  }

  #string(): void {
    const start = this.#at;
    let end = this.#text.indexOf('"', start + 1);
    let escaped = false;
    while (this.#nextEscape < end) {
      escaped = true;
      const after = this.#nextEscape + 2;
      this.#nextEscape = this.#escapeFrom(after);
      if (end < after) end = this.#text.indexOf('"', after);
    }
    this.#at = end + 1;
    this.#tokenEnd = this.#at;
    const isName = this.#frame?.expectsName === true;
    if (!isName && !escaped) return;
    const content = escaped
      ? (JSON.parse(this.#text.slice(start, end + 1)) as string)
      : this.#text.slice(start + 1, end);
    if (isName) this.#name(content);
    if (!escaped) return;
    if (content.includes('\0')) throw new Unstorable('a NUL character (\\u0000)');
    if (!content.isWellFormed()) throw new Unstorable(halfPair);
  }

  #name(name: string): void {
    const frame = this.#frame!;
    frame.expectsName = false;
    frame.name = name;
    if (frame.members.has(name)) throw new Unstorable('a name that the object has twice');
    frame.members.set(name, noSpan);
    if (name === '__proto__') throw new Unstorable('the name __proto__');
    if (name !== 'prototype') return;
    const outer = this.#frames.at(-2);
    if (outer?.isObject && outer.name === 'constructor') {
      throw new Unstorable('a constructor with a prototype');
    }
  }

  #number(): void {
    const start = this.#at;
    let plain = true;
    for (this.#at += 1; this.#at < this.#text.length; this.#at += 1) {
      const character = this.#text.charCodeAt(this.#at);
      // Digits and the point; else a sign or an exponent goes on, and anything else ends it.
      if ((character >= 0x30 && character <= 0x39) || character === 0x2e) continue;
      if (character !== 0x2b && character !== 0x2d && (character | 0x20) !== 0x65) break;
      plain = false;
    }
    this.#tokenEnd = this.#at;
    if (plain && this.#at - start <= safeNumberLength) return;
    const number = this.#text.slice(start, this.#at);
    const problem = plain && number.length <= storableNumberLength ? undefined : numberProblem(number);
    if (problem !== undefined) throw new Unstorable(problem);
    if (this.exact) this.exact = isExact(number);
  }

  #open(isObject: boolean): void {
    this.#frame = {
      isObject,
      members: isObject ? new Map() : noMembers,
      name: '',
      index: 0,
      expectsName: isObject,
      valueStart: 0,
      closed: undefined,
    };
    if (this.#frames.length === this.#maxDepth)
      throw new Unstorable(`nesting of more than ${this.#maxDepth - this.#outerDepth} levels`);
    this.#frames.push(this.#frame);
    this.#at += 1;
    this.#tokenEnd = this.#at;
  }

  #colon(): void {
    this.#at += 1;
    const frame = this.#frame!;
    if (this.#frames.length > spanDepth) return;
    let start = this.#at;
    while (this.#text.charCodeAt(start) <= 0x20) start += 1;
    frame.valueStart = start;
  }

  /** A member or an item has ended. */
  #comma(): void {
    const frame = this.#frame!;
    this.#at += 1;
    frame.index += 1;
    if (!frame.isObject) return;
    this.#keepSpan(frame);
    frame.expectsName = true;
  }

  #keepSpan(frame: Frame): void {
    if (this.#frames.length > spanDepth) return;
    const { name, valueStart: start, closed } = frame;
    frame.members.set(name, { start, end: this.#tokenEnd, members: closed });
    frame.closed = undefined;
  }

  #close(): void {
    const frame = this.#frame!;
    if (frame.members.size > 0) this.#keepSpan(frame);
    const members = frame.isObject && this.#frames.length <= spanDepth ? frame.members : undefined;
    this.#frames.pop();
    this.#frame = this.#frames.at(-1);
    if (this.#frame === undefined) this.members = members;
    else this.#frame.closed = members;
    this.#at += 1;
    this.#tokenEnd = this.#at;
  }
}

/**
 * Reads JSON text that is to be stored as it is. Well-formed is what JSON.parse takes, whatever its depth. Beyond that
 * refused by name: nesting of more than `maxDepth` levels, names that an object has twice, NUL characters, halves of
 * surrogate pairs, `__proto__` as a name, a `constructor` with a `prototype`, and numbers that a double or Postgres'
 * numeric would change. Time and memory grow with the length of the text and no faster.
 */
export function parseStrictJson(text: string, options: StrictJsonOptions): StrictJson {
  let value: JsonValue;
  try {
    value = JSON.parse(text) as JsonValue;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return { kind: 'malformed' };
  }
  if (!text.isWellFormed()) return { kind: 'unstorable', value, path: [], found: halfPair };
  const walk = new Walk(text, options);
  try {
    walk.run();
  } catch (error) {
    if (!(error instanceof Unstorable)) throw error;
    return { kind: 'unstorable', value, path: walk.path(), found: error.found };
  }
  return { kind: 'json', value, members: walk.members, exact: walk.exact };
}
