import { isDeepStrictEqual } from 'node:util';

/** A JSON Schema, or a part of one. */
export type Schema = Readonly<Record<string, unknown>>;

/** A schema as it was promised, and as it is. */
interface Pair {
  readonly was: Schema;
  readonly is: Schema;
}

interface Place extends Pair {
  /** Keys on the way there, e.g. `account.tokens[]`; empty at the top. */
  readonly path: string;
  /** What is being compared around it: schemas may hold themselves. */
  readonly within: readonly Pair[];
  readonly roots: Pair;
}

const takesNothing: Schema = { not: {} };

/** `true` and what is missing take everything, `false` nothing. */
function schemaOf(value: unknown): Schema {
  if (value === false) return takesNothing;
  return typeof value === 'object' && value !== null ? (value as Schema) : {};
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

/** All parts of an intersection as one schema. */
function merged(parts: readonly Schema[]): Schema {
  const all = parts.map(({ properties }) => schemaOf(properties));
  const required = parts.flatMap((part) => listOf(part['required']));
  return { ...Object.assign({}, ...parts), properties: Object.assign({}, ...all), required };
}

/** The schema itself, where it points to another one or is an intersection. */
export function resolved(schema: Schema, root: Schema): Schema {
  const { $ref, allOf, ...own } = schema;
  if (typeof $ref === 'string') {
    const target = $ref
      .split('/')
      .slice(1)
      .reduce<Schema>((at, part) => schemaOf(at[part]), root);
    return resolved(target, root);
  }
  if (!Array.isArray(allOf)) return schema;
  return merged([own, ...allOf.map((part) => resolved(schemaOf(part), root))]);
}

/** The values a schema names one by one. */
function choicesOf(schema: Schema): readonly unknown[] | undefined {
  if (Object.hasOwn(schema, 'const')) return [schema['const']];
  return Array.isArray(schema['enum']) ? schema['enum'] : undefined;
}

/** The choices of a union. */
export function optionsOf({ anyOf, oneOf }: Schema): readonly Schema[] | undefined {
  const options = anyOf ?? oneOf;
  return Array.isArray(options) ? options.map(schemaOf) : undefined;
}

function typesOf({ type }: Schema): readonly unknown[] | undefined {
  if (type === undefined) return undefined;
  return Array.isArray(type) ? type : [type];
}

function typeOf(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'array';
  return Number.isInteger(value) ? 'integer' : typeof value;
}

function isType(type: unknown, types: readonly unknown[] | undefined): boolean {
  return types === undefined || types.includes(type) || (type === 'integer' && types.includes('number'));
}

/** The named bound; `otherwise` where there is none. */
function bound(schema: Schema, key: string, otherwise: number): number {
  const { [key]: value } = schema;
  return typeof value === 'number' ? value : otherwise;
}

const sizes = ['Length', 'Items', 'Properties'];
// What narrows in a way that is compared by its letters.
const byLetters = ['pattern', 'format', 'multipleOf', 'not', 'propertyNames', 'prefixItems', 'uniqueItems'];

function keepsBounds({ was, is }: Pair): boolean {
  const least = bound(was, 'minimum', -Infinity);
  const over = bound(was, 'exclusiveMinimum', -Infinity);
  const most = bound(was, 'maximum', Infinity);
  const under = bound(was, 'exclusiveMaximum', Infinity);
  const [isOver, isUnder] = [
    bound(is, 'exclusiveMinimum', -Infinity),
    bound(is, 'exclusiveMaximum', Infinity),
  ];
  return (
    bound(is, 'minimum', -Infinity) <= Math.max(least, over) &&
    bound(is, 'maximum', Infinity) >= Math.min(most, under) &&
    (isOver <= over || isOver < least) &&
    (isUnder >= under || isUnder > most) &&
    sizes.every(
      (size) =>
        bound(is, `min${size}`, 0) <= bound(was, `min${size}`, 0) &&
        bound(is, `max${size}`, Infinity) >= bound(was, `max${size}`, Infinity),
    ) &&
    byLetters.every((key) => is[key] === undefined || JSON.stringify(is[key]) === JSON.stringify(was[key]))
  );
}

/** A schema that takes this one value and no other, as far as types and bounds go. */
function onlyTaking(value: unknown): Schema {
  if (typeof value === 'number') return { type: typeOf(value), minimum: value, maximum: value };
  if (typeof value !== 'string') return { type: typeOf(value) };
  return { type: 'string', minLength: value.length, maxLength: value.length };
}

/** Whether values of the kind, apart from what they hold, are still taken. */
function keepsKind({ was, is }: Pair): boolean {
  const [before, now] = [choicesOf(was), choicesOf(is)];
  if (before && now) {
    const texts = new Set(now.map((value) => JSON.stringify(value)));
    return before.every((value) => texts.has(JSON.stringify(value)));
  }
  if (before) return before.every((value) => keepsKind({ was: onlyTaking(value), is }));
  if (now) return false;
  const types = typesOf(is);
  const wereTypes = typesOf(was);
  if (wereTypes === undefined ? types !== undefined : !wereTypes.every((type) => isType(type, types)))
    return false;
  return keepsBounds({ was, is });
}

function isNothing(schema: Schema): boolean {
  return JSON.stringify(schema) === JSON.stringify(takesNothing);
}

function changed({ path, was, is }: Place): string {
  const at = path === '' ? 'config' : `config ${path}`;
  if (isNothing(is)) return `${at} is not taken any more`;
  const shown = (schema: Schema): string => {
    const { description: _, default: __, title: ___, ...rest } = schema;
    return JSON.stringify(rest);
  };
  return `${at} took ${shown(was)} and takes ${shown(is)}`;
}

/** What is taken where nothing is given; beside a reference it stands for itself. */
function defaultOf(schema: Schema, root: Schema): unknown {
  const said = Object.hasOwn(schema, 'default') ? schema : resolved(schema, root);
  return said['default'];
}

/** Who leaves a key out relies on its default. One that appears changes nothing that was said. */
function changedDefault(path: string, { was, is }: Pair, roots: Pair): string[] {
  const [before, now] = [defaultOf(was, roots.was), defaultOf(is, roots.is)];
  if (before === undefined || isDeepStrictEqual(before, now)) return [];
  const would = now === undefined ? 'not be there' : `be ${JSON.stringify(now)}`;
  return [`config ${path} is ${JSON.stringify(before)} unless given, and would ${would}`];
}

function narrowedParts(place: Place): string[] {
  const { was, is, path } = place;
  const [before, now] = [schemaOf(was['properties']), schemaOf(is['properties'])];
  const at = (key: unknown): string => (path === '' ? String(key) : `${path}.${String(key)}`);
  const inside = (where: string, then: unknown, today: unknown): string[] =>
    today === undefined
      ? []
      : narrowedAt({ ...place, path: where, was: schemaOf(then), is: schemaOf(today) });
  // A map says what every key holds; of keys that were merely ignored nothing was said.
  const { additionalProperties: others } = was;
  const isMap = typeof others === 'object' && JSON.stringify(others) !== '{}';
  const added = Object.keys(now).filter((key) => isMap && !Object.hasOwn(before, key));
  const demanded = listOf(is['required']).filter((key) => !listOf(was['required']).includes(key));
  const kept = (key: string): string[] => {
    const pair = { was: schemaOf(before[key]), is: schemaOf(now[key]) };
    const changes = demanded.includes(key) ? [] : changedDefault(at(key), pair, place.roots);
    return [...inside(at(key), before[key], now[key]), ...changes];
  };
  return [
    ...Object.keys(before).flatMap((key) =>
      Object.hasOwn(now, key) ? kept(key) : [`config ${at(key)} is gone`],
    ),
    ...demanded.map((key) => `config ${at(key)} is required, and was not`),
    ...added.flatMap((key) => inside(at(key), others, now[key])),
    ...inside(at('*'), was['additionalProperties'], is['additionalProperties']),
    ...inside(`${path}[]`, was['items'], is['items']),
  ];
}

function narrowedAt(place: Place): string[] {
  const { roots, path } = place;
  const pair = { was: resolved(place.was, roots.was), is: resolved(place.is, roots.is) };
  const { was, is } = pair;
  const isOpen = place.within.some((outer) => outer.was === was && outer.is === is);
  if (isOpen || isNothing(was)) return [];
  const inner = { ...place, ...pair, within: [...place.within, pair] };
  const options = optionsOf(was);
  if (options) return options.flatMap((option) => narrowedAt({ ...inner, was: option }));
  const ways = optionsOf(is);
  if (ways) {
    const isTaken = ways.some((option) => narrowedAt({ ...inner, is: option }).length === 0);
    return isTaken ? [] : [changed({ ...place, ...pair, path })];
  }
  return keepsKind(pair) ? narrowedParts(inner) : [changed({ ...place, ...pair, path })];
}

/**
 * What the first schema takes and the second may not: a sentence for each place, none where everything is still taken.
 * A key that is no longer named counts as well, since nobody reads it any more, and a default that is another or gone, since
 * whoever left the key out gets it. What is compared is what zod says in JSON
 * Schema; a pattern, a format and the like must stay as they are or go.
 */
export function narrowed(was: Schema, is: Schema): string[] {
  return narrowedAt({ was, is, path: '', within: [], roots: { was, is } });
}
