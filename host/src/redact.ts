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

/**
 * What base64 makes of a value wherever it stands in a longer text, as in Basic authorisation behind a user's name: three
 * forms, by the bytes before it, without the letters at their ends that depend on what stands around.
 */
function inBase64(value: string): string[] {
  const forms = [0, 1, 2].map((before) => {
    const bytes = Buffer.from('\0'.repeat(before) + value);
    const whole = Math.floor((bytes.length * 8) / 6);
    return bytes.toString('base64').slice(Math.ceil((before * 8) / 6), whole);
  });
  return [...forms, ...forms.map((form) => form.replaceAll('+', '-').replaceAll('/', '_'))];
}

/** Such a form with the letters at its ends, which hold a part of the value too. */
function withEnds(form: string): RegExp {
  return new RegExp(`[\\w+/-]?${form.replaceAll('+', String.raw`\+`)}[\\w+/-]?=*`, 'g');
}

/** A text to look for, and what is taken out where it is found. */
interface Form {
  readonly text: string;
  readonly taken: string | RegExp;
}

/** As it is, inside a JSON string, in a query string and in Basic authorisation. */
function formsOf(value: string): Form[] {
  const plain = new Set([value, JSON.stringify(value).slice(1, -1), encodeURIComponent(value)]);
  return [
    ...[...plain].map((text) => ({ text, taken: text })),
    ...[...new Set(inBase64(value))].map((text) => ({ text, taken: withEnds(text) })),
  ];
}

/** The four letters that end at a place of a text, as a number: the next one from that of the place before. */
function rolled(key: number, text: string, at: number): number {
  return (key << 8) ^ text.charCodeAt(at);
}

/** Makes a redactor that knows nothing yet. */
export function createRedactor(): Redactor {
  const known = new Set<string>();
  // By their first four letters: a text is gone through once, however many secrets there are.
  const beginning = new Map<number, Form[]>();
  const learn = (form: Form): void => {
    let key = 0;
    for (let at = 0; at < shortest; at += 1) key = rolled(key, form.text, at);
    const alike = beginning.get(key);
    if (alike) alike.push(form);
    else beginning.set(key, [form]);
  };
  const add = (values: Iterable<string>): void => {
    for (const value of values) {
      if (value.length < shortest || known.has(value)) continue;
      known.add(value);
      for (const form of formsOf(value)) learn(form);
    }
  };
  const foundIn = (text: string): Set<Form> => {
    const found = new Set<Form>();
    let key = 0;
    for (let at = 0; at < text.length; at += 1) {
      key = rolled(key, text, at);
      for (const form of beginning.get(key) ?? [])
        if (text.startsWith(form.text, at - shortest + 1)) found.add(form);
    }
    return found;
  };
  return {
    add,
    addAllIn: (value) => add([...stringsIn(value)].flatMap(tokensIn)),
    redact(text) {
      let clean = text;
      // The longest first: one secret may be a part of another.
      for (const { taken } of [...foundIn(text)].toSorted((a, b) => b.text.length - a.text.length))
        clean = clean.replaceAll(taken, replacement);
      return clean;
    },
  };
}
