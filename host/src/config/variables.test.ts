import { expect, test } from 'vitest';
import { otw } from '../../test/otw.ts';
import { readEnvironment, variables } from './variables.ts';

/** A bad value for each variable of the predecessor's contract. */
const bad: Readonly<Record<string, string>> = {
  DATABASE_URL: 'mysql://me:hunter22@localhost/db',
  API_PORT: '80 80',
  REQUEST_FUTURE_TOLERANCE_MINUTES: '-1',
  GARMIN_EMAIL: 'me-at-example.com',
  GARMIN_PASSWORD: 'two\nlines',
  GARMIN_TOKEN_DIR: 'relative/folder',
  GARMIN_MFA_CODE: 'abc',
  GARMIN_FETCH_WINDOW_DAYS: '0',
  GARMIN_BACKFILL_DAYS: 'ten',
  GARMIN_METRICS: 'sleep,,HRV!',
  GARMIN_TIMEZONE: 'Mars/Olympus',
  GARMIN_IS_CN: 'maybe',
  CONNECTOR_INTERVAL_SECONDS: '1h',
  CONNECTOR_VERSION: 'a version far too long for thirty-two characters',
  CONNECTOR_RETRY_ATTEMPTS: '0',
  CONNECTOR_REQUEST_TIMEOUT_SECONDS: '0',
  API_BASE_URL: 'ftp://example.com',
  CONNECTOR_INGEST_PATH: 'v1/ingest',
};

/** The same for the variables this version adds, which are read in the same way. */
const badAdded: Readonly<Record<string, string>> = {
  GARMIN_INTRADAY: 'perhaps',
  GARMIN_PERSONAL_API_KEY: 'two words of a key',
  GARMIN_PERSONAL_API_KEY_EXPIRES: '2027-02-30',
  GARMIN_PERSONAL_ORIGIN: 'http://127.0.0.1/path',
  CONNECTOR_REQUESTS_PER_RUN: '0',
  CONNECTOR_REQUESTS_PER_DAY: 'many',
  OTW_SESSION_KEY: 'hunter2-hunter2-hunter2',
  OTW_SESSION_KEY_FILE: 'session.key',
  OTW_API_KEY: 'hunter2-is-too-short',
  OTW_REQUIRE_API_KEY: 'sometimes',
  OTW_ALLOWED_HOSTS: 'otw.example.com,https://otw.example.com',
  OTW_CORS_ORIGINS: '*',
  OTW_TRUSTED_PROXIES: '0.0.0.0/0',
  OTW_INGEST_PER_MINUTE: '0',
  OTW_INGEST_TIMEZONES: 'Asia/Shanghai,CST',
  OTW_MIN_FREE_MB: 'lots',
  OTW_KEEP_RUNS_DAYS: '6',
  OTW_NOTIFY_URL: 'https://me:hunter2@hooks.example.com/otw',
  OTW_NOTIFY_SECRET: 'hunter2',
};

const secret = ['DATABASE_URL', 'GARMIN_EMAIL', 'GARMIN_PASSWORD', 'GARMIN_MFA_CODE'];

test.each(Object.entries(bad))(
  'a bad %s stops the start with exit 78 and one line that names it and shows a good one',
  async (name, value) => {
    const { code, stderr, stdout } = await otw(['start'], { env: { [name]: value } });
    expect({ code, stdout }).toEqual({ code: 78, stdout: '' });
    const lines = stderr.trim().split('\n');
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatch(new RegExp(`^${name}: expected .+, found .+; for example ${name}=`));
    if (secret.includes(name)) expect(stderr).not.toContain(value.split('\n')[0]);
  },
);

test('the example of every variable is a value it accepts', () => {
  for (const [name, { example }] of Object.entries(variables)) {
    expect(readEnvironment({ [name]: example })).toHaveProperty(name);
  }
});

test('an empty variable counts as not set, as in compose files', () => {
  expect(readEnvironment({ GARMIN_EMAIL: '', API_PORT: ' ' })).toEqual({});
});

test("the predecessor's driver in DATABASE_URL is accepted", () => {
  const { DATABASE_URL } = readEnvironment({ DATABASE_URL: 'postgresql+psycopg://a:b@db:5432/x' });
  expect(DATABASE_URL).toBe('postgresql://a:b@db:5432/x');
});

