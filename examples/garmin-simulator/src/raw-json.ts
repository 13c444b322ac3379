/** JSON whose numbers keep every digit they were written with: `200.00000000000284` and `59720.0` stay so. */

interface SourceAwareJson {
  rawJSON(text: string): unknown;
  parse(text: string, revive: (key: string, value: unknown, context: { source: string }) => unknown): unknown;
}

// Part of the language since ES2026; the type declarations do not have it yet.
const json = JSON as unknown as SourceAwareJson;

/** A parsed object; its numbers are opaque and are written back as they were read. */
export type Row = Readonly<Record<string, unknown>>;

export function parseKeepingDigits(text: string): unknown {
  return json.parse(text, (_key, value, { source }) =>
    typeof value === 'number' ? json.rawJSON(source) : value,
  );
}

export function isRow(value: unknown): value is Row {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function rowsOf(value: unknown): Row[] {
  return Array.isArray(value) ? value.filter(isRow) : [];
}
