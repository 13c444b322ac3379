import { timingSafeEqual } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { Clock } from '@on-the-way/core';
import type { HostLog } from '../log.ts';
import { hashOfKey, keyPrefixLength, type ApiKeyStore, type StoredKey } from '../storage/api-keys.ts';
import { isUnreachable } from '../storage/database.ts';
import type { Scope } from './route.ts';

/** Who asks, by the key that was shown. */
export interface KeyHolder {
  /** Tells holders apart; no secret. */
  readonly id: string;
  /** For the log: the first characters of the key, or the name of the variable. */
  readonly label: string;
  readonly scopes: readonly Scope[];
}

/** Tells whose key a text is. */
export interface KeyRing {
  /**
   * The holder, or undefined for a text that is no key, or one that has ended.
   *
   * @throws what the store throws, when no key was ever read.
   */
  holderOf(text: string): Promise<KeyHolder | undefined>;
}

/** What the ring is made of. */
export interface KeyRingParts {
  readonly store: ApiKeyStore;
  /** The key of OTW_API_KEY. */
  readonly apiKey?: string | undefined;
  readonly clock: Clock;
  readonly log: HostLog;
}

// What is known of the keys is read again when it is this old and somebody asks; together with the time one waits
// for that it is how long a revoked key may go on being taken.
const freshForMs = 3_000;
const waitAtMostMs = 2_000;
// A key that is not known may just have been made; guesses must not cost a query each.
const askAgainAfterMs = 50;
const rememberUseEveryMs = 60_000;

/** The first characters of a text that looks like one of our keys; nothing of any other, which may be a password. */
export function prefixOfKey(text: string): string | undefined {
  return /^otw_[\w-]{43}$/.test(text) ? text.slice(0, keyPrefixLength) : undefined;
}

/** Resolves with the promise, or after a time. */
async function settled(promise: Promise<void>, withinMs: number): Promise<void> {
  const { promise: late, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, withinMs);
  await Promise.race([promise, late]);
  clearTimeout(timer);
}

/** The usable keys, kept for a moment so that a request costs no query. */
class KnownKeys {
  readonly #store: ApiKeyStore;
  #byPrefix: ReadonlyMap<string, StoredKey> | undefined;
  #readAt = Number.NEGATIVE_INFINITY;
  #reading: Promise<void> | undefined;
  #failure: unknown;

  constructor(store: ApiKeyStore) {
    this.#store = store;
  }

  async #read(): Promise<void> {
    this.#readAt = performance.now();
    try {
      const keys = await this.#store.usable();
      this.#byPrefix = new Map(keys.map((key) => [key.prefix, key]));
      this.#failure = undefined;
    } catch (error) {
      this.#failure = error;
      // While the database is away nobody can revoke a key there either: what is known goes on holding.
      if (!isUnreachable(error)) this.#byPrefix = undefined;
    } finally {
      this.#reading = undefined;
    }
  }

  /** Reads them again unless that was begun at this time or later. */
  async #readSince(time: number): Promise<void> {
    const waitAtMost = this.#byPrefix ? waitAtMostMs : 60_000;
    if (this.#reading) await settled(this.#reading, waitAtMost);
    if (this.#readAt >= time) return;
    this.#reading ??= this.#read();
    await settled(this.#reading, waitAtMost);
  }

  /** The key with this prefix, as of a moment ago; one that was not there then, as of now. */
  async get(prefix: string): Promise<StoredKey | undefined> {
    const askedAt = performance.now();
    const isFresh = this.#byPrefix && askedAt - this.#readAt <= freshForMs;
    if (!isFresh) await this.#readSince(askedAt - freshForMs);
    if (this.#byPrefix && !this.#byPrefix.has(prefix)) {
      await delay(Math.max(0, this.#readAt + askAgainAfterMs - performance.now()));
      await this.#readSince(askedAt);
    }
    if (!this.#byPrefix) throw this.#failure ?? new Error('Expected the keys to be read by now');
    return this.#byPrefix.get(prefix);
  }
}

/** Makes the ring; nothing is read before the first key is shown. */
export function createKeyRing({ store, apiKey, clock, log }: KeyRingParts): KeyRing {
  const known = new KnownKeys(store);
  const ownHash = apiKey === undefined ? undefined : hashOfKey(apiKey);
  const own: KeyHolder = { id: 'OTW_API_KEY', label: 'OTW_API_KEY', scopes: ['admin'] };
  const usedAt = new Map<string, number>();

  function rememberUse({ keyId }: StoredKey): void {
    const now = performance.now();
    if (now - (usedAt.get(keyId) ?? Number.NEGATIVE_INFINITY) < rememberUseEveryMs) return;
    usedAt.set(keyId, now);
    store.used(keyId).catch((error: unknown) => {
      log.debug({ error: error instanceof Error ? error.message : String(error) }, 'use of a key not noted');
    });
  }

  return {
    async holderOf(text) {
      const hash = hashOfKey(text);
      if (ownHash && timingSafeEqual(hash, ownHash)) return own;
      const prefix = prefixOfKey(text);
      if (prefix === undefined) return undefined;
      const found = await known.get(prefix);
      if (!found || !timingSafeEqual(hash, found.hash)) return undefined;
      if (found.expiresAt && found.expiresAt.getTime() <= clock.now()) return undefined;
      rememberUse(found);
      return { id: found.keyId, label: prefix, scopes: found.scopes };
    },
  };
}
