import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { Database } from './database.ts';
import { beginHostLife, hostLockSql, wakeChannel, type HostLife, type HostLifeParts } from './host-life.ts';

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
export interface HostRegistryParts extends Omit<HostLifeParts, 'onWake'> {
  readonly database: Database;
}

const reconnectAfterMs = 500;
// Without its session and not seen for this long: the process has ended, however it did.
const endedAfter = '2500 milliseconds';
// With its session and not seen for this long: stopped, or cut off. Its event loop may be blocked for 5 s in all good faith.
const silentAfter = '10 seconds';

/** A condition on a host's id: no session has its lock. */
export function hasNoSessionSql(hostId: string): string {
  return `not exists (
    select from pg_locks where locktype = 'advisory' and granted and objsubid = 1
      and database = (select oid from pg_database where datname = current_database())
      and ((classid::bigint << 32) | objid::bigint) = ${hostLockSql(hostId)})`;
}

/*
 * The lock of a session goes when its process does, however that ends, and says so within milliseconds; the time it was
 * last seen, by the database's clock, tells a host that is frozen or cut off.
 */
const reapSql = `
  with dead as (
    delete from app.host where seen_at < now() - interval '${silentAfter}'
      or (seen_at < now() - interval '${endedAfter}' and ${hasNoSessionSql('host_id')})
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

const listSql = `
  select host_id as "hostId", name, pid, role, version, started_at as "startedAt", seen_at as "seenAt"
  from app.host order by started_at, host_id`;

/** Listeners that can be told, and taken off. */
class Listeners {
  readonly #all = new Set<() => void>();
  readonly tell = (): void => {
    for (const listener of this.#all) listener();
  };
  readonly add = (listener: () => void): (() => void) => {
    this.#all.add(listener);
    return () => void this.#all.delete(listener);
  };
}

/** This process among the hosts. */
class Membership {
  readonly declaredDead = new Listeners();
  readonly woken = new Listeners();
  readonly #parts: HostLifeParts;
  #joining: Promise<string> | undefined;
  #life: HostLife | undefined;
  #left = false;

  constructor(parts: HostRegistryParts) {
    this.#parts = { ...parts, onWake: this.woken.tell };
  }

  async join(): Promise<string> {
    this.#joining ??= this.#begin();
    try {
      return await this.#joining;
    } catch (error) {
      this.#joining = undefined;
      throw error;
    }
  }

  async leave(): Promise<void> {
    this.#left = true;
    await this.#joining?.catch(() => undefined);
    await this.#life?.end();
  }

  async #begin(): Promise<string> {
    const hostId = randomUUID();
    this.#life = await beginHostLife({ hostId, isNew: true }, this.#parts);
    void this.#stay(hostId);
    return hostId;
  }

  /** Keeps a session going for as long as the host lives: a database that restarts is no end of it. */
  async #stay(hostId: string): Promise<void> {
    while (this.#life) {
      const how = await this.#life.over;
      if (this.#left) return;
      if (how === 'declared dead') break;
      this.#life = await this.#reconnect(hostId);
      if (this.#left) return void this.#life?.end();
    }
    this.#joining = undefined;
    this.#life = undefined;
    this.declaredDead.tell();
  }

  /** Resolves when there is a session again; with undefined when the host is no longer on the list. */
  async #reconnect(hostId: string): Promise<HostLife | undefined> {
    for (let told = false; !this.#left; told = true) {
      await delay(reconnectAfterMs, undefined, { ref: false });
      try {
        return await beginHostLife({ hostId, isNew: false }, this.#parts);
      } catch (error) {
        if (!told) this.#parts.warn('lost the session that shows that this host is alive', error);
      }
    }
    return undefined;
  }
}

/** Makes the registry; nothing is connected before the first `join`. */
export function createHostRegistry(parts: HostRegistryParts): HostRegistry {
  const { database } = parts;
  const membership = new Membership(parts);
  return {
    join: () => membership.join(),
    leave: () => membership.leave(),
    onDeclaredDead: membership.declaredDead.add,
    onWake: membership.woken.add,
    async wake() {
      await database.raw(`select pg_notify(?, '')`, [wakeChannel]);
    },
    reap: async () => (await database.raw<{ rows: Reaped[] }>(reapSql)).rows,
    list: async () => (await database.raw<{ rows: KnownHost[] }>(listSql)).rows,
  };
}
