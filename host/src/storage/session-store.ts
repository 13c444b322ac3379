import { createHmac } from 'node:crypto';
import type { Reach } from '@on-the-way/core';
import { ConnectorError, type JsonValue } from '@on-the-way/sdk';
import type { Knex } from 'knex';
import { exitCodes, HostError } from '../host-error.ts';
import type { Database } from './database.ts';
import { underFence, type Fence } from './fence.ts';
import {
  adoptNextKey,
  createSessionKey,
  givenSessionKey,
  nextKeyPath,
  readSessionKey,
  type SessionKey,
  type SessionKeyPlace,
} from './session-key.ts';
import { seal, unseal, type Sealed } from './session-seal.ts';

/** Where a session's field is kept. */
export interface SessionField {
  readonly connection: string;
  readonly field: string;
}

/** A field as a run writes it: refused once another host has its connection. */
export interface FencedField extends SessionField {
  readonly fence?: Fence;
}

/** The encrypted sessions of all connections. The key is looked for when it is first needed. */
export interface SessionStore {
  /**
   * Called before anything that may sign in: finds the key, makes one where nothing was ever saved, and
   * records which one it is.
   *
   * @throws HostError (exit 78) when the saved sessions were encrypted with another key, or it is missing.
   */
  checkKey(): Promise<void>;
  /** One line about the key for a person; makes and records nothing. Throws as `checkKey`. */
  describeKey(): Promise<string>;
  /** A text's digest, of which nobody without the key can guess the text. Throws as `checkKey`. */
  digest(text: string): Promise<string>;
  /** The field's value, or undefined if it is not saved. Throws ConnectorError `config` if it does not decrypt. */
  load(at: SessionField): Promise<JsonValue | undefined>;
  /** Resolves when the value is durable. Throws Fenced, as `remove` does. */
  save(at: FencedField, value: JsonValue): Promise<void>;
  /** Removes a field; nothing happens when it is not there. */
  remove(at: FencedField): Promise<void>;
  /**
   * Removes a connection's fields but for those that outlive a session, whose names begin with `kept_`.
   * Without the key they were encrypted with those go as well. Resolves with how many were removed.
   */
  forget(connection: string): Promise<number>;
}

interface Known {
  /** Id of the key that is in use; null before anything was. */
  readonly keyId: string | null;
  readonly hasSessions: boolean;
}

const remedies =
  'put the key back, copy it from the host that has it (after otw secrets rotate: the new one), or forget the sessions with otw logout NAME and sign in anew';

function wrongKey(wanted: string, found: string): HostError {
  return new HostError(
    exitCodes.badConfig,
    `session key: expected the one the sessions in the database are encrypted with (id ${wanted}), found ${found}: ${remedies}`,
  );
}

function nameOf(key: SessionKey): string {
  return `another one (id ${key.id}) in ${key.from}`;
}

async function readKnown(database: Database): Promise<Known> {
  const { rows } = await database.raw<{ rows: Known[] }>(
    `select coalesce((select key_id from app.session_key), (select min(key_id) from app.connector_session)) as "keyId",
       exists (select from app.connector_session) as "hasSessions"`,
  );
  return rows[0] ?? { keyId: null, hasSessions: false };
}

/** The key in a file, or the new one beside it where a rotation ended between its two steps. */
function keyInFile(
  place: Extract<SessionKeyPlace, { readonly file: string }>,
  keyId: string | null,
): SessionKey | undefined {
  const key = readSessionKey(place.file, place);
  if (!place.created || keyId === null || key?.id === keyId) return key;
  return readSessionKey(nextKeyPath(place.file, keyId)) ?? key;
}

/** The key that is there; `make` where none is and none was needed so far. */
function findKey<T>(
  place: SessionKeyPlace,
  { keyId, hasSessions }: Known,
  make: (file: string) => T,
): SessionKey | T {
  if (!('file' in place)) return givenSessionKey(place.value);
  const key = keyInFile(place, keyId);
  if (key) return key;
  if (hasSessions) throw wrongKey(keyId ?? 'unknown', `no ${place.file}`);
  if (place.created) return make(place.file);
  throw new HostError(
    exitCodes.badConfig,
    `OTW_SESSION_KEY_FILE: expected a file with a key, found no ${place.file}: make it with ` +
      `(umask 077; openssl rand -base64 32 > ${place.file})`,
  );
}

