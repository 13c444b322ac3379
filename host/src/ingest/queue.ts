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

/** What somebody wants written: an event and its line in the audit, or a line alone. */
export interface Wanted {
  readonly event: RawEvent | undefined;
  readonly bytes: number;
  readonly audit: (row: WrittenRow | undefined) => RequestAudit;
  /** Called once, unless `reject` is. */
  readonly resolve: (row: WrittenRow | undefined) => void;
  readonly reject: (error: unknown) => void;
}

/** Something that is wanted, and has been taken on. */
export class Entry {
  readonly event: RawEvent | undefined;
  readonly bytes: number;
  /** What was added with it is written in the same transaction where one holds it all. */
  readonly together: object;
  /** Until when it may wait, by the clock that nobody sets. */
  readonly dueAt: number;
  /** Ends the wait: of the queue, later of the transaction it is in. */
  expire: (error: ApiError) => void;
  readonly #wanted: Wanted;
  readonly #unsettled: Set<Entry>;

  constructor(wanted: Wanted, dueAt: number, { unsettled, leave, together }: Waiting) {
    this.event = wanted.event;
    this.bytes = wanted.bytes;
    this.together = together;
    this.dueAt = dueAt;
    this.#wanted = wanted;
    this.#unsettled = unsettled;
    this.expire = (error) => leave(this, error);
    unsettled.add(this);
  }

  audit(row: WrittenRow | undefined): RequestAudit {
    return this.#wanted.audit(row);
  }

  /** Only the first of the two counts. */
  resolve(row: WrittenRow | undefined): void {
    if (this.#unsettled.delete(this)) this.#wanted.resolve(row);
  }

  reject(error: unknown): void {
    if (this.#unsettled.delete(this)) this.#wanted.reject(error);
  }
}

/** What an entry is part of. */
interface Waiting {
  readonly unsettled: Set<Entry>;
  readonly leave: (entry: Entry, error: ApiError) => void;
  readonly together: object;
}

function tooLong(): ApiError {
  const message =
    'The database did not answer in time; the event may be stored or not: send it again, it is stored once';
  return new ApiError(503, 'DEPENDENCY_UNAVAILABLE', message, 5);
}

/** Requests that wait to be written, in the order they came. */
export interface Queue {
  /** Takes all of them or none. @throws ApiError 503 when too much is waiting. */
  add(wanted: readonly Wanted[]): void;
  /** Removes the first that fit into one transaction, at least one where there is one; see {@link Entry.together}. */
  takeGroup(): Entry[];
  isEmpty(): boolean;
  /** Undefined while less than half of what may wait does; otherwise resolves when that is so. */
  room(): Promise<void> | undefined;
  /** Ends every wait, also of entries that were taken. */
  giveUp(): void;
}

/** Those that fit into one transaction; at least one. What came together is not divided unless it fits into none. */
function fitting(entries: readonly Entry[], { groupEvents, groupBytes }: QueueLimits): number {
  let count = 0;
  // Where the entries that came with the last one begin.
  let begins = 0;
  for (let bytes = 0; count < entries.length; count += 1) {
    const entry = entries[count]!;
    const isDivided = entry.together === entries[count - 1]?.together;
    if (!isDivided) begins = count;
    bytes += entry.bytes;
    if (count > 0 && (count === groupEvents || bytes > groupBytes))
      return isDivided && begins > 0 ? begins : count;
  }
  return count;
}

/** Ends the waits of those that are due. All wait as long, so that the first that came is the first that is due. */
function watchOver(unsettled: ReadonlySet<Entry>): () => void {
  let timer: NodeJS.Timeout | undefined;
  const expire = (): void => {
    timer = undefined;
    const now = performance.now();
    for (const entry of unsettled) {
      if (entry.dueAt > now) break;
      entry.expire(tooLong());
    }
    watch();
  };
  const watch = (): void => {
    const oldest: Entry | undefined = unsettled.values().next().value;
    if (oldest) timer ??= setTimeout(expire, Math.max(1, oldest.dueAt - performance.now())).unref();
  };
  return watch;
}

/** Those who wait until there is room. */
function createWaiters(isCrowded: () => boolean): {
  room: () => Promise<void> | undefined;
  tell: () => void;
} {
  const waiters: (() => void)[] = [];
  return {
    room: () => (isCrowded() ? new Promise((resolve) => waiters.push(resolve)) : undefined),
    tell() {
      if (waiters.length > 0 && !isCrowded()) for (const waiter of waiters.splice(0)) waiter();
    },
  };
}

/** Makes an empty one. */
export function createQueue(limits: QueueLimits): Queue {
  const queue: Entry[] = [];
  const unsettled = new Set<Entry>();
  const watch = watchOver(unsettled);
  let waitingBytes = 0;
  const { room, tell } = createWaiters(
    () => queue.length * 2 > limits.waitingEvents || waitingBytes * 2 > limits.waitingBytes,
  );

  function leave(entry: Entry, error: ApiError): void {
    const at = queue.indexOf(entry);
    if (at < 0) return;
    queue.splice(at, 1);
    waitingBytes -= entry.bytes;
    entry.reject(error);
    tell();
  }

  return {
    add(wanted) {
      const bytes = wanted.reduce((sum, one) => sum + one.bytes, waitingBytes);
      if (queue.length + wanted.length > limits.waitingEvents || bytes > limits.waitingBytes)
        throw new ApiError(503, 'OVERLOADED', 'Too much is waiting to be written; try again shortly', 1);
      const dueAt = performance.now() + limits.waitMs;
      const waiting = { unsettled, leave, together: wanted };
      for (const one of wanted) queue.push(new Entry(one, dueAt, waiting));
      waitingBytes = bytes;
      watch();
    },
    takeGroup() {
      const group = queue.splice(0, fitting(queue, limits));
      for (const { bytes } of group) waitingBytes -= bytes;
      tell();
      return group;
    },
    isEmpty: () => queue.length === 0,
    room,
    giveUp() {
      for (const entry of unsettled) entry.expire(tooLong());
    },
  };
}
