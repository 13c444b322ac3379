import { setTimeout as delay } from 'node:timers/promises';
import { ConnectorError, type JsonValue, type Tokens } from '@on-the-way/sdk';
import { HostError } from '../host-error.ts';
import { takeAdvisoryLock } from './advisory-lock.ts';
import { isUnreachable } from './database.ts';
import { Fenced, type Fence } from './fence.ts';
import type { FencedField, SessionStore } from './session-store.ts';
import { readTokenFile } from './token-files.ts';

/** A connection's tokens, and the lock that `update` takes, for callers in another process. */
export interface SessionTokens extends Tokens {
  /** Resolves when nobody else can change the tokens, with what lets others at them again. */
  lock(): Promise<() => Promise<void>>;
}

/** What a connection's tokens are made of. */
export interface SessionTokensParts {
  readonly connection: string;
  /** Folder of token files other programs wrote: read where nothing is saved, never written. */
  readonly tokenDir: string;
  readonly store: SessionStore;
  readonly databaseUrl: string;
  readonly timeZone: string;
  /** Of the run that uses them; a person who signs in has none. */
  readonly fence?: Fence;
  /** How long to wait for another process that has the lock. Default 60 s: a renewal takes a few. */
  readonly lockWaitMs?: number;
  /** Learns every value that passes. */
  readonly seen: (value: unknown) => void;
  readonly warn: (message: string) => void;
}

const defaultLockWaitMs = 60_000;
// A database that restarts is back within seconds, and a rotated token that is lost cannot be had again.
const saveAgainAfterMs = [200, 1_000, 3_000];

function checkField(field: string): void {
  if (/^[a-z0-9_]{1,64}$/.test(field)) return;
  throw new ConnectorError(
    'config',
    `Expected a token field like oauth2_token, got ${JSON.stringify(field)}`,
  );
}

function away(connection: string, what: string, error: unknown): unknown {
  if (ConnectorError.is(error) || error instanceof HostError) return error;
  if (error instanceof Fenced) return new ConnectorError('transient', error.message, { cause: error });
  const code = error instanceof Error && 'code' in error ? ` (${String(error.code)})` : '';
  // Without what the driver says: it quotes the statement.
  return new ConnectorError(
    'transient',
    `Expected to ${what} of ${connection}, but the database failed${code}`,
  );
}

/** The lock that whoever changes a connection's tokens holds. */
export function tokenLockName(connection: string): string {
  return `on-the-way tokens ${connection}`;
}

function createQueue(): () => Promise<() => void> {
  let last = Promise.resolve();
  return async () => {
    const mine = Promise.withResolvers<void>();
    const before = last;
    last = mine.promise;
    await before;
    return mine.resolve;
  };
}

async function lockTokens(parts: SessionTokensParts): Promise<() => Promise<void>> {
  const { connection, databaseUrl, timeZone, lockWaitMs: waitMs = defaultLockWaitMs } = parts;
  const release = await takeAdvisoryLock({
    databaseUrl,
    timeZone,
    name: tokenLockName(connection),
    waitMs,
    hostId: parts.fence?.hostId,
    onLost: () => parts.warn('lost the session that holds the tokens'),
  });
  if (release) return release;
  throw new ConnectorError(
    'transient',
    `Expected the tokens of ${connection} to be free within ${waitMs / 1000} s, but another process is changing them: try again`,
  );
}

async function saveDurably(store: SessionStore, at: FencedField, value: JsonValue): Promise<void> {
  for (const waitMs of saveAgainAfterMs) {
    try {
      return await (value === null ? store.remove(at) : store.save(at, value));
    } catch (error) {
      if (!isUnreachable(error)) throw error;
      await delay(waitMs);
    }
  }
  await (value === null ? store.remove(at) : store.save(at, value));
}

/** A connection's tokens: encrypted in the database, or as another program left them in a folder. */
export function createSessionTokens(parts: SessionTokensParts): SessionTokens {
  const { connection, store, seen, fence } = parts;
  // One session of the database at most for all that wait in this process.
  const queue = createQueue();

  async function lock(): Promise<() => Promise<void>> {
    const next = await queue();
    try {
      const release = await lockTokens(parts);
      return () => release().finally(next);
    } catch (error) {
      next();
      throw away(connection, 'lock the tokens', error);
    }
  }

  async function load(field: string): Promise<JsonValue | undefined> {
    checkField(field);
    const saved = await store.load({ connection, field }).catch((error: unknown) => {
      throw away(connection, 'load the session', error);
    });
    const value = saved ?? readTokenFile(parts.tokenDir, field);
    seen(value);
    return value;
  }

  async function save(field: string, value: JsonValue): Promise<void> {
    checkField(field);
    seen(value);
    await saveDurably(store, { connection, field, ...(fence && { fence }) }, value).catch(
      (error: unknown) => {
        throw away(connection, 'save the session', error);
      },
    );
  }

  return {
    lock,
    load,
    save,
    async update(field, change) {
      const release = await lock();
      try {
        const saved = await load(field);
        const next = await change(saved);
        if (next !== undefined) await save(field, next);
        return next ?? saved;
      } finally {
        await release();
      }
    },
  };
}
