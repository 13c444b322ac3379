import type { JsonValue } from '@on-the-way/sdk';

/** A JSON object. */
export type JsonObject = { readonly [key: string]: JsonValue | undefined };

/** True for a JSON object, not for a list or null. */
export function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The member of an object, null where there is no object or no member. */
export function memberOf(value: JsonValue | undefined, key: string): JsonValue {
  return (isObject(value) ? value[key] : null) ?? null;
}

/** The list, or none where it is something else. */
export function listOf(value: JsonValue | undefined): readonly JsonValue[] {
  return Array.isArray(value) ? (value as readonly JsonValue[]) : [];
}

/** True when something stands anywhere in the value: a number, a text, a boolean. */
export function isFilled(value: JsonValue | undefined): boolean {
  if (value === null || value === undefined || value === '') return false;
  if (typeof value !== 'object') return true;
  return Object.values(value).some(isFilled);
}

/** True when any of the object's named members is filled. */
export function hasAny(value: JsonValue | undefined, keys: readonly string[]): boolean {
  return keys.some((key) => isFilled(memberOf(value, key)));
}

/** A name or number as text; anything else as its JSON. */
export function textOf(value: JsonValue | undefined): string {
  return typeof value === 'string' ? value : JSON.stringify(value ?? null);
}
