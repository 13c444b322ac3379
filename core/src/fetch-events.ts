import {
  dayAt,
  inWindow,
  isCheckpoint,
  isDay,
  parseInstant,
  type Connector,
  type ConnectorRecord,
  type CursorRecord,
  type Log,
  type Window,
} from '@on-the-way/sdk';
import { callPluginEach, PluginBug } from './call-plugin.ts';
import { createCircleGuard } from './circle-guard.ts';
import { envelopeOf, type EnvelopeIdentity } from './envelope.ts';
import type { Clock, DatedEvent, FetchedBatch, SliceRequest } from './ports.ts';
import { storableText } from './storable-text.ts';

/** What fetches of one session have in common. */
export interface Fetching {
  readonly connector: Connector;
  readonly session: unknown;
  readonly identity: EnvelopeIdentity;
  readonly clock: Clock;
  readonly log: Log;
}

// Big enough to make the way cheap, small enough that a few batches in flight stay small.
const batchEvents = 128;
const batchCharacters = 1_000_000;
/** Longest `external_id` that the contract knows. */
const longestId = 128;
const longestKey = 64;
// What no name of a thing has: control characters, half characters, and the mark between the parts of an external_id.
// oxlint-disable-next-line no-control-regex
const unfitKey = /[\u0000-\u001F\u007F-\u009F]|::/;

/** What types promise and a plugin written without them may break. */
function checkTexts(record: Partial<ConnectorRecord | CursorRecord>, dataset: string): void {
  const { method, note } = record;
  for (const [key, value] of Object.entries({ method, note })) {
    if (value === undefined || (typeof value === 'string' && value !== '' && value.length <= 128)) continue;
    throw new PluginBug(
      `Expected ${key} in a record of ${dataset} to be text of 1 to 128 characters, got ` +
        (typeof value === 'string' ? `${value.length} characters` : `a ${typeof value}`),
    );
  }
}

function checkRecord(record: Partial<ConnectorRecord> | undefined, dataset: string, window: Window): void {
  const { day } = record ?? {};
  if (!isDay(day) || !inWindow(window, day)) {
    throw new PluginBug(
      `Expected fetch of ${dataset} to answer for ${window.from} up to ${window.to}, got a record of ${shownDay(day)}`,
    );
  }
  checkTexts(record ?? {}, dataset);
}

/** A day as a message can show it: a plugin may give anything, of any length. */
function shownDay(day: unknown): string {
  return typeof day === 'string' ? day.slice(0, 32) : `${day === null ? 'null' : typeof day}`;
}

/** Refuses what cannot be part of an external_id. */
export function checkDatasetName(name: string): void {
  if (name !== '' && name.isWellFormed() && !unfitKey.test(name)) return;
  throw new PluginBug(
    'Expected the name of a dataset to be well-formed text without control characters and without "::", got ' +
      `${storableText(name.slice(0, 64)) || 'none'}`,
  );
}

/** In characters, as the contract counts: code points. */
function lengthOf(text: string): number {
  return Array.from(text).length;
}

function checkKey(key: unknown, dataset: string): asserts key is string {
  const length = typeof key === 'string' ? lengthOf(key) : 0;
  if (
    typeof key === 'string' &&
    length >= 1 &&
    length <= longestKey &&
    key.isWellFormed() &&
    !unfitKey.test(key)
  )
    return;
  throw new PluginBug(
    `Expected the key of a record of ${dataset} to be text of 1 to ${longestKey} well-formed characters without ` +
      `control characters and without "::", got ${typeof key === 'string' ? `${length} characters` : `a ${typeof key}`}`,
  );
}

