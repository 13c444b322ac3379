import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { startGarminSimulator } from '@on-the-way/garmin-simulator';
import pg from 'pg';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { SignIn } from '@on-the-way/sdk';
import { createOtherHost } from './other-host.ts';
import { otw, temporaryFolder, type Finished } from './otw.ts';
import { createMigratedDatabase } from './postgres.ts';
import { createRotatingConnection, type RotatingConnection } from './rotating-connection.ts';
import { createTestHost, fakeClock, type TestHost } from './test-host.ts';

/** How many processes have joined the database to sign somebody in; each then waits for its connection. */
async function countOfLogins(databaseUrl: string): Promise<number | null> {
  const client = new pg.Client(databaseUrl);
  await client.connect();
  try {
    return (await client.query(`select 1 from app.host where role = 'login'`)).rowCount;
  } finally {
    await client.end();
  }
}

describe('otw login and otw logout', () => {
  let made: RotatingConnection;
  beforeEach(async () => {
    made = await createRotatingConnection();
  });
  afterEach(() => made.close());

  function tokens(): string {
    return JSON.stringify({ session: made.source.session() });
  }

  async function imported(): Promise<void> {
    writeFileSync(join(made.folder, 'session.json'), JSON.stringify(made.source.session()));
    const { code, stdout, stderr } = await made.otw([
      'login',
      'rotating',
      '--import',
      'session.json',
      '--json',
    ]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(JSON.parse(stdout)).toEqual({
      connection: 'rotating',
      account_ref: expect.stringMatching(/^[0-9a-f]{12}$/),
      datasets: 1,
      not_supported: 0,
    });
  }

  test('import tokens, which the next run uses; signed out, a run asks for a person, and what was read stays', async () => {
    await imported();
    expect(await made.otw(['run'])).toMatchObject({ code: 0 });
    expect(await made.otw(['logout', 'rotating'])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('--yes'),
    });
    const out = await made.otw(['logout', 'rotating', '--yes', '--json']);
    expect(JSON.parse(out.stdout)).toEqual({ connection: 'rotating', forgotten: 1, token_dir_left: false });
    expect(await made.otw(['run'])).toMatchObject({ code: 4 });
    const rows = await made.otw(['query', 'select 1 from raw.raw_event', '--json']);
    expect(JSON.parse(rows.stdout)).toEqual({ rows: [{ '?column?': 1 }] });
  });

  test('say that token files are left, which the next run imports again', async () => {
    made.tokenFile(made.source.session());
    const { code, stderr } = await made.otw(['logout', '--yes']);
    expect({ code, stderr }).toEqual({
      code: 0,
      stderr: expect.stringMatching(/tokens are left as they are/),
    });
    expect(await made.otw(['run'])).toMatchObject({ code: 0 });
  });

  test('take a code without a terminal, ask for a person where one is needed, and name the exit codes', async () => {
    expect(await made.otw(['login'])).toMatchObject({
      code: 4,
      stderr: expect.stringMatching(/^needs_user: /m),
    });
    expect(made.source.counts).toEqual({});
    const ticket = await made.otw(['login', '--ticket', 'ST-canary-0123456789', '--json']);
    expect(ticket).toMatchObject({ code: 4 });
    expect(ticket.stdout + ticket.stderr).not.toContain('canary');
    expect(JSON.parse(ticket.stdout)).toMatchObject({ error: { code: 'auth' }, not_before: null });
    expect(await made.otw(['login', '--code', '123456'])).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^Signed in to rotating as account [0-9a-f]{12}: 1 datasets/),
    });
    expect(await made.otw(['login', '--code', '1', '--ticket'])).toMatchObject({ code: 2 });
    expect(await made.otw(['login', 'nobody'])).toMatchObject({ code: 2 });
  });

  test('refuse what is no token file with 78, without quoting it', async () => {
    const { code, stderr } = await made.otw(['login', '--import', tokens().slice(0, -2)]);
    expect({ code, stderr }).toEqual({ code: 78, stderr: expect.stringMatching(/not JSON \(not shown\)/) });
    expect(stderr).not.toContain('canary');
  });

  test('a refusal is kept: 5 and the time, and the next try is not even sent', async () => {
    made.source.signIn = { status: 429, retryAfter: 10_800 };
    const asked = Date.now();
    const first = await made.otw(['login', '--code', '123456', '--json']);
    expect(first.code).toBe(5);
    const { not_before: until, error } = JSON.parse(first.stdout) as {
      not_before: string;
      error: { code: string };
    };
    expect(error.code).toBe('rate_limited');
    expect(Date.parse(until)).toBeGreaterThanOrEqual(Math.floor(asked / 1000) * 1000 + 10_800_000);
    expect(await made.otw(['logout', '--yes'])).toMatchObject({ code: 0 });
    const second = await made.otw(['login', '--code', '123456']);
    expect(second).toMatchObject({
      code: 5,
      stderr: expect.stringContaining(`do not try before ${until.slice(0, 10)}`),
    });
    expect(made.source.counts).toEqual({ '/sign-in': 1 });
    await imported();
    made.source.signIn = { status: 200 };
    expect(await made.otw(['login', '--code', '123456'])).toMatchObject({ code: 0 });
  });

  test('wait for a run of the connection to end', async () => {
    await made.otw(['status']);
    const other = createOtherHost(made);
    try {
      const run = await other.claims.take('rotating', { waitMs: 0 });
      const login = made.start(['login', '--code', '123456']);
      await expect.poll(() => countOfLogins(made.databaseUrl), { timeout: 20_000 }).toBe(1);
      expect(made.source.counts).toEqual({});
      await run?.release();
      expect(await login.finished).toMatchObject({ code: 0 });
    } finally {
      await other.close();
    }
  });
});

