import { ConnectorError, isRawJson, type JsonValue, type RawJson } from '@on-the-way/sdk';
import { decimalOf, isExact } from './exact-number.ts';

/** Deepest nesting that is stored; the same limit as for what is posted (Postgres and readers cope far longer). */
export const maxDepth = 64;

/** A number whose exact decimal value no double holds, in the form it has in canonical text. */
class ExactNumber {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

// Numbers that may need more than a double: long, or with an exponent. Also finds what only looks like one, in a string.
const longNumbers = /(?:^|[[,:])\s*(-?(?:\d[\d.]{14,}\d(?:[eE][-+]?\d+)?|\d[\d.]*[eE][-+]?\d+))/g;

function hasInexactNumber(text: string): boolean {
  longNumbers.lastIndex = 0;
  for (let found = longNumbers.exec(text); found; found = longNumbers.exec(text))
    if (!isExact(found[1] ?? '')) return true;
  return false;
}

/** What JSON.parse makes of the text, except that numbers no double holds keep their digits. */
function parseExactly(text: string): unknown {
  const reviver = (_key: string, value: unknown, context: { source?: string }): unknown => {
    if (typeof value !== 'number' || context.source === undefined) return value;
    return isExact(context.source) ? value : new ExactNumber(decimalOf(context.source));
  };
  // Walking with a reviver takes many times longer than reading.
  if (!hasInexactNumber(text)) return JSON.parse(text);
  try {
    return JSON.parse(text, reviver as (key: string, value: unknown) => unknown);
  } catch (error) {
    // The text is well-formed, so all that can go wrong is the depth of the walk.
    if (error instanceof RangeError) refuse(`nested at most ${maxDepth} deep`, 'deeper', error);
    throw error;
  }
}

function refuse(expected: string, found: string, cause?: unknown): never {
  throw new ConnectorError(
    'bad_data',
    `Expected data to be ${expected}, found ${found}: nothing was stored`,
    {
      ...(cause !== undefined && { cause }),
    },
  );
}

/** The names of an object. */
interface Names {
  /** As the object has them. */
  readonly keys: readonly string[];
  /** In the order they have in canonical text. */
  readonly sorted: readonly string[];
  readonly isSorted: boolean;
  /** Whether an object that is given them in that order keeps it: numbers come first, and `__proto__` is no member. */
  readonly keepOrder: boolean;
}

/** The names last met at each depth: most objects of a list have the same ones, and sorting them costs the most. */
type KnownNames = (Names | undefined)[];

const number = /^\d+$/;

function namesOf(members: object, depth: number, known: KnownNames): Names {
  const keys = Object.keys(members);
  const last = known[depth];
  if (last && keys.length === last.keys.length && keys.every((key, at) => key === last.keys[at])) return last;
  // Default order compares UTF-16 code units, which is what RFC 8785 asks for.
  const sorted = keys.toSorted();
  const names = {
    keys,
    sorted,
    isSorted: keys.every((key, at) => key === sorted[at]),
    keepOrder: !keys.some((key) => key === '__proto__' || number.test(key)),
  };
  known[depth] = names;
  return names;
}

/** @throws ConnectorError `bad_data` */
function expectPlain(value: object): void {
  if (isRawJson(value)) refuse('raw JSON as a whole', 'raw JSON inside a value');
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null)
    refuse('plain objects', `a ${value.constructor?.name ?? 'derived object'}`);
}

/** Thrown for what JSON.stringify writes in another order. */
class Unordered extends Error {}

/**
 * The value with the members of every object in canonical order, so that JSON.stringify writes the canonical text: that
 * is faster than any writing of ours. What is in order already is not copied.
 */
function inOrder(value: unknown, depth: number, known: KnownNames): unknown {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return value;
    case 'number':
      return Number.isFinite(value) ? value : refuse('JSON', String(value));
    case 'object':
      if (value === null) return value;
      if (value instanceof ExactNumber) throw new Unordered();
      if (depth > maxDepth) refuse(`nested at most ${maxDepth} deep`, 'deeper');
      if (Array.isArray(value)) return itemsInOrder(value, depth, known);
      return membersInOrder(value, depth, known);
    default:
      return refuse('JSON', `a ${typeof value}`);
  }
}