// A key recorded just now belongs to a host that is starting as well; one of those two must not go on.
const replaceable = `created_at < now() - interval '1 minute' and not exists (select from app.connector_session)`;

/** Records the key's id unless another one is in use; resolves with the one that is. */
async function recordKey(database: Database, key: SessionKey): Promise<string> {
  return database.transaction(async (transaction) => {
    await transaction.raw('insert into app.session_key (key_id) values (?) on conflict do nothing', [key.id]);
    await transaction.raw('select from app.session_key for update');
    await transaction.raw(
      `update app.session_key set key_id = ?, created_at = now() where key_id <> ? and ${replaceable}`,
      [key.id, key.id],
    );
    const { rows } = await transaction.raw<{ rows: { key_id: string }[] }>(
      'select key_id from app.session_key',
    );
    return rows[0]?.key_id ?? key.id;
  });
}

/** The error of a field that does not decrypt. */
export function damaged({ connection, field }: SessionField): ConnectorError {
  return new ConnectorError(
    'config',
    `Expected the saved ${field} of ${connection} as it was written, but it was changed or moved and does not decrypt: ` +
      `otw logout ${connection}, then otw login ${connection}`,
  );
}

/** What a field is sealed for. Connection names have no slash, so no two places are spelled the same. */
export function placeOf({ connection, field }: SessionField): string {
  return `${connection}/${field}`;
}

/** In a transaction; under the fence where there is one. */
function transactionFor<T>(
  database: Database,
  fence: Fence | undefined,
  work: (transaction: Knex.Transaction) => Promise<T>,
): Promise<T> {
  return fence ? underFence(database, fence, work) : database.transaction(work);
}

async function saveSealed(
  { database, reach }: { readonly database: Database; readonly reach: Reach | undefined },
  key: SessionKey,
  { connection, field, fence }: FencedField,
  { nonce, ciphertext }: Sealed,
): Promise<void> {
  await transactionFor(database, fence, async (transaction) => {
    // A rotated token that is lost cannot be had again, whatever the server is set to.
    await transaction.raw('set local synchronous_commit = on');
    await transaction.raw('insert into app.session_key (key_id) values (?) on conflict do nothing', [key.id]);
    const { rows } = await transaction.raw<{ rows: { key_id: string }[] }>(
      'select key_id from app.session_key for share',
    );
    const inUse = rows[0]?.key_id;
    if (inUse !== key.id) throw wrongKey(inUse ?? 'unknown', nameOf(key));
    await transaction.raw(
      `insert into app.connector_session (connection, field, key_id, nonce, ciphertext) values (?, ?, ?, ?, ?)
       on conflict (connection, field) do update set key_id = excluded.key_id, nonce = excluded.nonce,
         ciphertext = excluded.ciphertext, updated_at = now()`,
      [connection, field, key.id, nonce, ciphertext],
    );
    reach?.('mid-token-save');
  });
}

async function remove(database: Database, { connection, field, fence }: FencedField): Promise<void> {
  const sql = 'delete from app.connector_session where connection = ? and field = ?';
  await transactionFor(database, fence, (transaction) => transaction.raw(sql, [connection, field]));
}

function digestOf({ bytes }: SessionKey, text: string): string {
  return createHmac('sha256', bytes).update('on the way digest\0').update(text).digest('hex');
}

/** The key that is there, for a person who may have lost it. */
function keyIfThere(place: SessionKeyPlace, known: Known): SessionKey | undefined {
  try {
    return findKey(place, known, () => undefined);
  } catch (error) {
    if (error instanceof HostError) return undefined;
    throw error;
  }
}

