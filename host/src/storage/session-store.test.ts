import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { rmSync, writeFileSync } from 'node:fs';
import type { JsonValue } from '@on-the-way/sdk';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { temporaryFolder } from '../../test/otw.ts';
import { createMigratedDatabase, type TestDatabase } from '../../test/postgres.ts';
import { openDatabase, type Database } from './database.ts';
import { givenSessionKey, sessionKeyIn } from './session-key.ts';
import { createSessionStore } from './session-store.ts';

let made: TestDatabase;
let database: Database;
let folder: ReturnType<typeof temporaryFolder>;
const someKey = (): string => randomBytes(32).toString('base64');
const key = someKey();
const at = { connection: 'garmin', field: 'di_token' };

beforeEach(async () => {
  folder = temporaryFolder();
  made = await createMigratedDatabase();
  database = openDatabase(made.url, 'UTC');
});
afterEach(async () => {
  await database.destroy();
  await made.drop();
  folder.remove();
});

function storeWith(value: string) {
  return createSessionStore(database, { value });
}

async function change(sql: string): Promise<void> {
  await database.raw(sql);
}

test('what is saved is loaded again, whatever it is', async () => {
  const store = storeWith(key);
  await fc.assert(
    fc.asyncProperty(fc.jsonValue(), async (value) => {
      const kept = JSON.parse(JSON.stringify({ value })) as JsonValue;
      await store.save(at, kept);
      expect(await storeWith(key).load(at)).toEqual(kept);
    }),
    { numRuns: 25 },
  );
});

test('a field that was never saved, or was removed, is not there', async () => {
  const store = storeWith(key);
  expect(await store.load(at)).toBeUndefined();
  await store.save(at, 'x');
  await store.remove(at);
  expect(await store.load(at)).toBeUndefined();
});

test('nothing that was saved stands in the database in clear, and no nonce is used twice', async () => {
  const store = storeWith(key);
  for (let round = 0; round < 10; round += 1) await store.save(at, { di_token: 'canary-of-a-token' });
  const nonces = new Set<string>();
  for (const field of ['a', 'b', 'c']) await store.save({ ...at, field }, 'canary-of-a-token');
  const { rows } = await database.raw<{ rows: { nonce: Buffer; ciphertext: Buffer }[] }>(
    'select * from app.connector_session, app.session_key',
  );
  for (const row of rows) {
    nonces.add(row.nonce.toString('hex'));
    expect(row.ciphertext.toString('latin1')).not.toContain('canary');
    expect(JSON.stringify(row)).not.toContain('canary');
    expect(JSON.stringify(row)).not.toContain(key);
  }
  expect(nonces.size).toBe(4);
});

test.each([
  [
    'one bit of the ciphertext',
    `update app.connector_session set ciphertext = set_byte(ciphertext, 0, get_byte(ciphertext, 0) # 1)`,
  ],
  [
    'one bit of the tag',
    `update app.connector_session set ciphertext = set_byte(ciphertext, length(ciphertext) - 1, get_byte(ciphertext, length(ciphertext) - 1) # 1)`,
  ],
  ['the nonce', `update app.connector_session set nonce = decode('000000000000000000000000', 'hex')`],
  ['its length', `update app.connector_session set ciphertext = substring(ciphertext for 7)`],
])('a row with %s changed does not decrypt, and the error says what to do', async (_what, sql) => {
  const store = storeWith(key);
  await store.save(at, { di_token: 'canary' });
  await change(sql);
  await expect(store.load(at)).rejects.toMatchObject({
    code: 'config',
    message: expect.stringMatching(/changed or moved.*otw logout garmin/),
  });
});

test.each(['connection', 'field'] as const)('a row moved to another %s does not decrypt', async (column) => {
  const store = storeWith(key);
  await store.save(at, 'token');
  await change(`update app.connector_session set ${column} = 'other'`);
  await expect(store.load({ ...at, [column]: 'other' })).rejects.toMatchObject({ code: 'config' });
});