function itemsInOrder(items: readonly unknown[], depth: number, known: KnownNames): readonly unknown[] {
  let copy: unknown[] | undefined;
  for (let at = 0; at < items.length; at += 1) {
    const item = items[at];
    // Holes and undefined are null, as JSON.stringify has it.
    const ordered = inOrder(item ?? null, depth + 1, known);
    if (copy === undefined && ordered !== item) copy = items.slice(0, at);
    copy?.push(ordered);
  }
  return copy ?? items;
}

function membersInOrder(value: object, depth: number, known: KnownNames): object {
  expectPlain(value);
  const members = value as Record<string, unknown>;
  const { sorted, isSorted, keepOrder } = namesOf(members, depth, known);
  if (!keepOrder) throw new Unordered();
  let copy: Record<string, unknown> | undefined = isSorted ? undefined : {};
  for (let at = 0; at < sorted.length; at += 1) {
    const name = sorted[at]!;
    const member = members[name];
    const ordered = member === undefined ? undefined : inOrder(member, depth + 1, known);
    if (copy === undefined && ordered !== member) {
      copy = {};
      for (const before of sorted.slice(0, at)) copy[before] = members[before];
    }
    if (copy) copy[name] = ordered;
  }
  return copy ?? value;
}

// What a string may hold that does not stand in its JSON as it is.
// oxlint-disable-next-line no-control-regex
const special = /[\u0000-\u001F"\\\uD800-\uDFFF]/;

function writeString(text: string): string {
  return special.test(text) ? JSON.stringify(text) : `"${text}"`;
}

/** The canonical text, written piece by piece: of anything. */
function write(value: unknown, depth: number, known: KnownNames): string {
  if (value === null) return 'null';
  switch (typeof value) {
    case 'string':
      return writeString(value);
    case 'boolean':
      return value ? 'true' : 'false';
    case 'number':
      return Number.isFinite(value) ? String(value) : refuse('JSON', String(value));
    case 'object':
      if (value instanceof ExactNumber) return value.text;
      if (depth > maxDepth) refuse(`nested at most ${maxDepth} deep`, 'deeper');
      return Array.isArray(value) ? writeArray(value, depth, known) : writeObject(value, depth, known);
    default:
      return refuse('JSON', `a ${typeof value}`);
  }
}

function writeArray(value: readonly unknown[], depth: number, known: KnownNames): string {
  let text = '[';
  for (let index = 0; index < value.length; index += 1) {
    if (index > 0) text += ',';
    text += write(value[index] ?? null, depth + 1, known);
  }
  return `${text}]`;
}

function writeObject(value: object, depth: number, known: KnownNames): string {
  expectPlain(value);
  const members = value as Record<string, unknown>;
  let text = '';
  for (const name of namesOf(members, depth, known).sorted) {
    const member = members[name];
    if (member === undefined) continue;
    text += `${text === '' ? '' : ','}${writeString(name)}:${write(member, depth + 1, known)}`;
  }
  return `{${text}}`;
}

/**
 * The RFC 8785 text of a JSON value: members sorted, numbers in their shortest form. Numbers in raw
 * JSON that no double holds keep every digit, as `<digits>e<exponent>`. Equal values have equal text.
 *
 * @throws ConnectorError `bad_data` for what JSON cannot hold, what is nested too deep, and raw JSON inside a value.
 */
export function canonicalJson(value: JsonValue | RawJson): string {
  // Half a character has no bytes of its own: another one would be stored.
  if (isRawJson(value) && !value.rawJson.isWellFormed()) refuse('well-formed text', 'a lone surrogate');
  const said = isRawJson(value) ? parseExactly(value.rawJson) : value;
  try {
    return JSON.stringify(inOrder(said, 1, []));
  } catch (error) {
    if (error instanceof Unordered) return write(said, 1, []);
    throw error;
  }
}