async function forget(database: Database, place: SessionKeyPlace, connection: string): Promise<number> {
  const key = keyIfThere(place, await readKnown(database));
  return database.transaction(async (transaction) => {
    await transaction.raw('select from app.session_key for update');
    const { rows: saved } = await transaction.raw<{ rows: (Sealed & { readonly field: string })[] }>(
      `select field, nonce, ciphertext from app.connector_session where connection = ? and starts_with(field, 'kept_')
         and key_id = ? for update`,
      [connection, key?.id ?? ''],
    );
    // What does not decrypt would stand in the way of every later sign-in.
    const kept = saved.filter(
      (row) => key && unseal(key, placeOf({ connection, field: row.field }), row) !== undefined,
    );
    const { rows } = await transaction.raw<{ rows: unknown[] }>(
      'delete from app.connector_session where connection = ? and not field = any(?) returning field',
      [connection, kept.map(({ field }) => field)],
    );
    // With the last session goes the reason to insist on the key.
    await transaction.raw('delete from app.session_key where not exists (select from app.connector_session)');
    return rows.length;
  });
}

/**
 * The key the sessions are encrypted with, recorded where none was; a rotation that was cut off is brought to its end.
 * A recorded key that encrypts nothing gives way to the one that is there, unless it is `asRecorded`.
 *
 * @throws HostError (exit 78) when it is not the one that is there.
 */
export async function findKeyInUse(
  database: Database,
  place: SessionKeyPlace,
  { asRecorded = false }: { readonly asRecorded?: boolean } = {},
): Promise<SessionKey> {
  const look = async (): Promise<{ readonly key: SessionKey; readonly inUse: string }> => {
    const { keyId, hasSessions } = await readKnown(database);
    const holds = keyId !== null && (hasSessions || asRecorded);
    const key = findKey(place, { keyId, hasSessions: hasSessions || holds }, createSessionKey);
    const inUse = holds ? keyId : await recordKey(database, key);
    return { key, inUse };
  };
  let found = await look();
  // A rotation may have ended between the two looks, at the database and at the file.
  if (found.inUse !== found.key.id) found = await look();
  const { key, inUse } = found;
  if (inUse !== key.id) throw wrongKey(inUse, nameOf(key));
  if (!('file' in place) || !place.created || key.from === place.file) return key;
  adoptNextKey(place.file, key.id);
  return { ...key, from: place.file };
}

/** The store over app.session_key and app.connector_session. */
export function createSessionStore(database: Database, place: SessionKeyPlace, reach?: Reach): SessionStore {
  let checked: Promise<SessionKey> | undefined;

  function keyInUse(): Promise<SessionKey> {
    checked ??= findKeyInUse(database, place).catch((error: unknown) => {
      checked = undefined;
      throw error;
    });
    return checked;
  }

  /** Once more, with the key looked for anew, where another process may have rotated it meanwhile. */
  async function withFreshKey<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof HostError)) throw error;
      checked = undefined;
      return work();
    }
  }

  async function load(at: SessionField): Promise<JsonValue | undefined> {
    const { rows } = await database.raw<{ rows: (Sealed & { readonly keyId: string })[] }>(
      `select key_id as "keyId", nonce, ciphertext from app.connector_session where connection = ? and field = ?`,
      [at.connection, at.field],
    );
    const row = rows[0];
    if (!row) return undefined;
    const key = await keyInUse();
    if (row.keyId !== key.id) throw wrongKey(row.keyId, nameOf(key));
    const text = unseal(key, placeOf(at), row);
    if (text === undefined) throw damaged(at);
    return JSON.parse(text) as JsonValue;
  }

  return {
    checkKey: async () => void (await keyInUse()),
    async describeKey() {
      const known = await readKnown(database);
      const key = findKey(place, known, () => undefined);
      if (!key) return 'none yet: it is made when a host starts';
      if (known.hasSessions && known.keyId !== key.id) throw wrongKey(known.keyId ?? 'unknown', nameOf(key));
      return `id ${key.id}, from ${key.from}`;
    },
    digest: (text) => withFreshKey(async () => digestOf(await keyInUse(), text)),
    load: (at) => withFreshKey(() => load(at)),
    save: (at, value) =>
      withFreshKey(async () => {
        const key = await keyInUse();
        await saveSealed({ database, reach }, key, at, seal(key, placeOf(at), JSON.stringify(value)));
      }),
    remove: (at) => remove(database, at),
    forget: (connection) => forget(database, place, connection),
  };
}
