/** Knows every secret of this process and takes it out of whatever is about to be shown or stored. */
export interface Redactor {
  /** Remembers values that must never be shown. Shorter than 4 characters they would hide everything. */
  add(values: Iterable<string>): void;
  /** Remembers every string inside a value, e.g. a token file. */
  addAllIn(value: unknown): void;
  /** The text with each secret replaced. */
  redact(text: string): string;
}

const replacement = '[redacted]';
const shortest = 4;

function* stringsIn(value: unknown): Generator<string> {
  if (typeof value === 'string') yield value;
  else if (typeof value === 'object' && value !== null) {
    for (const member of Object.values(value)) yield* stringsIn(member);
  }
}

/** Makes a redactor that knows nothing yet. */
export function createRedactor(): Redactor {
  const secrets = new Set<string>();
  const add = (values: Iterable<string>): void => {
    for (const value of values) {
      if (value.length < shortest) continue;
      secrets.add(value);
      // As it looks inside a JSON string, a query string and Basic authorisation.
      secrets.add(JSON.stringify(value).slice(1, -1));
      secrets.add(encodeURIComponent(value));
    }
  };
  return {
    add,
    // Tokens are long; words such as "bearer" beside them must stay readable.
    addAllIn: (value) => add([...stringsIn(value)].filter((text) => text.length >= 12)),
    redact(text) {
      let clean = text;
      for (const secret of secrets) if (clean.includes(secret)) clean = clean.replaceAll(secret, replacement);
      return clean;
    },
  };
}
