import { isIP } from 'node:net';
import { isAbsolute } from 'node:path';
import { configError, type HostError } from '../host-error.ts';
import { notShown, shownText } from './shown-value.ts';
import { timeZoneExpected, timeZoneName } from './time-zone.ts';

/** How a variable is read: `parse` gives undefined for a bad value. */
interface Variable<T> {
  readonly expected: string;
  readonly example: string;
  /** The value is never shown. */
  readonly secret?: boolean;
  /** Spaces around the value belong to it. */
  readonly verbatim?: boolean;
  parse(text: string): T | undefined;
  /** What is wrong with a bad value, where that says more than the value itself. */
  problem?(text: string): string | undefined;
}

function whole(min: number, max: number, example: number): Variable<number> {
  return {
    expected: `a whole number from ${min} to ${max}`,
    example: String(example),
    parse(text) {
      const value = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
      return value >= min && value <= max ? value : undefined;
    },
  };
}

function matching(expected: string, example: string, pattern: RegExp): Variable<string> {
  return { expected, example, parse: (text) => (pattern.test(text) ? text : undefined) };
}

const trueWords = ['true', '1', 'yes', 'on'];
const falseWords = ['false', '0', 'no', 'off'];

const yesOrNo: Variable<boolean> = {
  expected: 'true or false',
  example: 'true',
  parse(text) {
    const word = text.toLowerCase();
    return trueWords.includes(word) ? true : falseWords.includes(word) ? false : undefined;
  },
};

function parseUrl(text: string, protocols: readonly string[]): URL | undefined {
  const url = URL.parse(text);
  return url && protocols.includes(url.protocol) && url.hostname !== '' ? url : undefined;
}

function isPercentEncoded(text: string): boolean {
  try {
    decodeURIComponent(text);
    return true;
  } catch (error) {
    if (error instanceof URIError) return false;
    throw error;
  }
}

const postgresUrl: Variable<string> = {
  expected: 'the address of a Postgres database',
  example: 'postgresql://user:password@localhost:5432/otw',
  secret: true,
  parse(text) {
    const plain = text.replace(/^postgres(ql)?\+psycopg2?:/, 'postgresql:');
    const url = URL.parse(plain);
    const isPostgres = url && ['postgresql:', 'postgres:'].includes(url.protocol) && url.pathname.length > 1;
    return isPostgres && isPercentEncoded(plain) ? plain : undefined;
  },
  problem: (text) =>
    isPercentEncoded(text)
      ? undefined
      : 'percent-encoding that is not valid: write % as %25 (the value is not shown)',
};

const httpOrigin: Variable<string> = {
  expected: 'an http or https address without a path',
  example: 'http://127.0.0.1:8000',
  parse(text) {
    const url = parseUrl(text, ['http:', 'https:']);
    return url && url.pathname === '/' && url.search === '' && url.username === '' ? url.origin : undefined;
  },
};

const timeZone: Variable<string> = {
  expected: timeZoneExpected,
  example: 'Asia/Shanghai',
  parse: timeZoneName,
};

/** The names between the commas, which may be too many. */
function datasetNames(text: string): readonly string[] {
  const names = text.toLowerCase().split(',');
  return names.map((name) => name.trim()).filter((name) => name !== '');
}

const datasetName = /^[a-z0-9_]+$/;

const metrics: Variable<readonly string[] | 'all'> = {
  expected: 'all, or names of datasets with commas between them',
  example: 'sleep,heart_rate',
  parse(text) {
    const names = datasetNames(text);
    if (names.length === 1 && names[0] === 'all') return 'all';
    return names.length > 0 && names.every((name) => datasetName.test(name)) ? names : undefined;
  },
  problem(text) {
    const bad = datasetNames(text).find((name) => !datasetName.test(name));
    return bad === undefined ? 'no name' : shownText(bad);
  },
};

const listenAddress: Variable<string> = {
  expected: 'an address to listen on',
  example: '127.0.0.1',
  parse(text) {
    // 127.0.0.999 would be looked up as a name.
    const isNumeric = /^[\d.]+$/.test(text) || text.includes(':');
    return (isNumeric ? isIP(text) !== 0 : /^[\w.-]+$/.test(text)) ? text : undefined;
  },
};

