import { ConnectorError } from '@on-the-way/sdk';
import type { RawEvent, RequestAudit, SinkWriter, WrittenRow } from '@on-the-way/sdk';
import { atMost } from '../at-most.ts';
import type { HostLog } from '../log.ts';
import { isUnreachable } from '../storage/database.ts';
import type { FreeSpace } from './free-space.ts';
import type { IngestWriter, Written } from './ports.ts';
import { createQueue, type Entry, type QueueLimits, type Wanted } from './queue.ts';

/** How much is taken on at once. */
export interface IngestLimits extends QueueLimits {
  /** Transactions under way: while one waits for the disk, the other is prepared. */
  readonly groups: number;
  /** Longest that a refused one waits for its line in the audit, in milliseconds. */
  readonly refusalWaitMs: number;
  /** Longest that closing waits for what is under way, and then again for what it gives up. */
  readonly closeMs: number;
}

/** What a host goes by. */
const defaultIngestLimits: IngestLimits = {
  // A batch of the most items in one.
  groupEvents: 1_000,
  groupBytes: 4 * 2 ** 20,
  groups: 2,
  waitingEvents: 8_000,
  waitingBytes: 64 * 2 ** 20,
  waitMs: 20_000,
  refusalWaitMs: 2_000,
  closeMs: 2_000,
};

/** What the writer works with. */
export interface GroupWriterParts {
  /** Opens the sink when first called, and again after a failure. */
  readonly sink: () => Promise<SinkWriter>;
  readonly freeSpace: FreeSpace;
  readonly log: HostLog;
  readonly limits?: Partial<IngestLimits>;
  /** Told how many events a transaction stored. */
  readonly onGroup?: (events: number) => void;
}

/** What is said of a key that holds something else, to the caller and in the audit. */
export const keyTaken = 'The key is taken by an event that says something else; nothing was overwritten';

function auditOf(event: RawEvent, receivedAt: number, row: WrittenRow | undefined): RequestAudit {
  const { requestId, sourceId, externalId } = event;
  const refused = row?.outcome === 'conflict';
  return {
    requestId,
    sourceId,
    externalId,
    receivedAt,
    status: refused ? 'error' : 'ok',
    errorCode: refused ? 'DUPLICATE_IDEMPOTENCY_KEY' : null,
    message: refused ? keyTaken : null,
  };
}

/** Credentials that the own database does not take now are no fault of the request: somebody is changing them. */
function asTold(error: unknown): unknown {
  if (!ConnectorError.is(error) || error.code !== 'config' || !isUnreachable(error.cause)) return error;
  return new ConnectorError('transient', error.message, { cause: error });
}

/** Writes the entries in one transaction; `signal` gives up on it. Settles none of them. */
async function writeTogether(
  parts: GroupWriterParts,
  group: readonly Entry[],
  signal: AbortSignal,
): Promise<readonly WrittenRow[]> {
  const sink = await parts.sink();
  if (!sink.writeAudited) throw new TypeError('Expected the sink of the own database to keep the audit');
  const events = group.flatMap(({ event }) => event ?? []);
  const { rows } = await sink.writeAudited(events, {
    signal,
    audit(found) {
      let next = 0;
      return group.map((entry) => entry.audit(entry.event && found[next++]));
    },
  });
  if (events.length > 0) parts.onGroup?.(events.length);
  return rows;
}

// Of a spoilt group: what is in a part that can be stored does not have to be written one by one.
const spoiltParts = 16;

/** In parts, down to one by one: what can be stored is not to suffer for what cannot. */
async function writeInParts(parts: GroupWriterParts, group: readonly Entry[]): Promise<void> {
  const expired = new Set<Entry>();
  for (const entry of group) {
    entry.expire = (error) => {
      expired.add(entry);
      entry.reject(error);
    };
  }
  const size = Math.ceil(group.length / spoiltParts);
  for (let from = 0; from < group.length; from += size) {
    const part = group.slice(from, from + size).filter((entry) => !expired.has(entry));
    if (part.length > 0) await writeGroup(parts, part);
  }
}

/** Writes a group, and parts of it where one of its members spoils it for the others; settles all. */
async function writeGroup(parts: GroupWriterParts, group: readonly Entry[]): Promise<void> {
  const giveUp = new AbortController();
  const expire = (error: unknown): void => giveUp.abort(error);
  for (const entry of group) entry.expire = expire;
  const givenUp = new Promise<never>((_resolve, reject) => {
    giveUp.signal.addEventListener('abort', () => reject(giveUp.signal.reason), { once: true });
  });
  const writing = writeTogether(parts, group, giveUp.signal);
  try {
    // A sink that has sent its commit hears no signal any more; the requests must not wait for it.
    const rows = await Promise.race([writing, givenUp]);
    let next = 0;
    for (const entry of group) entry.resolve(entry.event && rows[next++]);
  } catch (error) {
    const spoilt = ConnectorError.is(error) && error.code === 'bad_data' && group.length > 1;
    if (spoilt) await writeInParts(parts, group);
    else for (const entry of group) entry.reject(asTold(error));
  }
  // The place is free when the transaction has ended, not when nobody waits for it any more.
  await writing.catch(() => undefined);
}