describe('the pause after a refused sign-in', () => {
  const ask: SignIn = { way: 'ask', code: '123456' };
  const hourMs = 3_600_000;
  let made: RotatingConnection;
  let host: TestHost | undefined;
  const clock = fakeClock('2026-02-26T12:00:00+08:00');
  beforeEach(async () => {
    made = await createRotatingConnection();
    made.source.signIn = { status: 429 };
    clock.set('2026-02-26T12:00:00+08:00');
  });
  afterEach(async () => {
    await host?.close();
    host = undefined;
    await made.close();
  });

  /** A sign-in on a host that starts for it; resolves with the milliseconds to wait, if it was refused. */
  async function signIn(wanted: SignIn = ask): Promise<number | undefined> {
    host = await createTestHost({
      clock,
      databaseUrl: made.databaseUrl,
      connection: {
        plugin: join(import.meta.dirname, 'fixtures', 'rotating.ts'),
        config: { origin: made.source.origin },
      },
      sessionKey: { value: Buffer.from('0123456789abcdef0123456789abcdef').toString('base64') },
    });
    const { signal } = new AbortController();
    try {
      await host.host.signIns.signIn(host.connection, { signIn: wanted, signal });
      return undefined;
    } catch (error) {
      expect(error).toMatchObject({ code: 'rate_limited' });
      return (error as { retryAfterMs: number }).retryAfterMs;
    } finally {
      await host.close();
      host = undefined;
    }
  }

  async function state(sql: string): Promise<unknown[]> {
    const client = new pg.Client(made.databaseUrl);
    await client.connect();
    try {
      return (await client.query<pg.QueryResultRow>(sql)).rows;
    } finally {
      await client.end();
    }
  }

  test('is two hours, doubles with each refusal up to a day, and is gone after one that goes well', async () => {
    for (const hours of [2, 4, 8, 16, 24, 24]) {
      expect(await signIn()).toBe(hours * hourMs);
      clock.advance({ hours: hours - 1 });
      expect(await signIn()).toBe(hourMs);
      clock.advance({ hours: 1 });
    }
    expect(made.source.counts).toEqual({ '/sign-in': 6 });
    made.source.signIn = { status: 200 };
    expect(await signIn()).toBeUndefined();
    made.source.signIn = { status: 429 };
    expect(await signIn()).toBe(2 * hourMs);
  });

  test('is as long as the source says where that is longer', async () => {
    made.source.signIn = { status: 429, retryAfter: 5 * 3600 };
    expect(await signIn()).toBe(5 * hourMs);
    clock.advance({ hours: 5 });
    made.source.signIn = { status: 429, retryAfter: 60 };
    expect(await signIn()).toBe(4 * hourMs);
  });

  test('keeps nobody from importing tokens, and that ends it', async () => {
    expect(await signIn()).toBe(2 * hourMs);
    expect(await signIn({ way: 'import', files: { session: made.source.session() } })).toBeUndefined();
    made.source.signIn = { status: 200 };
    expect(await signIn()).toBeUndefined();
  });

  test('ends with a sign-in that goes well; what the source asked of questions holds', async () => {
    made.source.signIn = { status: 200 };
    expect(await signIn()).toBeUndefined();
    await state(`update app.connection_state set not_before = '2026-02-26T05:00:00Z', pause_ms = 1, last_change = 'x',
      login_not_before = '2026-02-26T01:00:00Z', login_pause_ms = 1 returning 1`);
    expect(await signIn()).toBeUndefined();
    expect(
      await state(
        `select signed_in_at = '2026-02-26T12:00:00+08:00' as now, not_before = '2026-02-26T05:00:00Z' as paused,
           pause_ms, last_change, login_not_before, login_pause_ms from app.connection_state`,
      ),
    ).toEqual([
      {
        now: true,
        paused: true,
        pause_ms: '1',
        last_change: null,
        login_not_before: null,
        login_pause_ms: null,
      },
    ]);
  });

  test('is not for a renewal that was refused: that pauses the questions', async () => {
    made.source.expire();
    made.source.renewal = 429;
    const halfAnHour = 1_800_000;
    expect(await signIn({ way: 'import', files: { session: made.source.session() } })).toBe(halfAnHour);
    expect(
      await state(
        `select not_before = '2026-02-26T12:30:00+08:00' as paused, login_not_before, login_pause_ms
         from app.connection_state`,
      ),
    ).toEqual([{ paused: true, login_not_before: null, login_pause_ms: null }]);
  });
});