const path: Variable<string> = {
  expected: 'the absolute path of a folder',
  example: '/home/me/.garminconnect',
  parse: (text) => (isAbsolute(text) && !text.includes('\0') ? text : undefined),
};

const emailAddress = /^[^\s@]{1,64}@[^\s@]{1,190}\.[^\s@]{2,63}$/;
const noControl = /^[^\u0000-\u001f\u007f]{1,256}$/;

/** Seconds from the start of one run to the next: 30 days at most. */
export const intervalBounds = { min: 10, max: 2_592_000 } as const;

/** Every variable the host reads. The ones of the predecessor's contract keep their names and meaning. */
export const variables = {
  DATABASE_URL: postgresUrl,
  API_PORT: whole(0, 65_535, 8000),
  REQUEST_FUTURE_TOLERANCE_MINUTES: whole(0, 1440, 5),
  // Not shown either: what stands here by mistake is often the password.
  GARMIN_EMAIL: { ...matching('an e-mail address', 'me@example.com', emailAddress), secret: true },
  GARMIN_PASSWORD: {
    ...matching('a password on one line', 'correct-horse', noControl),
    secret: true,
    verbatim: true,
  },
  GARMIN_TOKEN_DIR: path,
  GARMIN_MFA_CODE: { ...matching('a code of 4 to 10 digits', '123456', /^\d{4,10}$/), secret: true },
  GARMIN_FETCH_WINDOW_DAYS: whole(1, 366, 3),
  GARMIN_BACKFILL_DAYS: whole(1, 7300, 10),
  GARMIN_METRICS: metrics,
  GARMIN_TIMEZONE: timeZone,
  GARMIN_IS_CN: yesOrNo,
  CONNECTOR_INTERVAL_SECONDS: whole(intervalBounds.min, intervalBounds.max, 3600),
  CONNECTOR_VERSION: matching('1 to 32 characters without spaces', '0.3.0', /^[\x21-\x7e]{1,32}$/),
  CONNECTOR_RETRY_ATTEMPTS: whole(1, 20, 3),
  CONNECTOR_REQUEST_TIMEOUT_SECONDS: whole(1, 300, 10),
  API_BASE_URL: httpOrigin,
  CONNECTOR_INGEST_PATH: matching(
    'a path that begins with /',
    '/v1/ingest/connector-health',
    /^\/[\w\-./~%]*$/,
  ),
  GARMIN_API_ORIGIN: httpOrigin,
  GARMIN_SSO_ORIGIN: httpOrigin,
  GARMIN_AUTH_ORIGIN: httpOrigin,
  OTW_DATA_DIR: { ...matching('the path of a folder', '.otw', /^[^\0]+$/) },
  OTW_HOST: listenAddress,
  OTW_TIMEZONE: timeZone,
  OTW_LOG_LEVEL: matching('debug, info, warn or error', 'info', /^(debug|info|warn|error)$/),
} satisfies Record<string, Variable<unknown>>;

type Value<V> = V extends Variable<infer T> ? T : never;

/** The values that were set; a variable that is empty counts as not set, as in compose files. */
export type Environment = { readonly [Name in keyof typeof variables]?: Value<(typeof variables)[Name]> };

/** The refusal of a bad value of this variable, wherever it was given; `key` and `example` say where. */
export function refused(
  variable: Omit<Variable<unknown>, 'parse'>,
  { key, text, example }: { readonly key: string; readonly text: string; readonly example: string },
): HostError {
  const found = variable.problem?.(text) ?? (variable.secret ? notShown : shownText(text));
  return configError({ key, expected: variable.expected, found, example });
}

/**
 * Reads every known variable.
 *
 * @throws HostError (exit 78) for the first bad value, naming variable, value and a good one.
 */
export function readEnvironment(env: Readonly<Record<string, string | undefined>>): Environment {
  const values: Record<string, unknown> = {};
  for (const [key, variable] of Object.entries<Variable<unknown>>(variables)) {
    const raw = env[key];
    if (raw === undefined || raw.trim() === '') continue;
    const text = variable.verbatim ? raw : raw.trim();
    const value = variable.parse(text);
    if (value === undefined) throw refused(variable, { key, text, example: `${key}=${variable.example}` });
    values[key] = value;
  }
  return values as Environment;
}