/** The day of a cursor dataset's record and, where it is known, the instant; in UTC to the microsecond. */
function whenOf(
  { day, occurredAt }: Partial<CursorRecord>,
  dataset: string,
  { now, timeZone }: { readonly now: number; readonly timeZone: string },
): { readonly day: string; readonly occurredAt?: string } {
  if (day !== undefined && !isDay(day)) {
    throw new PluginBug(
      `Expected the day of a record of ${dataset} to be like 2026-02-26, got ${shownDay(day)}`,
    );
  }
  if (occurredAt === undefined) return { day: day ?? dayAt(now, timeZone) };
  const instant = parseInstant(occurredAt);
  if (!instant) {
    throw new PluginBug(
      `Expected occurredAt of a record of ${dataset} to be RFC 3339 with an offset, like 2026-02-26T10:10:06+08:00, ` +
        'got something else',
    );
  }
  const fraction = /\.\d+/.exec(instant.text)?.[0] ?? '';
  const utc = `${new Date(instant.ms).toISOString().slice(0, 19)}${fraction}Z`;
  return { day: day ?? dayAt(instant.ms, timeZone), occurredAt: utc };
}

/** The note as the ledger can hold it. */
function noteOf(note: string | undefined): { readonly note?: string } {
  return note === undefined ? {} : { note: storableText(note) };
}

/** Gathers events into batches. */
function createBatch() {
  let events: DatedEvent[] = [];
  let characters = 0;
  return {
    add(event: DatedEvent): boolean {
      events.push(event);
      characters += event.event.payload.length;
      return events.length >= batchEvents || characters >= batchCharacters;
    },
    take(): DatedEvent[] {
      const taken = events;
      events = [];
      characters = 0;
      return taken;
    },
  };
}

/** Asks for the days of a window, and answers in batches of wrapped events. */
export async function* fetchWindow(
  { connector, session, identity, clock, log }: Fetching,
  { dataset, window, requestId }: SliceRequest,
  signal: AbortSignal,
): AsyncGenerator<FetchedBatch> {
  const batch = createBatch();
  const records = callPluginEach({ plugin: connector.name, method: 'fetch', dataset }, signal, () =>
    connector.fetch({ dataset, session, window, signal, log }),
  );
  for await (const record of records) {
    checkRecord(record, dataset, window);
    const event = envelopeOf(identity, dataset, record, { at: clock.now(), requestId });
    const { day, note } = record;
    if (batch.add({ day, event, ...noteOf(note) })) yield { events: batch.take() };
  }
  const events = batch.take();
  if (events.length > 0) yield { events };
}

/**
 * Asks for what came since a cursor. Events are accounted to the first day of the window, whatever day they are of.
 * A checkpoint ends a batch, so that it can be kept as soon as what is before it is stored.
 */
export async function* fetchSince(
  { connector, session, identity, clock, log }: Fetching,
  { dataset, window, requestId, cursor }: SliceRequest,
  signal: AbortSignal,
): AsyncGenerator<FetchedBatch> {
  const batch = createBatch();
  const guard = createCircleGuard(dataset, cursor);
  const answers = callPluginEach({ plugin: connector.name, method: 'fetch', dataset }, signal, () =>
    connector.fetchSince({ dataset, session, cursor, signal, log }),
  );
  for await (const said of answers) {
    if (isCheckpoint(said)) {
      guard.checkpoint(said.cursor);
      yield { events: batch.take(), checkpoint: said.cursor };
      continue;
    }
    // What types promise and a plugin written without them may break.
    const record: CursorRecord = said ?? {};
    checkKey(record.key, dataset);
    checkTexts(record, dataset);
    const now = clock.now();
    const when = whenOf(record, dataset, { now, timeZone: identity.timeZone });
    const event = envelopeOf(identity, dataset, { ...record, ...when }, { at: now, requestId });
    checkLength(event.externalId, record.key, dataset);
    guard.record(event.externalId);
    const { note } = record;
    if (batch.add({ day: window.from, event, ...noteOf(note) })) {
      yield { events: batch.take() };
    }
  }
  const events = batch.take();
  if (events.length > 0) yield { events };
}

function checkLength(externalId: string, key: string, dataset: string): void {
  // Never more code points than units.
  if (externalId.length <= longestId) return;
  const length = lengthOf(externalId);
  if (length <= longestId) return;
  const room = longestId - length + lengthOf(key);
  throw new PluginBug(
    `Expected the key of a record of ${dataset} to leave room in an external_id of ${longestId} characters: at most ` +
      `${room}, got ${lengthOf(key)}`,
  );
}
