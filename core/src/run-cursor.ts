import type { Accounts } from './accounts.ts';
import { canonicalJson } from './canonical-json.ts';
import type { Reach } from './crash-points.ts';
import type { Slice } from './plan-slices.ts';
import type { Clock, Cursors, OpenConnector } from './ports.ts';
import { storeEvents, type emptyTally } from './run-slice.ts';

/** What a turn at a cursor dataset works with. */
export interface CursorParts {
  readonly connector: OpenConnector;
  readonly accounts: Accounts;
  /** Without it every fetch begins at the start. */
  readonly cursors: Cursors | undefined;
  /** What the slice brought so far, over all turns and tries. */
  readonly tally: ReturnType<typeof emptyTally>;
  readonly clock: Clock;
  /** Told to begin nothing more: the turn ends at its next checkpoint. */
  readonly drain: AbortSignal | undefined;
  readonly reach: Reach | undefined;
}

// Others of the connection wait meanwhile, and a try must end within its time-out, which is two minutes by default.
const turnMs = 30_000;

/**
 * Reads a cursor dataset on from its last checkpoint and keeps each checkpoint once every event before it is durable, or
 * set aside with its bytes: one that no sink takes must not hold up those behind it. Resolves with whether there is
 * more: a turn ends at the first checkpoint after half a minute.
 */
export async function fetchCursor(
  { dataset, window }: Slice,
  requestId: string,
  parts: CursorParts,
  signal: AbortSignal,
): Promise<{ readonly more: boolean }> {
  const { connector, accounts, cursors, tally, clock, drain, reach } = parts;
  const until = clock.now() + turnMs;
  const cursor = await cursors?.load(dataset);
  let last = cursor === undefined ? undefined : canonicalJson(cursor);
  let since = 0;
  const request = { dataset, window, requestId, ...(cursor !== undefined && { cursor }) };
  for await (const { events, checkpoint } of connector.fetch(request, signal)) {
    reach?.('batch-fetched');
    if (events.length > 0) {
      reach?.('before-write');
      const { rows, failure } = await storeEvents(accounts, { dataset, events }, signal);
      reach?.('after-write');
      for (const [index, { note }] of events.entries()) {
        const outcome = rows[index]?.outcome ?? 'given_up';
        if (outcome === 'given_up') throw failure ?? new Error(`Expected the sink to answer for each event`);
        tally.events += 1;
        if (note !== undefined) tally.note ??= note;
        if (outcome === 'conflict') tally.conflicts += 1;
        else if (outcome !== 'set_aside') tally[outcome] += 1;
      }
      since += events.length;
    }
    if (checkpoint === undefined) continue;
    const here = canonicalJson(checkpoint);
    if (here !== last || since > 0) {
      signal.throwIfAborted();
      reach?.('before-cursor');
      await cursors?.save(dataset, { cursor: checkpoint, events: since });
      reach?.('after-cursor');
    }
    last = here;
    since = 0;
    if (drain?.aborted === true || clock.now() >= until) return { more: true };
  }
  return { more: false };
}
