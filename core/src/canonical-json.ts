import { ConnectorError, isRawJson, type JsonValue, type RawJson } from '@on-the-way/sdk';
import { decimalOf } from './exact-number.ts';

/** Deepest nesting that is stored; the same limit as for what is posted (Postgres and readers cope far longer). */
export const maxDepth = 64;

/** A number whose exact decimal value no double holds, in the form it has in canonical text. */
class ExactNumber {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

// A number that may need more than a double: long, or with an exponent. Also finds a few that do not.
const longNumber = /(?:^|[[,:])\s*-?(?:[\d.]{16}|\d[\d.]*[eE][-+]?\d)/;

/** What JSON.parse makes of the text, except that numbers no double holds keep their digits. */
function parseExactly(text: string): unknown {
  const reviver = (_key: string, value: unknown, context: { source?: string }): unknown => {
    if (typeof value !== 'number' || context.source === undefined) return value;
    const exact = decimalOf(context.source);
    return exact === decimalOf(String(value)) ? value : new ExactNumber(exact);
  };
  // Walking with a reviver takes many times longer than reading.
  if (!longNumber.test(text)) return JSON.parse(text);
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

/** The names of an object in the order they have in canonical text, ready to be written. */
interface Names {
  /** As the object has them. */
  readonly keys: readonly string[];
  readonly sorted: readonly string[];
  /** `"name":`, in the order of `sorted`. */
  readonly written: readonly string[];
}

/** The names last met at each depth: most objects of a list have the same ones, and sorting them costs the most. */
type KnownNames = (Names | undefined)[];

function namesOf(members: object, depth: number, known: KnownNames): Names {
  const keys = Object.keys(members);
  const last = known[depth];
  if (last && keys.length === last.keys.length && keys.every((key, at) => key === last.keys[at])) return last;
  // Default order compares UTF-16 code units, which is what RFC 8785 asks for.
  const sorted = keys.toSorted();
  const names = { keys, sorted, written: sorted.map((key) => `${writeString(key)}:`) };
  known[depth] = names;
  return names;
}

// What a string may hold that does not stand in its JSON as it is.
// oxlint-disable-next-line no-control-regex
const special = /[\u0000-\u001F"\\\uD800-\uDFFF]/;

function writeString(text: string): string {
  return special.test(text) ? JSON.stringify(text) : `"${text}"`;
}

function write(value: unknown, depth: number, known: KnownNames): string {
  if (depth > maxDepth) refuse(`nested at most ${maxDepth} deep`, 'deeper');
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
      if (Array.isArray(value)) return writeArray(value, depth, known);
      if (isRawJson(value)) refuse('raw JSON as a whole', 'raw JSON inside a value');
      return writeObject(value, depth, known);
    default:
      return refuse('JSON', `a ${typeof value}`);
  }
}

function writeArray(value: readonly unknown[], depth: number, known: KnownNames): string {
  let text = '[';
  for (let index = 0; index < value.length; index += 1) {
    if (index > 0) text += ',';
    // Holes and undefined are null, as JSON.stringify has it.
    text += write(value[index] ?? null, depth + 1, known);
  }
  return `${text}]`;
}

function writeObject(value: object, depth: number, known: KnownNames): string {
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null)
    refuse('plain objects', `a ${value.constructor?.name ?? 'derived object'}`);
  const members = value as Record<string, unknown>;
  const { sorted, written } = namesOf(members, depth, known);
  let text = '';
  for (let at = 0; at < sorted.length; at += 1) {
    const member = members[sorted[at]!];
    if (member === undefined) continue;
    text += `${text === '' ? '' : ','}${written[at]}${write(member, depth + 1, known)}`;
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
  return write(isRawJson(value) ? parseExactly(value.rawJson) : value, 1, []);
}
