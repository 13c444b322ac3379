import { createHash, randomBytes } from 'node:crypto';
import type { Database } from './database.ts';

/** What a key may be allowed for; admin includes the others. */
export const keyScopes = ['ingest', 'read', 'admin'] as const;

/** One of them. */
export type KeyScope = (typeof keyScopes)[number];

/** Characters of a key by which it is found, and told apart in lists and logs; they open nothing. */
export const keyPrefixLength = 12;

/** A key as it is stored; its text is kept nowhere. */
export interface ApiKey {
  readonly keyId: string;
  readonly name: string;
  readonly prefix: string;
  readonly scopes: readonly KeyScope[];
  readonly createdAt: Date;
  readonly expiresAt: Date | null;
  readonly revokedAt: Date | null;
  readonly lastUsedAt: Date | null;
}

/** A key with what its text is compared to: SHA-256, 32 bytes. */
export interface StoredKey extends ApiKey {
  readonly hash: Buffer;
}

/** Keys of the HTTP API. */
export interface ApiKeyStore {
  /** Makes a key; `text` is the only time that it can be had. */
  create(key: {
    readonly name: string;
    readonly scopes: readonly KeyScope[];
    readonly expiresAt?: Date;
  }): Promise<{ readonly text: string; readonly key: ApiKey }>;
  /** All of them, revoked and expired ones too, newest first. */
  list(): Promise<readonly ApiKey[]>;
  /** The ones that are neither revoked nor expired. */
  usable(): Promise<readonly StoredKey[]>;
  /** Ends the key with this id or prefix; undefined where there is none. A key that was revoked stays so. */
  revoke(idOrPrefix: string): Promise<ApiKey | undefined>;
  /** Remembers that it was used now. */
  used(keyId: string): Promise<void>;
}

/** What keys are compared by. They are random, so that a plain hash is enough. */
export function hashOfKey(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

interface Row {
  readonly key_id: string;
  readonly name: string;
  readonly prefix: string;
  readonly hash: Buffer;
  readonly scopes: KeyScope[];
  readonly created_at: Date;
  readonly expires_at: Date | null;
  readonly revoked_at: Date | null;
  readonly last_used_at: Date | null;
}

function keyOf(row: Row): ApiKey {
  return {
    keyId: row.key_id,
    name: row.name,
    prefix: row.prefix,
    scopes: row.scopes,
    createdAt: row.created_at,
    expiresAt: row.expires_at,
    revokedAt: row.revoked_at,
    lastUsedAt: row.last_used_at,
  };
}

function onlyRow(rows: readonly Row[]): Row {
  const [row] = rows;
  if (!row) throw new Error('Expected Postgres to return the row it wrote');
  return row;
}

/** Keys in app.api_key. */
export function createApiKeyStore(database: Database): ApiKeyStore {
  const keys = () => database<Row>('app.api_key');
  return {
    async create({ name, scopes, expiresAt }) {
      const text = `otw_${randomBytes(32).toString('base64url')}`;
      const prefix = text.slice(0, keyPrefixLength);
      const row = { name, prefix, hash: hashOfKey(text), scopes: [...scopes], expires_at: expiresAt ?? null };
      return { text, key: keyOf(onlyRow(await keys().insert(row).returning('*'))) };
    },
    async list() {
      const rows = await keys().orderBy('created_at', 'desc');
      return rows.map(keyOf);
    },
    async usable() {
      const rows = await keys()
        .whereNull('revoked_at')
        .whereRaw('(expires_at is null or expires_at > now())');
      return rows.map((row) => ({ ...keyOf(row), hash: row.hash }));
    },
    async revoke(idOrPrefix) {
      const { rows } = await database.raw<{ rows: Row[] }>(
        'update app.api_key set revoked_at = coalesce(revoked_at, now()) where key_id::text = :it or prefix = :it returning *',
        { it: idOrPrefix },
      );
      return rows[0] && keyOf(rows[0]);
    },
    async used(keyId) {
      await keys().where('key_id', keyId).update('last_used_at', database.fn.now());
    },
  };
}
