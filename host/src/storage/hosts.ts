import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { Client } from 'pg';
import { clientConfig, type Database } from './database.ts';

/** A process that may hold connections. */
export interface KnownHost {
  readonly hostId: string;
  /** Of the machine. */
  readonly name: string;
  readonly pid: number;
  /** `all`, `worker`, or the command. */
  readonly role: string;
  readonly version: string;
  readonly startedAt: Date;
  readonly seenAt: Date;
}

/** A connection that a dead host had. */
export interface Reaped {
  readonly connection: string;
  readonly runId: string | null;
  /** The queue's job, where the run had one. */
  readonly jobId: string | null;
}

/** Who is there, and who was. */
export interface HostRegistry {
  /** This process's id while it is alive; registers at the first call, and anew after it was declared dead. */
  join(): Promise<string>;
  /** Told once when other hosts have declared this one dead: everything it held is theirs. Returns what ends it. */
  onDeclaredDead(listener: () => void): () => void;
  /** Told when some host has something for the others to look at. Returns what ends it. */
  onWake(listener: () => void): () => void;
  /** Wakes the hosts of this database that have joined. */
  wake(): Promise<void>;
  /** Declares hosts dead that are; resolves with the connections that nobody has any more. */
  reap(): Promise<readonly Reaped[]>;
  list(): Promise<readonly KnownHost[]>;
  /** Takes this process off the list; whatever it still holds is free. */
  leave(): Promise<void>;
}

/** What the registry is made of. */
export interface HostRegistryParts {
  readonly database: Database;
  readonly databaseUrl: string;
  readonly timeZone: string;
  readonly role: string;
  readonly version: string;
  readonly warn: (message: string, error?: unknown) => void;
}

const seenEveryMs = 1_000;
const reconnectAfterMs = 500;
// A session that the network swallowed must be found out well before others give this host up.
const answerWithinMs = 4_000;
// Without its session and not seen for this long: the process has ended, however it did.
const endedAfter = '2500 milliseconds';
// With its session and not seen for this long: stopped, or cut off. Its event loop may be blocked for 5 s in all good faith.
const silentAfter = '10 seconds';
const wakeChannel = 'otw_wake';

const lockOf = (hostId: string): string => `on-the-way host ${hostId}`;

/*
 * The lock of a session goes when its process does, however that ends, and says so within milliseconds; the time it was
 * last seen, by the database's clock, tells a host that is frozen or cut off.
 */
const reapSql = `
  with dead as (
    delete from app.host where seen_at < now() - interval '${silentAfter}'
      or (seen_at < now() - interval '${endedAfter}' and not exists (
        select from pg_locks where locktype = 'advisory' and granted and objsubid = 1
          and database = (select oid from pg_database where datname = current_database())
          and ((classid::bigint << 32) | objid::bigint) = hashtextextended('${lockOf('')}' || host_id, 0)))
    returning host_id),
  freed as (
    update app.connection_claim as claim set host_id = null, epoch = claim.epoch + 1
    where claim.host_id is not null
      and (claim.host_id in (select host_id from dead) or not exists (select from app.host where host_id = claim.host_id))
    returning connection, run_id, job_id),
  ended as (
    update app.run set status = 'interrupted', finished_at = now(), error_code = 'host_ended',
      error_message = 'The host ended before the run did'
    where run_id in (select run_id from freed) and status = 'running')
  select connection, run_id as "runId", job_id as "jobId" from freed`;

/** A session that shows that this host is alive: it holds a lock, and says so once a second. */
interface Life {
  readonly hostId: string;
  /** Resolves when it is over; true when others have declared the host dead. */
  readonly over: Promise<boolean>;
  end(): Promise<void>;
}

interface Listeners {
  readonly declaredDead: Set<() => void>;
  readonly wake: Set<() => void>;
}

async function register(client: Client, hostId: string, parts: HostRegistryParts): Promise<boolean> {
  await client.connect();
  await client.query('select pg_advisory_lock(hashtextextended($1, 0))', [lockOf(hostId)]);
  await client.query(`listen ${wakeChannel}`);
  const { rowCount } = await client.query(
    `insert into app.host as known (host_id, name, pid, role, version) values ($1, $2, $3, $4, $5)
     on conflict (host_id) do update set seen_at = now()`,
    [hostId, hostname(), process.pid, parts.role, parts.version],
  );
  return rowCount === 1;
}

