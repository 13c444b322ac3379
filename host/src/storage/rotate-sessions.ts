import { exitCodes, HostError } from '../host-error.ts';
import { takeAdvisoryLock } from './advisory-lock.ts';
import type { Database } from './database.ts';
import {
  adoptNextKey,
  createNextKey,
  createSessionKey,
  readSessionKey,
  removeUnusedKeys,
  type SessionKey,
  type SessionKeyPlace,
} from './session-key.ts';
import { seal, unseal, type Sealed } from './session-seal.ts';
import { damaged, findKeyInUse, placeOf, type SessionField } from './session-store.ts';
import { tokenLockName } from './session-tokens.ts';

/** What a rotation works on. */
export interface RotationParts {
  readonly database: Database;
  readonly databaseUrl: string;
  readonly timeZone: string;
  /** Where the key is that is in use. */
  readonly place: SessionKeyPlace;
  /** File of the new key where somebody else gives the key; made where it is missing. */
  readonly to?: string;
  /** Told what is done; a process may end after each of these, and all sessions can still be read. */
  readonly reached?: (step: 'key made' | 'sessions sealed' | 'committed' | 'key adopted') => void;
}

/** What a rotation did. */
export interface Rotation {
  /** Ids of the keys. */
  readonly before: string;
  readonly after: string;
  /** Session fields that were encrypted anew. */
  readonly fields: number;
}

const waitForRenewalMs = 60_000;

/** Keeps tokens from being renewed: one that is renewed under the old key could not be saved. */
async function holdTokens({ database, databaseUrl, timeZone }: RotationParts): Promise<() => Promise<void>> {
  const { rows } = await database.raw<{ rows: { connection: string }[] }>(
    'select distinct connection from app.connector_session order by 1',
  );
  const held: (() => Promise<void>)[] = [];
  const release = async (): Promise<void> => {
    for (const each of held.splice(0)) await each();
  };
  for (const { connection } of rows) {
    const lock = { databaseUrl, timeZone, name: tokenLockName(connection), waitMs: waitForRenewalMs };
    const unlock = await takeAdvisoryLock(lock);
    if (unlock) {
      held.push(unlock);
      continue;
    }
    await release();
    const message = `Expected the tokens of ${connection} to be free within 60 s, but they are being changed: try again`;
    throw new HostError(exitCodes.failed, message);
  }
  return release;
}

function newKey({ place, to }: RotationParts, old: SessionKey): SessionKey {
  if (to === undefined && 'file' in place) {
    removeUnusedKeys(place.file, old.id);
    return createNextKey(place.file);
  }
  if (to === undefined) throw new Error('Expected a file for the new key');
  const key = readSessionKey(to) ?? createSessionKey(to);
  if (key.id !== old.id) return key;
  const message = `--to: expected a new key, found the one that is in use (id ${old.id}) in ${to}: name a file that is not there yet`;
  throw new HostError(exitCodes.usage, message);
}

async function sealAnew(parts: RotationParts, old: SessionKey): Promise<{ key: SessionKey; fields: number }> {
  return parts.database.transaction(async (transaction) => {
    await transaction.raw('set local synchronous_commit = on');
    await transaction.raw('insert into app.session_key (key_id) values (?) on conflict do nothing', [old.id]);
    // Whoever saves looks at this row under a lock, so nothing is saved with the old key from here on.
    const { rows: inUse } = await transaction.raw<{ rows: { key_id: string }[] }>(
      'select key_id from app.session_key for update',
    );
    if (inUse[0]?.key_id !== old.id) {
      throw new HostError(
        exitCodes.failed,
        'Expected the key to stay as it is, but it was just rotated: nothing was done',
      );
    }
    const key = newKey(parts, old);
    parts.reached?.('key made');
    const { rows } = await transaction.raw<{ rows: (SessionField & Sealed)[] }>(
      'select connection, field, nonce, ciphertext from app.connector_session for update',
    );
    for (const row of rows) {
      const text = unseal(old, placeOf(row), row);
      if (text === undefined) throw damaged(row);
      const { nonce, ciphertext } = seal(key, placeOf(row), text);
      await transaction.raw(
        'update app.connector_session set key_id = ?, nonce = ?, ciphertext = ? where connection = ? and field = ?',
        [key.id, nonce, ciphertext, row.connection, row.field],
      );
    }
    await transaction.raw('update app.session_key set key_id = ?, created_at = now()', [key.id]);
    parts.reached?.('sessions sealed');
    return { key, fields: rows.length };
  });
}

/**
 * Encrypts all sessions with a new key. The new key is durable before the database knows of it, the database changes
 * in one transaction, and the new key then takes the place of the old one: wherever this ends, the key that is needed
 * is there, and whoever looks for it next finds it.
 *
 * @throws HostError when the key in use is not there (78), or somebody else is at it; ConnectorError `config` for a
 *   session that does not decrypt. Nothing has changed then.
 */
export async function rotateSessions(parts: RotationParts): Promise<Rotation> {
  const { database, place, to } = parts;
  // Another host may have recorded its key and be about to save with it.
  const old = await findKeyInUse(database, place, { asRecorded: true });
  const release = await holdTokens(parts);
  try {
    const { key, fields } = await sealAnew(parts, old);
    parts.reached?.('committed');
    if (to === undefined && 'file' in place) adoptNextKey(place.file, key.id);
    parts.reached?.('key adopted');
    return { before: old.id, after: key.id, fields };
  } finally {
    await release();
  }
}
