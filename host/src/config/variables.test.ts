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

const secret = ['DATABASE_URL', 'GARMIN_PASSWORD', 'GARMIN_MFA_CODE'];

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
