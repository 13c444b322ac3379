import { hostname } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { Client } from 'pg';
import { clientConfig, isUnreachable } from './database.ts';

/** What a host says of itself, and where. */
export interface HostLifeParts {
  readonly databaseUrl: string;
  readonly timeZone: string;
  readonly role: string;
  readonly version: string;
  readonly warn: (message: string, error?: unknown) => void;
  /** Told when some host has something for the others to look at. */
  readonly onWake: () => void;
}

/** A session that shows that this host is alive: it holds a lock, and says so once a second. */
export interface HostLife {
  /** Resolves when it is over: `declared dead` by others, or the session is `lost`. */
  readonly over: Promise<'declared dead' | 'lost'>;
  /** Takes the host off the list and ends the session. Never rejects. */
  end(): Promise<void>;
}

/** Where hosts wake each other. */
export const wakeChannel = 'otw_wake';

/** SQL for the lock that a host's session holds; `hostId` is the name of a column. */
export function hostLockSql(hostId: string): string {
  return `hashtextextended('on-the-way host ' || ${hostId}, 0)`;
}

const seenEveryMs = 1_000;
// A session that the network swallowed must be found out well before others give this host up.
const answerWithinMs = 4_000;

/** Begins or goes on with a host; resolves with false when it is no longer on the list. */
async function register(
  client: Client,
  { hostId, isNew }: { readonly hostId: string; readonly isNew: boolean },
  { role, version }: HostLifeParts,
): Promise<boolean> {
  await client.connect();
  // Only tried: a session that the network swallowed may still have it, and being seen is proof enough.
  await client.query(`select pg_try_advisory_lock(${hostLockSql('$1::uuid')})`, [hostId]);
  await client.query(`listen ${wakeChannel}`);
  const { rowCount } = isNew
    ? await client.query(
        'insert into app.host (host_id, name, pid, role, version) values ($1, $2, $3, $4, $5)',
        [hostId, hostname(), process.pid, role, version],
      )
    : await client.query('update app.host set seen_at = now() where host_id = $1', [hostId]);
  return rowCount === 1;
}

/** Resolves when the host is no longer on the list; rejects when the session is lost, or over. */
async function beat(client: Client, hostId: string, over: AbortSignal): Promise<'declared dead'> {
  for (;;) {
    await delay(seenEveryMs, undefined, { ref: false, signal: over });
    const sql = 'update app.host set seen_at = now() where host_id = $1';
    const { rowCount } = await client.query(sql, [hostId]);
    if (rowCount === 0) return 'declared dead';
  }
}

/** One session's worth of life. Rejects when it cannot begin; undefined when others have declared the host dead. */
export async function beginHostLife(
  host: { readonly hostId: string; readonly isNew: boolean },
  parts: HostLifeParts,
): Promise<HostLife | undefined> {
  const usual = clientConfig(parts.databaseUrl, parts.timeZone);
  const client = new Client({ ...usual, query_timeout: answerWithinMs });
  const over = Promise.withResolvers<'declared dead' | 'lost'>();
  const ended = new AbortController();
  const close = (): Promise<void> => client.end().catch(() => undefined);
  client.on('error', () => over.resolve('lost'));
  client.on('end', () => over.resolve('lost'));
  client.on('notification', parts.onWake);
  let isListed: boolean;
  try {
    isListed = await register(client, host, parts);
  } catch (error) {
    void close();
    throw error;
  }
  if (!isListed) {
    await close();
    return undefined;
  }
  beat(client, host.hostId, ended.signal).then(over.resolve, () => {
    // To be told to end is no loss: the session is still to take the host off the list.
    if (!ended.signal.aborted) over.resolve('lost');
  });
  void over.promise.then(() => {
    ended.abort();
    void close();
  });
  return {
    over: over.promise,
    async end() {
      ended.abort();
      await client.query('delete from app.host where host_id = $1', [host.hostId]).catch((error: unknown) => {
        // With the session lost the others see that the host is gone.
        if (!isUnreachable(error)) parts.warn('could not take this host off the list', error);
      });
      over.resolve('lost');
      await close();
    },
  };
}
