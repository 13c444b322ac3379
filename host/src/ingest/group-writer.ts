import { ConnectorError } from '@on-the-way/sdk';
import type { RawEvent, RequestAudit, SinkWriter, WrittenRow } from '@on-the-way/sdk';
import { atMost } from '../at-most.ts';
import type { HostLog } from '../log.ts';
import { isUnreachable } from '../storage/database.ts';
import type { FreeSpace } from './free-space.ts';
import { createQueue, type Entry, type QueueLimits, type Wanted } from './queue.ts';
import type { IngestWriter } from './ports.ts';

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
  groupEvents: 256,
  groupBytes: 4 * 2 ** 20,
  groups: 2,
  waitingEvents: 2_000,
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
  const withEvent = group.filter(({ event }) => event !== undefined);
  const sink = await parts.sink();
  if (!sink.writeAudited) throw new TypeError('Expected the sink of the own database to keep the audit');
  const { rows } = await sink.writeAudited(
    withEvent.flatMap(({ event }) => event ?? []),
    {
      signal,
      audit: (found) => {
        const rowOf = new Map(withEvent.map((entry, index) => [entry, found[index]]));
        return group.map((entry) => entry.audit(rowOf.get(entry)));
      },
    },
  );
  if (withEvent.length > 0) parts.onGroup?.(withEvent.length);
  return rows;
}

/** One by one: what can be stored is not to suffer for what cannot. */
async function writeSingly(parts: GroupWriterParts, group: readonly Entry[]): Promise<void> {
  const expired = new Set<Entry>();
  for (const entry of group) {
    entry.expire = (error) => {
      expired.add(entry);
      entry.reject(error);
    };
  }
  for (const entry of group) if (!expired.has(entry)) await writeGroup(parts, [entry]);
}

/** Writes a group, and its members one by one where one of them spoils it for the others; settles all. */
async function writeGroup(parts: GroupWriterParts, group: readonly Entry[]): Promise<void> {
  const giveUp = new AbortController();
  for (const entry of group) entry.expire = (error) => giveUp.abort(error);
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
    if (spoilt) await writeSingly(parts, group);
    else for (const entry of group) entry.reject(asTold(error));
  }
  // The place is free when the transaction has ended, not when nobody waits for it any more.
  await writing.catch(() => undefined);
}

/** What waits, and what is under way. */
interface Pump {
  /** Takes all the entries, in order, or none. @throws ApiError 503 when too much is waiting. */
  add(entries: readonly Wanted[]): Promise<WrittenRow | undefined>[];
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
    add(entries) {
      const settled = queue.add(entries);
      schedule();
      return settled;
    },
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

function wantedOf(event: RawEvent, receivedAt: number): Wanted {
  return {
    event,
    bytes: smallBytes + event.payload.length,
    audit: (found) => auditOf(event, receivedAt, found),
  };
}

async function rowIn(writing: Promise<WrittenRow | undefined>): Promise<WrittenRow> {
  const row = await writing;
  if (!row) throw new Error('Expected the sink to tell what became of the event, but it did not');
  return row;
}

/**
 * Makes the writer behind the ingest API: requests that arrive while others are being written are written
 * together, each with its own verdict and its own line in the audit. A lone request does not wait for others.
 */
export function createIngestWriter(parts: GroupWriterParts): IngestWriter {
  const limits = { ...defaultIngestLimits, ...parts.limits };
  const pump = createPump(parts, limits);

  function writeAll(events: readonly RawEvent[], receivedAt: number): readonly Promise<WrittenRow>[] {
    parts.freeSpace.check();
    return pump.add(events.map((event) => wantedOf(event, receivedAt))).map(rowIn);
  }

  async function note(audit: RequestAudit): Promise<void> {
    try {
      await Promise.all(pump.add([{ event: undefined, bytes: smallBytes, audit: () => audit }]));
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      const { requestId: request_id, errorCode: code } = audit;
      parts.log.warn({ request_id, code, error: why }, 'refused request could not be audited');
    }
  }

  return {
    async write(event, receivedAt) {
      const [written] = await Promise.all(writeAll([event], receivedAt));
      return written as WrittenRow;
    },
    writeAll,
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
