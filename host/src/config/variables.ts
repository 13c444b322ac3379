import { configError, type HostError } from '../host-error.ts';
import { apiKey, hostName, listOf, pageOrigin, proxyAddress, zoneName } from './http-kinds.ts';
import { notShown, shownText } from './shown-value.ts';
import {
  day,
  httpOrigin,
  listenAddress,
  matching,
  metrics,
  path,
  postgresUrl,
  receiverUrl,
  role,
  sessionKey,
  signingSecret,
  timeZone,
  whole,
  yesOrNo,
  type Variable,
} from './variable-kinds.ts';

const emailAddress = /^[^\s@]{1,64}@[^\s@]{1,190}\.[^\s@]{2,63}$/;
const noControl = /^[^\u0000-\u001f\u007f]{1,256}$/;

/** Seconds from the start of one run to the next: 30 days at most. */
export const intervalBounds = { min: 10, max: 2_592_000 } as const;

/** Requests to a source in a run, and in a day. */
export const requestBounds = { min: 1, max: 1_000_000 } as const;

/** Ingest requests a minute of one key or address. */
export const ingestRateBounds = { min: 1, max: 100_000_000 } as const;

/** Free space under which nothing is taken in, in MB. */
export const freeSpaceBounds = { min: 1, max: 10_000_000 } as const;

/** Days that runs are kept: no fewer than those of the day's budget, and of what a person looks back at. */
export const keepRunsBounds = { min: 7, max: 36_500 } as const;

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
  GARMIN_INTRADAY: yesOrNo,
  GARMIN_PERSONAL_API_KEY: {
    ...matching('a key on one line, without spaces', 'the-key-garmin-showed', /^[\x21-\x7e]{8,4096}$/),
    secret: true,
  },
  GARMIN_PERSONAL_API_KEY_EXPIRES: day,
  CONNECTOR_INTERVAL_SECONDS: whole(intervalBounds.min, intervalBounds.max, 3600),
  CONNECTOR_VERSION: matching('1 to 32 characters without spaces', '0.3.0', /^[\x21-\x7e]{1,32}$/),
  CONNECTOR_RETRY_ATTEMPTS: whole(1, 20, 3),
  CONNECTOR_REQUEST_TIMEOUT_SECONDS: whole(1, 300, 10),
  CONNECTOR_REQUESTS_PER_RUN: whole(requestBounds.min, requestBounds.max, 500),
  CONNECTOR_REQUESTS_PER_DAY: whole(requestBounds.min, requestBounds.max, 2000),
  API_BASE_URL: httpOrigin,
  CONNECTOR_INGEST_PATH: matching(
    'a path that begins with /',
    '/v1/ingest/connector-health',
    /^\/[\w\-./~%]*$/,
  ),
  GARMIN_API_ORIGIN: httpOrigin,
  GARMIN_SSO_ORIGIN: httpOrigin,
  GARMIN_AUTH_ORIGIN: httpOrigin,
  GARMIN_PERSONAL_ORIGIN: httpOrigin,
  OTW_DATA_DIR: { ...matching('the path of a folder', '.otw', /^[^\0]+$/) },
  OTW_PLUGINS_DIR: { ...matching('the path of a folder', 'plugins', /^[^\0]+$/) },
  OTW_SESSION_KEY: sessionKey,
  OTW_SESSION_KEY_FILE: {
    ...path,
    expected: 'the absolute path of a file',
    example: '/home/me/otw-session.key',
  },
  OTW_HOST: listenAddress,
  OTW_API_KEY: apiKey,
  OTW_API_URL: httpOrigin,
  OTW_REQUIRE_API_KEY: yesOrNo,
  OTW_ALLOWED_HOSTS: listOf(hostName),
  OTW_CORS_ORIGINS: listOf(pageOrigin),
  OTW_TRUSTED_PROXIES: listOf(proxyAddress),
  OTW_INGEST_PER_MINUTE: whole(ingestRateBounds.min, ingestRateBounds.max, 120_000),
  OTW_INGEST_TIMEZONES: listOf(zoneName, 'Asia/Shanghai,Europe/Berlin'),
  OTW_MIN_FREE_MB: whole(freeSpaceBounds.min, freeSpaceBounds.max, 200),
  OTW_KEEP_RUNS_DAYS: whole(keepRunsBounds.min, keepRunsBounds.max, 90),
  OTW_NOTIFY_URL: receiverUrl,
  OTW_NOTIFY_SECRET: signingSecret,
  OTW_ROLE: role,
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