/** What is said about a bad value. */
function refusal(env: Readonly<Record<string, string>>): string {
  try {
    readEnvironment(env);
  } catch (error) {
    expect(error).toMatchObject({ exitCode: 78 });
    return (error as Error).message;
  }
  return expect.unreachable('the value was taken');
}

test.each(['postgresql://u:100%@h/db', 'postgresql://u:p%zz@h/db', 'postgresql://u:p%ff@h/db'])(
  'a %% that stands for itself in DATABASE_URL is refused, and how to write it is said',
  (url) => {
    const message = refusal({ DATABASE_URL: url });
    expect(message).toMatch(/^DATABASE_URL: expected .*write % as %25/);
    expect(message).not.toContain(url.slice(15, 20));
  },
);

test('an encoded % in DATABASE_URL is taken, and spaces around the address are not', () => {
  const { DATABASE_URL } = readEnvironment({ DATABASE_URL: ' postgresql://u:100%25@h/db\n' });
  expect(DATABASE_URL).toBe('postgresql://u:100%25@h/db');
});

test.each([
  ['GARMIN_EMAIL', 'hunter2hunter2'],
  ['GARMIN_EMAIL', 'me@hunter2hunter2'],
  ['API_BASE_URL', 'http://me:hunter2hunter2@example.com'],
  ['API_BASE_URL', 'http://example.com/?key=hunter2hunter2'],
  ['CONNECTOR_INGEST_PATH', '/v1/ingest?token=hunter2hunter2'],
])('of a bad %s nothing is shown that may be a secret', (name, value) => {
  const message = refusal({ [name]: value });
  expect(message).toContain('not shown');
  expect(message).not.toContain('hunter2');
});

test('a password keeps its spaces', () => {
  expect(readEnvironment({ GARMIN_PASSWORD: ' a b ' })).toEqual({ GARMIN_PASSWORD: ' a b ' });
});

test.each(Object.entries(badAdded))(
  'a bad %s is refused by its name, and a secret one is not shown',
  (name, value) => {
    const message = refusal({ [name]: value });
    expect(message).toMatch(new RegExp(`^${name}: expected .+, found .+; for example ${name}=`));
    if (variables[name as keyof typeof variables].secret === true) expect(message).not.toContain(value);
  },
);

test.each(['asia/shanghai', 'ASIA/SHANGHAI', 'Asia/Shanghai'])('%s is Asia/Shanghai', (text) => {
  expect(readEnvironment({ GARMIN_TIMEZONE: text, OTW_TIMEZONE: text })).toEqual({
    GARMIN_TIMEZONE: 'Asia/Shanghai',
    OTW_TIMEZONE: 'Asia/Shanghai',
  });
});

test.each(['CST', 'EST5EDT', '+08:00'])('%s is no name that all agree on', (text) => {
  const named = /expected the name of a time zone such as Asia\/Shanghai or UTC/;
  expect(refusal({ GARMIN_TIMEZONE: text })).toMatch(named);
  expect(refusal({ OTW_TIMEZONE: text })).toMatch(named);
});

test.each([
  ['Sleep', ['sleep']],
  ['sleep,,HRV,', ['sleep', 'hrv']],
  [' sleep , heart_rate ', ['sleep', 'heart_rate']],
  ['ALL', 'all'],
  ['all,', 'all'],
])('GARMIN_METRICS may be %j', (text, metrics) => {
  expect(readEnvironment({ GARMIN_METRICS: text })).toEqual({ GARMIN_METRICS: metrics });
});

test.each([
  [',', /found no name;/],
  [' , ,', /found no name;/],
  ['sleep,heart-rate', /found "heart-rate";/],
  ['sleep;hrv', /found "sleep;hrv";/],
  ['睡眠', /found "睡眠";/],
])('GARMIN_METRICS may not be %j', (text, message) => {
  expect(refusal({ GARMIN_METRICS: text })).toMatch(message);
});

test.each(['127.0.0.999', '127.1', '1.2.3.4.5', '2130706433', '::g', '[::1]', 'local host'])(
  '%j is no address to listen on',
  (text) => {
    expect(refusal({ OTW_HOST: text })).toMatch(/^OTW_HOST: expected an address/);
  },
);

test.each(['127.0.0.1', '127.8.9.1', '::1', 'localhost'])('%s is an address to listen on', (text) => {
  expect(readEnvironment({ OTW_HOST: text })).toEqual({ OTW_HOST: text });
});
