/** Knows every secret of this process and takes it out of whatever is about to be shown or stored. */
export interface Redactor {
  /** Remembers values that must never be shown. Shorter than 4 characters they would hide everything. */
  add(values: Iterable<string>): void;
  /** Remembers every string inside a value, e.g. a token file, that can be a secret; words and addresses stay readable. */
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

const shortestToken = 16;

/** A token is long and of one piece; sentences, times, addresses and names such as CLIENT_ID_2 are no secrets. */
function canBeToken(text: string): boolean {
  return (
    text.length >= shortestToken &&
    !/\s/.test(text) &&
    !/^\d{4}-\d\d-\d\dT[\d:.]+(Z|[+-]\d\d:?\d\d)$/.test(text) &&
    !/^https?:\/\//i.test(text) &&
    !/^[A-Z]+(_[A-Z0-9]+)+$/.test(text)
  );
}

/** The text, what stands in it as cookies, and what an address carries in its query. */
function tokensIn(text: string): string[] {
  const cookies = text.split(/;\s*/).flatMap((part) => [part, part.slice(part.indexOf('=') + 1)]);
  const inAddress = URL.parse(text)?.searchParams.values() ?? [];
  return [text, ...cookies, ...inAddress].filter(canBeToken);
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
    addAllIn: (value) => add([...stringsIn(value)].flatMap(tokensIn)),
    redact(text) {
      let clean = text;
      for (const secret of secrets) if (clean.includes(secret)) clean = clean.replaceAll(secret, replacement);
      return clean;
    },
  };
}