/** What waits, and what is under way. */
interface Pump {
  /** Takes all of them, in order, or none. @throws ApiError 503 when too much is waiting. */
  add(wanted: readonly Wanted[]): void;
  /** See {@link IngestWriter.room}. */
  room(): Promise<void> | undefined;
  /** Resolves when nothing waits and nothing is under way. */
  drained(): Promise<void>;
  /** Ends every wait. */
  giveUp(): void;
}

function createPump(parts: GroupWriterParts, limits: IngestLimits): Pump {
  const queue = createQueue(limits);
  let underWay = 0;
  let scheduled = false;
  const drains: (() => void)[] = [];

  function flush(): void {
    scheduled = false;
    const group = queue.takeGroup();
    if (group.length > 0) {
      underWay += 1;
      void writeGroup(parts, group).finally(() => {
        underWay -= 1;
        schedule();
      });
    }
    schedule();
  }

  /** At the end of this turn of the event loop: what arrived in it is written together. */
  function schedule(): void {
    if (queue.isEmpty() && underWay === 0) for (const drained of drains.splice(0)) setImmediate(drained);
    if (scheduled || queue.isEmpty() || underWay >= limits.groups) return;
    scheduled = true;
    setImmediate(flush);
  }

  return {
    add(wanted) {
      queue.add(wanted);
      schedule();
    },
    room: queue.room,
    giveUp: queue.giveUp,
    drained: () =>
      new Promise((resolve) => {
        drains.push(resolve);
        schedule();
      }),
  };
}

// A line of the audit, or the parts of an event beside its payload.
const smallBytes = 512;

/** Who is to be told what became of something. */
type Ends = Pick<Wanted, 'resolve' | 'reject'>;

function wantedOf(event: RawEvent, receivedAt: number, { resolve, reject }: Ends): Wanted {
  return {
    event,
    bytes: smallBytes + event.payload.length,
    audit: (found) => auditOf(event, receivedAt, found),
    resolve,
    reject,
  };
}

const untold = 'Expected the sink to tell what became of the event, but it did not';

/** Waits for many at the price of one promise. */
function createTogether(count: number): { all: Promise<readonly Written[]>; endsOf: (at: number) => Ends } {
  const { promise: all, resolve: done } = Promise.withResolvers<readonly Written[]>();
  const found = Array.from<Written>({ length: count });
  let left = count;
  if (left === 0) done(found);
  const settle = (at: number, written: Written): void => {
    found[at] = written;
    left -= 1;
    if (left === 0) done(found);
  };
  return {
    all,
    endsOf: (at) => ({
      resolve: (row) => settle(at, row ?? { error: new Error(untold) }),
      reject: (error) => settle(at, { error }),
    }),
  };
}

/**
 * Makes the writer behind the ingest API: requests that arrive while others are being written are written
 * together, each with its own verdict and its own line in the audit. A lone request does not wait for others.
 */
export function createIngestWriter(parts: GroupWriterParts): IngestWriter {
  const limits = { ...defaultIngestLimits, ...parts.limits };
  const pump = createPump(parts, limits);

  async function note(audit: RequestAudit): Promise<void> {
    try {
      await new Promise<unknown>((resolve, reject) => {
        pump.add([{ event: undefined, bytes: smallBytes, audit: () => audit, resolve, reject }]);
      });
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      const { requestId: request_id, errorCode: code } = audit;
      parts.log.warn({ request_id, code, error: why }, 'refused request could not be audited');
    }
  }

  return {
    async write(event, receivedAt) {
      parts.freeSpace.check();
      const row = await new Promise<WrittenRow | undefined>((resolve, reject) => {
        pump.add([wantedOf(event, receivedAt, { resolve, reject })]);
      });
      if (!row) throw new Error(untold);
      return row;
    },
    writeAll(events, receivedAt) {
      parts.freeSpace.check();
      const { all, endsOf } = createTogether(events.length);
      pump.add(events.map((event, at) => wantedOf(event, receivedAt, endsOf(at))));
      return all;
    },
    room: () => pump.room(),
    refuse: (audit) => atMost(limits.refusalWaitMs, note(audit)),
    async close() {
      const drained = pump.drained();
      await atMost(limits.closeMs, drained);
      // Whoever still waits is told, and what hears it ends.
      pump.giveUp();
      await atMost(limits.closeMs, drained);
    },
  };
}