describe('the key', () => {
  const wanted = givenSessionKey(key).id;

  test('another one than the sessions are encrypted with is refused at start', async () => {
    await storeWith(key).save(at, 'token');
    await expect(storeWith(someKey()).checkKey()).rejects.toMatchObject({
      exitCode: 78,
      message: expect.stringMatching(new RegExp(`id ${wanted}.*otw logout NAME`)),
    });
    await expect(storeWith(key).checkKey()).resolves.toBeUndefined();
  });

  test('that is missing is not made anew where sessions are saved', async () => {
    const place = sessionKeyIn(folder.path);
    await createSessionStore(database, place).save(at, 'token');
    rmSync(join(folder.path, 'session.key'));
    const again = createSessionStore(database, place);
    await expect(again.checkKey()).rejects.toMatchObject({
      exitCode: 78,
      message: expect.stringMatching(/found no /),
    });
    await expect(again.describeKey()).rejects.toMatchObject({ exitCode: 78 });
    expect(await again.forget('garmin')).toBe(1);
    await expect(again.checkKey()).resolves.toBeUndefined();
  });

  test('of a file that somebody named is never made', async () => {
    const store = createSessionStore(database, { file: join(folder.path, 'mine'), created: false });
    await expect(store.checkKey()).rejects.toMatchObject({
      exitCode: 78,
      message: expect.stringMatching(/openssl/),
    });
  });

  test('is only looked at for a person who asks', async () => {
    const store = createSessionStore(database, sessionKeyIn(folder.path));
    expect(await store.describeKey()).toMatch(/none yet/);
    await store.checkKey();
    expect(await store.describeKey()).toMatch(/^id [0-9a-f]{12}, from .*session\.key$/);
  });

  test('of one of two hosts that start at once on an empty database is recorded, and the other host refuses', async () => {
    const keys = [someKey(), someKey()];
    const outcomes = await Promise.allSettled(keys.map((each) => storeWith(each).checkKey()));
    expect(outcomes.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected']);
    const winner = keys[outcomes.findIndex(({ status }) => status === 'fulfilled')] ?? '';
    const { rows } = await database.raw<{ rows: unknown[] }>('select key_id from app.session_key');
    expect(rows).toEqual([{ key_id: givenSessionKey(winner).id }]);
  });

  test('may change while no session is saved, and whoever has the old one cannot save any more', async () => {
    const old = storeWith(key);
    await old.checkKey();
    await change(`update app.session_key set created_at = now() - interval '1 hour'`);
    const next = someKey();
    await storeWith(next).checkKey();
    await expect(old.save(at, 'token')).rejects.toMatchObject({
      exitCode: 78,
      message: expect.stringContaining(givenSessionKey(next).id),
    });
    expect(await storeWith(next).load(at)).toBeUndefined();
  });

  test('of a shared file is the same for two hosts', async () => {
    const file = join(folder.path, 'shared.key');
    writeFileSync(file, `${key}\n`, { mode: 0o600 });
    const stores = [1, 2].map(() => createSessionStore(database, { file, created: false }));
    await Promise.all(stores.map((store) => store.checkKey()));
    await stores[0]?.save(at, 'token');
    expect(await stores[1]?.load(at)).toBe('token');
  });
});

test('forgetting a connection needs no key, and leaves other connections alone', async () => {
  const store = storeWith(key);
  await store.save(at, 'token');
  await store.save({ ...at, connection: 'other' }, 'token of another');
  expect(await storeWith(someKey()).forget('garmin')).toBe(1);
  expect(await store.load(at)).toBeUndefined();
  expect(await store.load({ ...at, connection: 'other' })).toBe('token of another');
});

describe('what outlives a session', () => {
  const kept = { ...at, field: 'kept_device' };

  test('stays when the session is forgotten, and so does the key it needs', async () => {
    const store = storeWith(key);
    await store.save(at, 'token');
    await store.save(kept, 'device');
    expect(await store.forget('garmin')).toBe(1);
    expect(await store.load(at)).toBeUndefined();
    expect(await store.load(kept)).toBe('device');
    await expect(storeWith(someKey()).checkKey()).rejects.toMatchObject({ exitCode: 78 });
  });

  test('is forgotten where the key is lost, so that a new one can be made', async () => {
    const place = sessionKeyIn(folder.path);
    await createSessionStore(database, place).save(kept, 'device');
    rmSync(join(folder.path, 'session.key'));
    const again = createSessionStore(database, place);
    expect(await again.forget('garmin')).toBe(1);
    await expect(again.checkKey()).resolves.toBeUndefined();
  });

  test('is forgotten under another key, and where it does not decrypt', async () => {
    const store = storeWith(key);
    await store.save(kept, 'device');
    expect(await storeWith(someKey()).forget('garmin')).toBe(1);
    await store.save(kept, 'device');
    await change('update app.connector_session set ciphertext = substring(ciphertext for 7)');
    expect(await store.forget('garmin')).toBe(1);
  });
});
