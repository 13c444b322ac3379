import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { chmodSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { loadConfig } from '../src/config/load-config.ts';
import { openDatabase, type Database } from '../src/storage/database.ts';
import { rotateSessions, type RotationParts } from '../src/storage/rotate-sessions.ts';
import { readSessionKey, sessionKeyIn, type SessionKeyPlace } from '../src/storage/session-key.ts';
import { createSessionStore } from '../src/storage/session-store.ts';
import { createSessionTokens } from '../src/storage/session-tokens.ts';
import { otw, temporaryFolder } from './otw.ts';
import { createMigratedDatabase, type TestDatabase } from './postgres.ts';

let made: TestDatabase;
let database: Database;
let folder: ReturnType<typeof temporaryFolder>;
const at = { connection: 'garmin', field: 'token' };
const kept = { connection: 'other', field: 'kept_device' };
const someKey = (): string => randomBytes(32).toString('base64');

beforeAll(async () => {
  made = await createMigratedDatabase();
  database = openDatabase(made.url, 'UTC');
});
afterAll(async () => {
  await database.destroy();
  await made.drop();
});
beforeEach(async () => {
  await database.raw('truncate app.connector_session, app.session_key');
  folder = temporaryFolder();
  return () => folder.remove();
});

function parts(place: SessionKeyPlace, more: Partial<RotationParts> = {}): RotationParts {
  return { database, databaseUrl: made.url, timeZone: 'UTC', place, ...more };
}

async function saveSome(place: SessionKeyPlace): Promise<void> {
  const store = createSessionStore(database, place);
  await store.save(at, { token: 'invented' });
  await store.save(kept, 'device');
}

/** What a host that starts now reads. */
async function read(place: SessionKeyPlace): Promise<unknown[]> {
  const store = createSessionStore(database, place);
  await store.checkKey();
  return [await store.load(at), await store.load(kept)];
}

const saved = [{ token: 'invented' }, 'device'];

async function keyIds(): Promise<string[]> {
  const { rows } = await database.raw<{ rows: { id: string }[] }>(
    'select key_id as id from app.session_key union select key_id from app.connector_session',
  );
  return rows.map(({ id }) => id);
}

describe('otw secrets rotate', () => {
  test('encrypts every session with a new key that takes the place of the old one', async () => {
    const place = sessionKeyIn(folder.path);
    await saveSome(place);
    const before = readSessionKey(join(folder.path, 'session.key'))?.id;
    const { code, stdout } = await otw(['secrets', 'rotate', '--json'], {
      env: { DATABASE_URL: made.url, OTW_DATA_DIR: folder.path, GARMIN_EMAIL: 'me@example.com' },
    });
    const after = readSessionKey(join(folder.path, 'session.key'))?.id;
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toEqual({ before, after, fields: 2, file: null });
    expect(after).not.toBe(before);
    expect(await keyIds()).toEqual([after]);
    expect(await read(place)).toEqual(saved);
    expect(statSync(join(folder.path, 'session.key')).mode & 0o777).toBe(0o600);
  });

  test.each(['key made', 'sessions sealed', 'committed', 'key adopted'])(
    'killed after the step "%s" leaves every session readable, and the next rotation leaves one key',
    async (step) => {
      const place = sessionKeyIn(folder.path);
      await saveSome(place);
      const before = readSessionKey(join(folder.path, 'session.key'))?.id;
      const fixture = join(import.meta.dirname, 'fixtures', 'rotate-and-die.ts');
      const args = ['--conditions=@on-the-way/source', fixture, made.url, folder.path, step];
      const child = spawn(process.execPath, args, { stdio: 'inherit' });
      expect(await once(child, 'close')).toEqual([null, 'SIGKILL']);

      expect(await read(place)).toEqual(saved);
      const { after } = await rotateSessions(parts(place));
      expect(await read(place)).toEqual(saved);
      expect(await keyIds()).toEqual([after]);
      expect(after).not.toBe(before);
      expect(readdirSync(folder.path)).toEqual(['session.key']);
    },
  );

  test('a host that runs meanwhile goes on with the new key, reading and saving', async () => {
    const place = sessionKeyIn(folder.path);
    const running = createSessionStore(database, place);
    await running.save(at, 'old');
    await rotateSessions(parts(place));
    expect(await running.load(at)).toBe('old');
    await rotateSessions(parts(place));
    await running.save(at, 'new');
    expect(await createSessionStore(database, place).load(at)).toBe('new');
  });

  test('many hosts that look for the key right after a rotation all find it', async () => {
    const place = sessionKeyIn(folder.path);
    await saveSome(place);
    // Killed between commit and adoption, as it were: the first that looks finishes it.
    await rotateSessions(
      parts(place, {
        reached(step) {
          if (step === 'committed') throw new Error('ended here');
        },
      }),
    ).catch(() => undefined);
    expect(readdirSync(folder.path)).toHaveLength(2);
    expect(await Promise.all(Array.from({ length: 8 }, () => read(place)))).toEqual(
      Array.from({ length: 8 }, () => saved),
    );
    expect(readdirSync(folder.path)).toEqual(['session.key']);
  });

  test('waits for a renewal, since what is renewed under the old key could not be saved', async () => {
    const place = sessionKeyIn(folder.path);
    await saveSome(place);
    const renewing = createSessionTokens({
      connection: at.connection,
      tokenDir: join(folder.path, 'tokens'),
      store: createSessionStore(database, place),
      databaseUrl: made.url,
      timeZone: 'UTC',
      seen: () => undefined,
      warn: () => undefined,
    });
    const asked = Promise.withResolvers<void>();
    const answered = Promise.withResolvers<void>();
    const renewal = renewing.update(at.field, async () => {
      asked.resolve();
      await answered.promise;
      return { token: 'renewed' };
    });
    await asked.promise;
    const steps: string[] = [];
    const rotation = rotateSessions(parts(place, { reached: (step) => steps.push(step) }));
    await expect
      .poll(
        async () =>
          (
            await database.raw<{ rows: unknown[] }>(
              "select from pg_locks where locktype = 'advisory' and not granted",
            )
          ).rows.length,
      )
      .toBe(1);
    expect(steps).toEqual([]);
    answered.resolve();
    await Promise.all([renewal, rotation]);
    expect(await createSessionStore(database, place).load(at)).toEqual({ token: 'renewed' });
  });

  test.each([
    ['another key than', true],
    ['no key where there is', false],
  ])(
    'a data directory with %s the one that is recorded is refused, and nothing has changed',
    async (_, has) => {
      await database.raw(
        `insert into app.session_key (key_id, created_at) values ('0123456789ab', now() - interval '1 day')`,
      );
      const place = sessionKeyIn(folder.path);
      if (has) writeFileSync(join(folder.path, 'session.key'), someKey(), { mode: 0o600 });
      await expect(rotateSessions(parts(place))).rejects.toMatchObject({
        exitCode: 78,
        message: expect.stringContaining('id 0123456789ab'),
      });
      expect(await keyIds()).toEqual(['0123456789ab']);
      expect(readdirSync(folder.path)).toEqual(has ? ['session.key'] : []);
    },
  );

  test('a session that does not decrypt is named, and nothing has changed', async () => {
    const place = sessionKeyIn(folder.path);
    await saveSome(place);
    const [before] = await keyIds();
    await database.raw(
      `update app.connector_session set nonce = '\\x000000000000000000000000' where connection = 'other'`,
    );
    await expect(rotateSessions(parts(place))).rejects.toMatchObject({
      code: 'config',
      message: expect.stringMatching(/kept_device of other.*otw logout other/),
    });
    expect(await keyIds()).toEqual([before]);
    expect(await createSessionStore(database, place).load(at)).toEqual({ token: 'invented' });
  });
});

describe('a key that is given from outside', () => {
  const newFile = (): string => join(folder.path, 'new.key');

  test('is replaced by the one in a file, and the host that still has the old one says what to do', async () => {
    const old = { value: someKey() };
    await saveSome(old);
    const { after } = await rotateSessions(parts(old, { to: newFile() }));
    expect(readSessionKey(newFile())?.id).toBe(after);
    expect(await read({ file: newFile(), created: false })).toEqual(saved);
    await expect(read(old)).rejects.toMatchObject({
      exitCode: 78,
      message: expect.stringMatching(new RegExp(`id ${after}.*after otw secrets rotate: the new one`)),
    });
  });

  test('is of no use to a running host any more once it is replaced', async () => {
    const old = { value: someKey() };
    const running = createSessionStore(database, old);
    await running.save(at, 'token');
    await rotateSessions(parts(old, { to: newFile() }));
    await expect(running.load(at)).rejects.toMatchObject({ exitCode: 78 });
    await expect(running.save(at, 'lost')).rejects.toMatchObject({ exitCode: 78 });
  });

  test('cannot be replaced by itself', async () => {
    const place = { file: newFile(), created: false };
    writeFileSync(newFile(), someKey(), { mode: 0o600 });
    await saveSome(place);
    await expect(rotateSessions(parts(place, { to: newFile() }))).rejects.toMatchObject({ exitCode: 2 });
    expect(await read(place)).toEqual(saved);
  });

  test('must be named, and the key of the data directory must not', async () => {
    const env = { DATABASE_URL: made.url, OTW_DATA_DIR: folder.path, GARMIN_EMAIL: 'me@example.com' };
    const [given, own] = await Promise.all([
      otw(['secrets', 'rotate'], { env: { ...env, OTW_SESSION_KEY: someKey() } }),
      otw(['secrets', 'rotate', '--to', newFile()], { env }),
    ]);
    expect(given).toMatchObject({ code: 2, stderr: expect.stringContaining('--to FILE') });
    expect(own).toMatchObject({ code: 2, stderr: expect.stringContaining('leave --to out') });
  });
});

describe('where the key comes from', () => {
  async function placeOf(env: Record<string, string>): Promise<SessionKeyPlace | undefined> {
    const { sessionKey } = await loadConfig({
      cwd: folder.path,
      env: { GARMIN_EMAIL: 'me@example.com', OTW_DATA_DIR: join(folder.path, 'data'), ...env },
      commandLine: {},
    });
    return sessionKey;
  }

  function credentials(mode: number): {
    readonly directory: string;
    readonly file: string;
    readonly key: string;
  } {
    const directory = join(folder.path, 'credentials');
    const file = join(directory, 'otw-session-key');
    const key = someKey();
    mkdirSync(directory);
    writeFileSync(file, key);
    chmodSync(file, mode);
    return { directory, file, key };
  }

  test('the variable, then the file it names, then the credential of systemd, then the data directory', async () => {
    const { directory, file } = credentials(0o400);
    const all = {
      OTW_SESSION_KEY: someKey(),
      OTW_SESSION_KEY_FILE: '/keys/mine',
      CREDENTIALS_DIRECTORY: directory,
    };
    const { OTW_SESSION_KEY: value, ...withoutValue } = all;
    const { OTW_SESSION_KEY_FILE: named, ...withoutFile } = withoutValue;
    expect(await placeOf(all)).toEqual({ value });
    expect(await placeOf(withoutValue)).toEqual({ file: named, created: false });
    expect(await placeOf(withoutFile)).toEqual({ file, created: false, groupMayRead: true });
    expect(await placeOf({})).toEqual(sessionKeyIn(join(folder.path, 'data')));
    rmSync(file);
    expect(await placeOf(withoutFile)).toEqual(sessionKeyIn(join(folder.path, 'data')));
  });

  test.each([0o400, 0o440, 0o600])('a credential of mode %o is read, as systemd makes them', async (mode) => {
    const { file, key } = credentials(mode);
    const place = { file, created: false, groupMayRead: true } as const;
    await saveSome(place);
    expect(await read(place)).toEqual(saved);
    expect(await read({ value: key })).toEqual(saved);
  });

  test.each([0o404, 0o420, 0o444])('one of mode %o is refused', async (mode) => {
    const { file } = credentials(mode);
    const place = { file, created: false, groupMayRead: true } as const;
    await expect(read(place)).rejects.toMatchObject({
      exitCode: 78,
      message: expect.stringContaining('chmod 600'),
    });
  });

  test('a key is made in the data directory alone, for its owner alone, and never where sessions are saved', async () => {
    const dataDir = join(folder.path, 'data');
    await createSessionStore(database, sessionKeyIn(dataDir)).checkKey();
    expect(statSync(dataDir).mode & 0o777).toBe(0o700);
    expect(statSync(join(dataDir, 'session.key')).mode & 0o777).toBe(0o600);
    await saveSome(sessionKeyIn(dataDir));
    const key = readFileSync(join(dataDir, 'session.key'));
    rmSync(join(dataDir, 'session.key'));
    for (const place of [sessionKeyIn(dataDir), { file: join(dataDir, 'session.key'), created: false }]) {
      await expect(read(place)).rejects.toMatchObject({ exitCode: 78 });
      expect(readdirSync(dataDir)).toEqual([]);
    }
    writeFileSync(join(dataDir, 'session.key'), key, { mode: 0o600 });
    expect(await read(sessionKeyIn(dataDir))).toEqual(saved);
  });
});
