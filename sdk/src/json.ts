/** What can cross a process boundary and be stored: JSON, and nothing else. */
export type JsonValue =
  string | number | boolean | null | readonly JsonValue[] | { readonly [key: string]: JsonValue | undefined };

/**
 * JSON text kept exactly as the source sent it, for numbers a double cannot hold
 * (integers beyond 2^53, long decimals). Made by {@link rawJson}.
 */
export interface RawJson {
  /** The text, well-formed JSON. */
  readonly rawJson: string;
}

// Registered by name, so that values made by another installed copy of this package are known too.
const brand = Symbol.for('@on-the-way/sdk rawJson');

/**
 * Wraps JSON text so that it is stored digit for digit instead of as what `JSON.parse` makes of it.
 * Give it as the `data` of a record.
 *
 * @throws SyntaxError when the text is not JSON.
 */
export function rawJson(text: string): RawJson {
  JSON.parse(text);
  return Object.freeze(Object.defineProperty({ rawJson: text }, brand, { value: true }));
}

/** True only for values made by {@link rawJson}, never for data that happens to look like one. */
export function isRawJson(value: unknown): value is RawJson {
  return typeof value === 'object' && value !== null && brand in value;
}