test('while the source wants to be left alone, otw check and a dry run ask nothing and end with 5', async () => {
  const made = await createRotatingConnection();
  const client = new pg.Client(made.databaseUrl);
  try {
    made.tokenFile(made.source.session());
    expect(await made.otw(['run'])).toMatchObject({ code: 0 });
    await client.connect();
    await client.query(`update app.connection_state set not_before = '2999-01-01T00:00:00Z'`);
    const before = { ...made.source.counts };
    expect(await made.otw(['check'])).toMatchObject({
      code: 5,
      stdout: expect.stringMatching(/rate_limited: The source asked for a pause until 2999-01-01/),
    });
    expect(await made.otw(['run', '--dry-run'])).toMatchObject({
      code: 5,
      stderr: expect.stringMatching(/^rate_limited: The source asked for a pause until 2999-01-01/m),
    });
    expect(made.source.counts).toEqual(before);
  } finally {
    await client.end();
    await made.close();
  }
});

test('tokens of Garmin are imported with otw login, and of two commands that find them expired one renews them', async () => {
  const folder = temporaryFolder();
  const simulator = await startGarminSimulator({ timeZone: 'Asia/Shanghai' });
  try {
    const env = {
      OTW_DATA_DIR: folder.path,
      GARMIN_EMAIL: 'runner@example.com',
      GARMIN_API_ORIGIN: simulator.origin,
      GARMIN_METRICS: 'sleep',
    };
    const clientId = 'GARMIN_CONNECT_MOBILE_ANDROID_DI';
    const { access_token: access, refresh_token: refresh } = simulator.issueTokens({ clientId });
    const file = JSON.stringify({ di_token: access, di_refresh_token: refresh, di_client_id: clientId });
    const login = await otw(['login', 'garmin', '--import', file], { env });
    expect(login).toMatchObject({ code: 0, stdout: expect.stringMatching(/^Signed in to garmin/) });
    expect(existsSync(join(folder.path, 'tokens'))).toBe(false);
    simulator.expireAccess();
    simulator.forgetRequests();
    const both = await Promise.all([otw(['run', 'garmin'], { env }), otw(['check', 'garmin'], { env })]);
    expect(both).toMatchObject([{ code: 0 }, { code: 0 }]);
    const renewals = simulator.requests.filter(({ path }) => path.includes('oauth/token'));
    expect(renewals).toHaveLength(1);
  } finally {
    await simulator.close();
    folder.remove();
  }
});

