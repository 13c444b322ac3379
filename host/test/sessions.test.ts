import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { migrate } from '../src/storage/migrate.ts';
import { openDatabase, type Database } from '../src/storage/database.ts';
import { sessionKeyIn } from '../src/storage/session-key.ts';
import { createSessionStore } from '../src/storage/session-store.ts';
import { createSessionTokens, type SessionTokens } from '../src/storage/session-tokens.ts';
import { createRotatingConnection, type RotatingConnection } from './rotating-connection.ts';

let made: RotatingConnection;
let opened: Database | undefined;
beforeEach(async () => {
  made = await createRotatingConnection();
});
afterEach(async () => {
  await opened?.destroy();
  opened = undefined;
  await made.close();
});

async function query<Row extends pg.QueryResultRow>(sql: string): Promise<Row[]> {
  const client = new pg.Client(made.databaseUrl);
  await client.connect();
  try {
    return (await client.query<Row>(sql)).rows;
  } finally {
    await client.end();
  }
}

/** How many wait for the lock of the tokens. */
async function waiting(): Promise<number> {
  const rows = await query<{ n: number }>(
    `select count(*)::int as n from pg_locks where locktype = 'advisory' and not granted
       and database = (select oid from pg_database where datname = current_database())`,
  );
  return rows[0]?.n ?? 0;
}

/** What stands in the bytea columns of a row, as text. */
function bytesIn(row: string): string {
  const columns = [...row.matchAll(/\\x([0-9a-f]+)/g)];
  return columns.map(([, hex = '']) => Buffer.from(hex, 'hex').toString('latin1')).join('\n');
}

async function tokensHere(lockWaitMs?: number): Promise<SessionTokens> {
  await migrate(made.databaseUrl, 'UTC');
  opened ??= openDatabase(made.databaseUrl, 'UTC');
  return createSessionTokens({
    connection: 'rotating',
    tokenDir: join(made.folder, 'tokens'),
    store: createSessionStore(opened, sessionKeyIn(join(made.folder, 'data'))),
    databaseUrl: made.databaseUrl,
    timeZone: 'UTC',
    ...(lockWaitMs !== undefined && { lockWaitMs }),
    seen: () => undefined,
    warn: () => undefined,
  });
}