async function beat(client: Client, hostId: string, isOver: () => boolean): Promise<'dead' | 'over'> {
  while (!isOver()) {
    await delay(seenEveryMs, undefined, { ref: false });
    if (isOver()) break;
    const { rowCount } = await client.query('update app.host set seen_at = now() where host_id = $1', [
      hostId,
    ]);
    if (rowCount === 0) return 'dead';
  }
  return 'over';
}

/** One session's worth of life; rejects when it cannot begin. */
async function live(hostId: string, parts: HostRegistryParts, listeners: Listeners): Promise<Life> {
  const usual = clientConfig(parts.databaseUrl, parts.timeZone);
  const client = new Client({ ...usual, query_timeout: answerWithinMs });
  const lost = Promise.withResolvers<boolean>();
  let ended = false;
  client.on('error', () => lost.resolve(false));
  client.on('end', () => lost.resolve(false));
  client.on('notification', () => {
    for (const listener of listeners.wake) listener();
  });
  try {
    await register(client, hostId, parts);
  } catch (error) {
    await client.end().catch(() => undefined);
    throw error;
  }
  beat(client, hostId, () => ended).then(
    (how) => lost.resolve(how === 'dead'),
    () => lost.resolve(false),
  );
  return {
    hostId,
    over: lost.promise.finally(() => {
      ended = true;
      void client.end().catch(() => undefined);
    }),
    async end() {
      ended = true;
      await client
        .query('delete from app.host where host_id = $1', [hostId])
        .catch((error: unknown) => parts.warn('could not take this host off the list', error));
      lost.resolve(false);
      await client.end().catch(() => undefined);
    },
  };
}

/** Makes the registry; nothing is connected before the first `join`. */
export function createHostRegistry(parts: HostRegistryParts): HostRegistry {
  const { database, warn } = parts;
  const listeners: Listeners = { declaredDead: new Set(), wake: new Set() };
  let joining: Promise<string> | undefined;
  let life: Life | undefined;
  let left = false;

  /** Keeps a session going for as long as the host lives: a database that restarts is no end of it. */
  async function keepAlive(hostId: string): Promise<void> {
    for (;;) {
      const declaredDead = await life?.over;
      if (left) return;
      if (declaredDead === true) break;
      await delay(reconnectAfterMs, undefined, { ref: false });
      if (left) return;
      try {
        const { rows } = await database.raw<{ rows: unknown[] }>('select from app.host where host_id = ?', [
          hostId,
        ]);
        if (rows.length === 0) break;
        life = await live(hostId, parts, listeners);
      } catch (error) {
        warn('the database is away', error);
      }
    }
    joining = undefined;
    life = undefined;
    for (const listener of listeners.declaredDead) listener();
  }

  async function begin(): Promise<string> {
    const hostId = randomUUID();
    life = await live(hostId, parts, listeners);
    void keepAlive(hostId);
    return hostId;
  }

  function on(set: Set<() => void>): (listener: () => void) => () => void {
    return (listener) => {
      set.add(listener);
      return () => void set.delete(listener);
    };
  }

  return {
    async join() {
      joining ??= begin();
      try {
        return await joining;
      } catch (error) {
        joining = undefined;
        throw error;
      }
    },
    onDeclaredDead: on(listeners.declaredDead),
    onWake: on(listeners.wake),
    async wake() {
      await database.raw(`select pg_notify(?, '')`, [wakeChannel]);
    },
    async reap() {
      return (await database.raw<{ rows: Reaped[] }>(reapSql)).rows;
    },
    async list() {
      const { rows } = await database.raw<{ rows: KnownHost[] }>(
        `select host_id as "hostId", name, pid, role, version, started_at as "startedAt", seen_at as "seenAt"
         from app.host order by started_at, host_id`,
      );
      return rows;
    },
    async leave() {
      left = true;
      await joining?.catch(() => undefined);
      await life?.end();
    },
  };
}
