import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { Database } from './database.ts';
import { beginHostLife, wakeChannel, type HostLife, type HostLifeParts } from './host-life.ts';
import { endTokenLocks, reapHosts, type Reaped } from './reap-hosts.ts';

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
  /** How many connections it has. */
  readonly connections: number;
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
  /** Declares hosts dead that are; resolves with the connections that nobody has any more, which are due. */
  reap(): Promise<readonly Reaped[]>;
  /** Told of connections that this process has freed of a dead host. Returns what ends it. */
  onReaped(listener: (reaped: readonly Reaped[]) => void): () => void;
  /** How many connections this process has freed of dead hosts. */
  takeovers(): number;
  list(): Promise<readonly KnownHost[]>;
  /** Takes this process off the list; whatever it still holds is free. */
  leave(): Promise<void>;
}

/** What the registry is made of. */
export interface HostRegistryParts extends Omit<HostLifeParts, 'onWake'> {
  readonly database: Database;
}

const reconnectAfterMs = 500;
const listSql = `
  select host_id as "hostId", name, pid, role, version, started_at as "startedAt", seen_at as "seenAt",
    (select count(*)::int from app.connection_claim as claim where claim.host_id = host.host_id) as connections
  from app.host as host order by started_at, host_id`;

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
  const reapedListeners = new Set<(reaped: readonly Reaped[]) => void>();
  let takeovers = 0;
  return {
    join: () => membership.join(),
    leave: () => membership.leave(),
    onDeclaredDead: membership.declaredDead.add,
    onWake: membership.woken.add,
    async wake() {
      await database.raw(`select pg_notify(?, '')`, [wakeChannel]);
    },
    async reap() {
      const reaped = await reapHosts(database);
      takeovers += reaped.length;
      if (reaped.length === 0) return reaped;
      for (const listener of reapedListeners) listener(reaped);
      await endTokenLocks(database).catch((error: unknown) =>
        parts.warn(
          'could not end the sessions of a host that ended: its token locks last as long as they do',
          error,
        ),
      );
      return reaped;
    },
    takeovers: () => takeovers,
    onReaped(listener) {
      reapedListeners.add(listener);
      return () => void reapedListeners.delete(listener);
    },
    list: async () => (await database.raw<{ rows: KnownHost[] }>(listSql)).rows,
  };
}