describe('tokens', () => {
  test('come from a token file until something is saved, and the file is never written', async () => {
    const file = made.tokenFile({ access: 'from the file' });
    const tokens = await tokensHere();
    expect(await tokens.load('session')).toEqual({ access: 'from the file' });
    await tokens.save('session', { access: 'saved' });
    expect(await tokens.load('session')).toEqual({ access: 'saved' });
    await tokens.save('session', null);
    expect(await tokens.load('session')).toEqual({ access: 'from the file' });
    expect(readFileSync(join(made.folder, 'tokens', 'session.json'), 'utf8')).toBe(file);
  });

  test('of a file that is a link, is no JSON or cannot be read are refused with its path and without its content', async () => {
    made.tokenFile('canary');
    const path = join(made.folder, 'tokens', 'session.json');
    symlinkSync(path, join(made.folder, 'tokens', 'linked.json'));
    const tokens = await tokensHere();
    await expect(tokens.load('linked')).rejects.toThrow(/linked\.json, but it is a symbolic link/);
    writeFileSync(path, 'canary, and not JSON');
    await expect(tokens.load('session')).rejects.toMatchObject({
      code: 'config',
      message: expect.not.stringContaining('canary'),
    });
    await expect(tokens.load('../session')).rejects.toThrow(/token field/);
  });

  test('are changed by one at a time, each seeing what the one before saved', async () => {
    const tokens = await tokensHere();
    const others = await tokensHere();
    await tokens.save('count', 0);
    const add = (by: SessionTokens) => by.update('count', async (count) => Number(count) + 1);
    const seen = await Promise.all([tokens, others, tokens, others, tokens].map(add));
    expect(seen.map(Number).toSorted((a, b) => a - b)).toEqual([1, 2, 3, 4, 5]);
    expect(await tokens.load('count')).toBe(5);
  });

  test('stay as they are when a change fails or changes nothing, and the next one gets its turn', async () => {
    const tokens = await tokensHere();
    await tokens.save('count', 1);
    const failing = tokens.update('count', async () => Promise.reject(new Error('the source is away')));
    await expect(failing).rejects.toThrow('the source is away');
    expect(await tokens.update('count', async () => undefined)).toBe(1);
  });

  test('are locked against other processes, until the holder ends, by kill -9 even', async () => {
    const tokens = await tokensHere(50);
    const holder = spawn(
      process.execPath,
      [
        '--conditions=@on-the-way/source',
        join(import.meta.dirname, 'fixtures', 'hold-tokens.ts'),
        made.databaseUrl,
        'rotating',
      ],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    try {
      await once(holder.stdout, 'data');
      await expect(tokens.update('count', async () => 1)).rejects.toMatchObject({
        code: 'transient',
        message: expect.stringMatching(/another process is changing them/),
      });
      const patient = await tokensHere();
      const update = patient.update('count', async () => 1);
      await expect.poll(waiting, { timeout: 20_000 }).toBe(1);
      holder.kill('SIGKILL');
      expect(await update).toBe(1);
    } finally {
      holder.kill('SIGKILL');
    }
  });
});

describe('a session that ended', () => {
  async function runs(): Promise<{ status: string; error: { code: string } | null }> {
    const { stdout, stderr } = await made.otw(['run', '--json']);
    if (stdout === '') throw new Error(stderr);
    return JSON.parse(stdout) as { status: string; error: { code: string } | null };
  }

  test('is renewed once for 50 requests that are refused at the same time', async () => {
    made.tokenFile(made.source.session());
    made.configure({ atOnce: 50, checksFirst: false });
    made.source.expire();
    expect(await runs()).toMatchObject({ status: 'succeeded' });
    expect(made.source.counts).toMatchObject({ '/token': 1, '/data': 100 });
  });

  test('is renewed once by two processes at the same time, and both go on', async () => {
    made.tokenFile(made.source.session());
    made.source.expire();
    // The first one is kept waiting until the second one is there.
    made.source.rotated = () => expect.poll(waiting, { timeout: 30_000 }).toBe(1);
    const both = await Promise.all([made.otw(['check']), made.otw(['check'])]);
    expect(both.map(({ code, stdout }) => (code === 0 ? 0 : stdout))).toEqual([0, 0]);
    expect(made.source.counts['/token']).toBe(1);
  });

  /** Runs until `stop` kills the host from within the source; then runs again. */
  async function killedAt(stop: (kill: () => Promise<void>) => void) {
    made.tokenFile(made.source.session());
    made.source.expire();
    const host = made.start(['run']);
    stop(async () => {
      host.process.kill('SIGKILL');
      await host.finished;
    });
    expect((await host.finished).signal).toBe('SIGKILL');
    made.source.before = () => undefined;
    made.source.rotated = () => undefined;
    return runs();
  }

  test('survives kill -9 before the renewal', async () => {
    const summary = await killedAt((kill) => (made.source.before = kill));
    expect(summary).toMatchObject({ status: 'succeeded' });
  });

  test('asks for a person after kill -9 between the rotation and the save', async () => {
    const summary = await killedAt((kill) => (made.source.rotated = kill));
    expect(summary).toMatchObject({ status: 'failed', error: { code: 'needs_user' } });
  });

  test('survives kill -9 after the save and before the next request', async () => {
    const summary = await killedAt((kill) => {
      made.source.before = (path) => (path === '/data' && made.source.counts['/token'] ? kill() : undefined);
    });
    expect(summary).toMatchObject({ status: 'succeeded' });
    expect(made.source.counts['/token']).toBe(1);
  });

  test('never shows: no token stands in the database or in what the host says', async () => {
    made.tokenFile(made.source.session());
    made.source.expire();
    const { code, stdout, stderr } = await made.otw(['run', '--verbose']);
    expect(code).toBe(0);
    expect(stdout + stderr).not.toContain('canary');
    const tables = await query<{ name: string }>(
      `select format('%I.%I', table_schema, table_name) as name from information_schema.tables
       where table_schema in ('raw', 'app')`,
    );
    const key = readFileSync(join(made.folder, 'data', 'session.key'), 'utf8').trim();
    for (const { name } of tables) {
      const rows = await query<{ row: string }>(`select t::text as row from ${name} t`);
      const text = rows.map(({ row }) => row + bytesIn(row)).join('\n');
      expect({ name, text }).toEqual({ name, text: expect.not.stringMatching(/canary/) });
      expect(text).not.toContain(key);
    }
    expect(await query('select 1 from app.connector_session')).toHaveLength(1);
  });
});

describe('the session key', () => {
  const keyFile = (): string => join(made.folder, 'data', 'session.key');

  async function signedIn(): Promise<void> {
    made.tokenFile(made.source.session());
    made.source.expire();
    expect(await made.otw(['run'])).toMatchObject({ code: 0 });
  }

  test('that is missing stops start, run, check and login before anything is asked, and is not made anew', async () => {
    await signedIn();
    rmSync(keyFile());
    const before = { ...made.source.counts };
    for (const command of ['start', 'run', 'check', 'login']) {
      const { code, stderr } = await made.otw([command]);
      expect({ command, code, stderr }).toEqual({
        command,
        code: 78,
        stderr: expect.stringMatching(/session key: expected .*id [0-9a-f]{12}.*otw logout NAME/),
      });
    }
    expect(made.source.counts).toEqual(before);
    expect(existsSync(keyFile())).toBe(false);
  });

  test('that is wrong, lax or a link stops a run with 78', async () => {
    await signedIn();
    const other = Buffer.alloc(32, 'other key').toString('base64');
    const wrong = await made.otw(['run'], { OTW_SESSION_KEY: other });
    expect(wrong).toMatchObject({ code: 78, stderr: expect.stringContaining('in OTW_SESSION_KEY') });
    expect(wrong.stderr).not.toContain(other);
    chmodSync(keyFile(), 0o644);
    expect(await made.otw(['run'])).toMatchObject({ code: 78, stderr: expect.stringContaining('chmod 600') });
    chmodSync(keyFile(), 0o600);
    const moved = join(made.folder, 'moved.key');
    renameSync(keyFile(), moved);
    symlinkSync(moved, keyFile());
    expect(await made.otw(['run'])).toMatchObject({
      code: 78,
      stderr: expect.stringContaining('symbolic link'),
    });
    unlinkSync(keyFile());
    expect(await made.otw(['run'], { OTW_SESSION_KEY_FILE: moved })).toMatchObject({ code: 0 });
    const text = readFileSync(moved, 'utf8').trim();
    expect(await made.otw(['run'], { OTW_SESSION_KEY: text })).toMatchObject({ code: 0 });
  });

  test('that is missing stops neither status nor doctor nor logout, and the doctor names it', async () => {
    await signedIn();
    rmSync(keyFile());
    expect(await made.otw(['status'])).toMatchObject({ code: 0 });
    const doctor = await made.otw(['doctor']);
    expect(doctor).toMatchObject({ code: 1, stdout: expect.stringMatching(/failed session key: /) });
    expect(await made.otw(['logout', '--yes'])).toMatchObject({ code: 0 });
    made.tokenFile(made.source.session());
    expect(await made.otw(['run'])).toMatchObject({ code: 0 });
    expect((await made.otw(['doctor'])).stdout).toMatch(/ok {5}session key: id [0-9a-f]{12}, from /);
  });
});
