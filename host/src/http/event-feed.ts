import { isUnasked, type Bus, type EngineEvents, type SliceOutcome } from '@on-the-way/core';
import { addDays, formatInstant } from '@on-the-way/sdk';
import { summaryJson } from '../summary-json.ts';

/** Something that happened, as GET /v1/events tells it. */
export interface ToldEvent {
  /** Rises from event to event, also over restarts of the host. */
  readonly id: number;
  readonly connection: string;
  /** The event as text, ready to be sent. */
  readonly text: string;
}

/** Tells whoever listens what the engine does, and remembers the last of it. */
export interface EventFeed {
  /** Called with every event from now on; gives back what ends that. */
  listen(listener: (event: ToldEvent) => void): () => void;
  /** What came after this id, as far as it is remembered; `complete` says whether that is all of it. */
  since(id: number): { readonly events: readonly ToldEvent[]; readonly complete: boolean };
  /** How many listen. */
  size(): number;
}

/** What the feed is built from. */
interface FeedParts {
  readonly bus: Bus;
  /** When the host started, milliseconds since 1970: ids go on from there. */
  readonly startedAt: number;
  readonly timeZone: string;
  /** Takes secrets out of a text. */
  readonly clean: (text: string) => string;
}

const remembered = 1000;
// A host that tells fewer events in a millisecond than this never gives an id again after a restart.
const idsPerMillisecond = 1000;

function countsOf(outcomes: readonly SliceOutcome[]) {
  const days = { ok: 0, no_data: 0, not_supported: 0, failed: 0, not_asked: 0 };
  const counts = { ...days, written: 0, unchanged: 0, conflicts: 0 };
  for (const one of outcomes) {
    counts[isUnasked(one) ? 'not_asked' : one.outcome] += 1;
    counts.written += one.rowsWritten;
    counts.unchanged += one.rowsUnchanged;
    counts.conflicts += one.conflicts;
  }
  return counts;
}

function sliceJson({ runId, connection, slice, outcomes }: EngineEvents['slice:finished'][0]) {
  const failed = outcomes.find(({ outcome }) => outcome === 'failed');
  return {
    run_id: runId,
    connection,
    dataset: slice.dataset,
    from: slice.window.from,
    to: addDays(slice.window.to, -1),
    counts: countsOf(outcomes),
    error: failed ? { code: failed.errorCode ?? 'internal', message: failed.errorMessage ?? null } : null,
  };
}

/** What is told; each batch of events would be too much, and the run says what they add up to. */
type Told = Omit<EngineEvents, 'events:counted'>;

/** Every event that is told as its data, in the API's spelling. */
function describe(timeZone: string): {
  readonly [Name in keyof Told]: (event: Told[Name][0]) => { readonly connection: string };
} {
  return {
    'run:started': ({ runId, connection, slices, at }) => ({
      run_id: runId,
      connection,
      slices,
      started_at: formatInstant(at, timeZone),
    }),
    'run:finished': (summary) => summaryJson(summary, timeZone),
    'slice:finished': sliceJson,
    'slice:retry': ({ connection, dataset, attempt, delayMs, message }) => ({
      connection,
      dataset,
      attempt,
      delay_ms: Math.round(delayMs),
      message,
    }),
    'question:failed': ({ connection, question, code, message }) => ({ connection, question, code, message }),
    'breaker:opened': ({ connection, dataset }) => ({ connection, dataset }),
    'breaker:closed': ({ connection, dataset }) => ({ connection, dataset }),
  };
}

/** Makes the feed; it follows the bus from then on. */
export function createEventFeed({ bus, startedAt, timeZone, clean }: FeedParts): EventFeed {
  const listeners = new Set<(event: ToldEvent) => void>();
  const first = startedAt * idsPerMillisecond + 1;
  let next = first;
  let ring: ToldEvent[] = [];

  function tell(name: string, data: { readonly connection: string }): void {
    const id = next;
    next += 1;
    const text = `id: ${id}\nevent: ${name}\ndata: ${clean(JSON.stringify(data))}\n\n`;
    const event = { id, connection: data.connection, text };
    ring.push(event);
    // Cut in steps: an array that loses its first member each time would be copied each time.
    if (ring.length >= 2 * remembered) ring = ring.slice(-remembered);
    for (const listener of listeners) listener(event);
  }

  const shapes = describe(timeZone);
  const follow = <Name extends keyof Told>(name: Name): void => {
    const shape: (event: Told[Name][0]) => { readonly connection: string } = shapes[name];
    // The one cast: the bus does not tell its types apart by a name that is a parameter.
    const tellOf = ((event: Told[Name][0]) => tell(name, shape(event))) as never;
    bus.on(name, tellOf);
  };
  for (const name of Object.keys(shapes)) follow(name as keyof Told);

  return {
    listen(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    since(id) {
      const kept = ring.slice(-remembered);
      const oldest = kept[0]?.id ?? next;
      return { events: kept.filter((event) => event.id > id), complete: id >= oldest - 1 };
    },
    size: () => listeners.size,
  };
}
