import { z } from 'zod';

const secrets = new WeakSet<object>();

/**
 * A string that must never be shown: a password, key or token. The host redacts its value from logs,
 * errors and stored messages, and marks it in `otw check` as set or not set, nothing more.
 */
export function secret(): z.ZodString {
  const schema = z.string().min(1).meta({ secret: true });
  secrets.add(schema);
  return schema;
}

/** The inner schema of an optional, nullable or defaulted one; otherwise the schema itself. */
function unwrap(schema: unknown): unknown {
  const inner = (schema as { def?: { innerType?: unknown } }).def?.innerType;
  return inner === undefined ? schema : unwrap(inner);
}

/**
 * The values of all secrets in a configuration, found by walking the schema's objects.
 * Called by the host before any plugin code runs, so that redaction is in place first.
 */
export function secretsOf(schema: z.ZodType, config: unknown): string[] {
  const inner = unwrap(schema);
  if (typeof inner !== 'object' || inner === null) return [];
  if (secrets.has(inner)) return typeof config === 'string' && config !== '' ? [config] : [];
  if (!(inner instanceof z.ZodObject) || typeof config !== 'object' || config === null) return [];
  return Object.entries(inner.shape).flatMap(([key, field]) =>
    secretsOf(field as z.ZodType, (config as Record<string, unknown>)[key]),
  );
}
