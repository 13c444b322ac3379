import { z } from 'zod';

/**
 * A string that must never be shown: a password, key or token. The host redacts its value from logs,
 * errors and stored messages, and marks it in `otw check` as set or not set, nothing more.
 * What is made of it (`.optional()`, `.default('')`, `.min(8)`, `.transform(…)`) stays a secret.
 */
export function secret(): z.ZodString {
  return z.string().min(1).meta({ secret: true });
}

// The parts of zod's definitions that are walked; by name, since a plugin may bring its own copy of zod.
interface Walkable {
  readonly meta?: () => { readonly secret?: unknown } | undefined;
  readonly def?: {
    readonly innerType?: unknown;
    readonly in?: unknown;
    readonly out?: unknown;
    readonly left?: unknown;
    readonly right?: unknown;
    readonly options?: readonly unknown[];
    readonly shape?: Readonly<Record<string, unknown>>;
    readonly element?: unknown;
    readonly items?: readonly unknown[];
    readonly rest?: unknown;
    readonly valueType?: unknown;
    readonly getter?: () => unknown;
  };
}

function isWalkable(schema: unknown): schema is Walkable {
  return typeof schema === 'object' && schema !== null;
}

/** Schemas the same value must fit: what is inside optional, default, pipe, union, intersection, lazy. */
function sameValue({ def = {} }: Walkable): unknown[] {
  return [def.innerType, def.in, def.out, def.left, def.right, ...(def.options ?? []), def.getter?.()];
}

/** A value's parts, each with the schema it must fit. */
function partsOf({ def = {} }: Walkable, value: object): (readonly [unknown, unknown])[] {
  const { shape, element, items, rest, valueType } = def;
  return Object.entries(value).map(([key, part]) => {
    const inShape = shape && Object.hasOwn(shape, key) ? shape[key] : undefined;
    return [inShape ?? element ?? items?.[Number(key)] ?? rest ?? valueType, part];
  });
}

function collect(schema: unknown, value: unknown, found: Set<string>): void {
  if (!isWalkable(schema) || value === undefined || value === null || value === '') return;
  if (typeof value === 'string' && schema.meta?.()?.secret === true) found.add(value);
  for (const same of sameValue(schema)) collect(same, value, found);
  if (typeof value !== 'object') return;
  for (const [inner, part] of partsOf(schema, value)) collect(inner, part, found);
}

/**
 * The values of all secrets in a configuration, found by walking its schema; each once.
 * Called by the host before any plugin code runs, so that redaction is in place first.
 */
export function secretsOf(schema: z.ZodType, config: unknown): string[] {
  const found = new Set<string>();
  collect(schema, config, found);
  return [...found];
}
