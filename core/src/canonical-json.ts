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

function write(value: unknown, depth: number): string {
  if (depth > maxDepth) refuse(`nested at most ${maxDepth} deep`, 'deeper');
  if (value === null) return 'null';
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return JSON.stringify(value);
    case 'number':
      return Number.isFinite(value) ? JSON.stringify(value) : refuse('JSON', String(value));
    case 'object':
      if (value instanceof ExactNumber) return value.text;
      if (isRawJson(value)) refuse('raw JSON as a whole', 'raw JSON inside a value');
      return Array.isArray(value) ? writeArray(value, depth) : writeObject(value, depth);
    default:
      return refuse('JSON', `a ${typeof value}`);
  }
}

function writeArray(value: readonly unknown[], depth: number): string {
  let text = '';
  // Holes and undefined are null, as JSON.stringify has it.
  for (let index = 0; index < value.length; index += 1)
    text += `${index === 0 ? '' : ','}${write(value[index] ?? null, depth + 1)}`;
  return `[${text}]`;
}

function writeObject(value: object, depth: number): string {
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null)
    refuse('plain objects', `a ${value.constructor?.name ?? 'derived object'}`);
  const members = value as Record<string, unknown>;
  const parts: string[] = [];
  // Default order compares UTF-16 code units, which is what RFC 8785 asks for.
  for (const key of Object.keys(members).toSorted()) {
    const member = members[key];
    if (member !== undefined) parts.push(`${JSON.stringify(key)}:${write(member, depth + 1)}`);
  }
  return `{${parts.join(',')}}`;
}

/**
 * The RFC 8785 text of a JSON value: members sorted, numbers in their shortest form. Numbers in raw
 * JSON that no double holds keep every digit, as `<digits>e<exponent>`. Equal values have equal text.
 *
 * @throws ConnectorError `bad_data` for what JSON cannot hold, what is nested too deep, and raw JSON inside a value.
 */
export function canonicalJson(value: JsonValue | RawJson): string {
  return write(isRawJson(value) ? parseExactly(value.rawJson) : value, 1);
}
