import type { RawEvent, RequestAudit, WrittenRow } from '@on-the-way/sdk';
import { ApiError } from '../http/api-error.ts';

/** How much may wait, how long, and how much of it is taken at once. */
export interface QueueLimits {
  /** Events of one transaction. */
  readonly groupEvents: number;
  readonly groupBytes: number;
  /** Events waiting for a transaction; more are refused. */
  readonly waitingEvents: number;
  readonly waitingBytes: number;
  /** Longest that a request waits for its answer, in milliseconds. */
  readonly waitMs: number;
}

/** One request that waits for its line in the audit, and for its event where it has one. */
export interface Entry {
  readonly event: RawEvent | undefined;
  readonly bytes: number;
  readonly audit: (row: WrittenRow | undefined) => RequestAudit;
  readonly resolve: (row: WrittenRow | undefined) => void;
  readonly reject: (error: unknown) => void;
  /** Ends the wait: of the queue, later of the transaction it is in. */
  expire: (error: ApiError) => void;
}

/** An entry that nobody waits for yet. */
export type Wanted = Omit<Entry, 'resolve' | 'reject' | 'expire'>;

function tooLong(): ApiError {
  const message =
    'The database did not answer in time; the event may be stored or not: send it again, it is stored once';
  return new ApiError(503, 'DEPENDENCY_UNAVAILABLE', message, 5);
}

/** Requests that wait to be written, in the order they came. */
export interface Queue {
  /** Takes all the entries or none; each promise settles with its entry. @throws ApiError 503 when too much is waiting. */
  add(entries: readonly Wanted[]): Promise<WrittenRow | undefined>[];
  /** Removes the first that fit into one transaction; at least one where there is one. */
  takeGroup(): Entry[];
  isEmpty(): boolean;
  /** Ends every wait, also of entries that were taken. */
  giveUp(): void;
}

/** Those that fit into one transaction; at least one. */
function fitting(entries: readonly Entry[], { groupEvents, groupBytes }: QueueLimits): number {
  let count = 0;
  for (let bytes = 0; count < entries.length && count < groupEvents; count += 1) {
    bytes += entries[count]?.bytes ?? 0;
    if (count > 0 && bytes > groupBytes) break;
  }
  return count;
}

/** Makes an empty one. */
export function createQueue(limits: QueueLimits): Queue {
  const queue: Entry[] = [];
  const unsettled = new Set<Entry>();
  let waitingBytes = 0;

  function leave(entry: Entry, error: ApiError): void {
    queue.splice(queue.indexOf(entry), 1);
    waitingBytes -= entry.bytes;
    entry.reject(error);
  }

  function enter(wanted: Wanted): Promise<WrittenRow | undefined> {
    const { promise, resolve, reject } = Promise.withResolvers<WrittenRow | undefined>();
    const timer = setTimeout(() => entry.expire(tooLong()), limits.waitMs);
    const entry: Entry = { ...wanted, resolve, reject, expire: (error) => leave(entry, error) };
    queue.push(entry);
    unsettled.add(entry);
    waitingBytes += entry.bytes;
    return promise.finally(() => {
      clearTimeout(timer);
      unsettled.delete(entry);
    });
  }

  return {
    add(entries) {
      const bytes = entries.reduce((sum, entry) => sum + entry.bytes, waitingBytes);
      if (queue.length + entries.length > limits.waitingEvents || bytes > limits.waitingBytes)
        throw new ApiError(503, 'OVERLOADED', 'Too much is waiting to be written; try again shortly', 1);
      return entries.map(enter);
    },
    takeGroup() {
      const group = queue.splice(0, fitting(queue, limits));
      for (const { bytes } of group) waitingBytes -= bytes;
      return group;
    },
    isEmpty: () => queue.length === 0,
    giveUp() {
      for (const entry of unsettled) entry.expire(tooLong());
    },
  };
}