test('Ctrl-C ends a sign-in that waits for a run, and nobody is signed in', async () => {
  const made = await createRotatingConnection();
  await made.otw(['status']);
  const other = createOtherHost(made);
  try {
    await other.claims.take('rotating', { waitMs: 0 });
    const login = made.start(['login', '--code', '123456']);
    await expect.poll(() => countOfLogins(made.databaseUrl), { timeout: 20_000 }).toBe(1);
    login.process.kill('SIGINT');
    expect(await login.finished).toMatchObject({ code: 130, stderr: expect.stringContaining('Stopped') });
    expect(made.source.counts).toEqual({});
  } finally {
    await other.close();
    await made.close();
  }
});

test('after a changed password every command says in clear what to do, and tokens still never show', async () => {
  const made = await createMigratedDatabase();
  const folder = temporaryFolder();
  const simulator = await startGarminSimulator({ timeZone: 'Asia/Shanghai' });
  try {
    const env = {
      OTW_DATA_DIR: folder.path,
      DATABASE_URL: made.url,
      GARMIN_EMAIL: 'runner@example.com',
      GARMIN_API_ORIGIN: simulator.origin,
      GARMIN_METRICS: 'sleep',
    };
    const clientId = 'GARMIN_CONNECT_MOBILE_ANDROID_DI';
    const { access_token: access, refresh_token: refresh } = simulator.issueTokens({ clientId });
    const file = JSON.stringify({ di_token: access, di_refresh_token: refresh, di_client_id: clientId });
    const said: string[] = [];
    const say = async (...args: string[]): Promise<Finished> => {
      const finished = await otw([...args, '--verbose'], { env });
      said.push(finished.stdout, finished.stderr);
      return finished;
    };
    expect(await say('login', 'garmin', '--import', file)).toMatchObject({ code: 0 });
    // Opening what is saved learns it anew, whoever it belongs to.
    expect((await say('check')).stdout).toMatch(/logged in as account [0-9a-f]{12},/);
    simulator.changePassword('another');
    simulator.expireAccess();
    const remedy = expect.stringContaining('npx otw login garmin');
    for (const command of ['run', 'run', 'check']) {
      expect(await say(command)).toMatchObject({ code: 4, stdout: remedy });
    }
    expect(await say('status', '--json')).toMatchObject({ code: 0, stdout: remedy });
    const runs = await say('query', 'select error_message from app.run', '--json');
    const { rows } = JSON.parse(runs.stdout) as { rows: { error_message: string }[] };
    expect(rows).toEqual([{ error_message: remedy }, { error_message: remedy }]);
    const all = said.join('\n');
    expect(all).not.toContain('[redacted]');
    for (const token of [access, refresh]) expect(all).not.toContain(token);
  } finally {
    await simulator.close();
    await made.drop();
    folder.remove();
  }
});
