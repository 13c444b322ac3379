import type { DatedEvent } from '@on-the-way/core';
import type { JsonValue } from '@on-the-way/sdk';

/** A batch as the child sends it. */
export interface Batch {
  readonly type: 'batch';
  readonly id: number;
  readonly events: readonly DatedEvent[];
  /** Of a cursor dataset: where reading can go on behind these events. */
  readonly checkpoint?: JsonValue;
}

/**
 * The line in front of a batch: what all its events have in common, and how many bytes of them follow. They are not
 * part of the line, so that nobody escapes a payload, or parses it, to hand it on.
 */
export interface BatchHeader {
  readonly type: 'batch';
  readonly id: number;
  readonly count: number;
  readonly bytes: number;
  readonly sourceId: string;
  readonly requestId: string;
  readonly notCompared?: readonly string[];
  readonly checkpoint?: JsonValue;
}

// Behind each field of an event. JSON text has no control characters, nor has a key; a note is written as JSON.
const fieldEnd = 0x1f;
const fieldEndText = String.fromCharCode(fieldEnd);

// Text is written as bytes in strips short enough that it is still near when it is read a second time.
const stripCharacters = 16 * 1024;
// Of a character in UTF-8, at most.
const widest = 3;

// What an event has beside its payload, about.
const besideBytes = 256;

/** The events as bytes. */
function bytesOf(events: readonly DatedEvent[]): Buffer {
  const characters = events.reduce((sum, { event }) => sum + event.payload.length, 0);
  let bytes = Buffer.allocUnsafeSlow(characters + events.length * besideBytes + stripCharacters * widest);
  let used = 0;
  let strip = '';
  const write = (): void => {
    const wanted = used + strip.length * widest;
    if (wanted > bytes.length) {
      const more = Buffer.allocUnsafeSlow(Math.max(wanted, bytes.length * 2));
      bytes.copy(more, 0, 0, used);
      bytes = more;
    }
    used += bytes.write(strip, used);
    strip = '';
  };
  for (const { day, event, note } of events) {
    const { externalId, occurredAt, payloadHash, payload } = event;
    strip += day + fieldEndText + externalId + fieldEndText + occurredAt + fieldEndText + payloadHash;
    strip += fieldEndText + payload + fieldEndText;
    if (note !== undefined) strip += JSON.stringify(note);
    strip += fieldEndText;
    if (strip.length >= stripCharacters) write();
  }
  write();
  return bytes.subarray(0, used);
}

/** A batch as it is sent: its line, and its events. The events are of one fetch, so that they share source and request. */
export function encodeBatch({ events, ...rest }: Batch): readonly [line: string, events: Buffer] {
  const bytes = bytesOf(events);
  const { sourceId = '', requestId = '', notCompared } = events[0]?.event ?? {};
  const header: BatchHeader = {
    ...rest,
    count: events.length,
    bytes: bytes.length,
    sourceId,
    requestId,
    ...(notCompared && { notCompared }),
  };
  return [`${JSON.stringify(header)}\n`, bytes];
}

/** Reads fields one after the other; each is a text of its own, which keeps no other in memory. */
class Fields {
  readonly #body: Buffer;
  #at = 0;

  constructor(body: Buffer) {
    this.#body = body;
  }

  next(): string | undefined {
    const end = this.#body.indexOf(fieldEnd, this.#at);
    if (end < 0) return undefined;
    const field = this.#body.toString('utf8', this.#at, end);
    this.#at = end + 1;
    return field;
  }

  get isAtEnd(): boolean {
    return this.#at === this.#body.length;
  }
}

/** The batch that a line and the bytes behind it are; undefined for what is none, since a plugin can write there too. */
export function decodeBatch(header: BatchHeader, body: Buffer): Batch | undefined {
  const { id, count, sourceId, requestId, notCompared, checkpoint } = header;
  const fields = new Fields(body);
  const events: DatedEvent[] = [];
  for (let at = 0; at < count; at += 1) {
    const [day, externalId, occurredAt] = [fields.next(), fields.next(), fields.next()];
    const [payloadHash, payload, note] = [fields.next(), fields.next(), fields.next()];
    // The last one is there when all are.
    if (note === undefined) return undefined;
    const event = {
      sourceId,
      externalId: externalId!,
      occurredAt: occurredAt!,
      payload: payload!,
      payloadHash: payloadHash!,
      ...(notCompared && { notCompared }),
      requestId,
    };
    events.push({ day: day!, event, ...(note !== '' && { note: noteOf(note) }) });
  }
  if (!fields.isAtEnd) return undefined;
  return { type: 'batch', id, events, ...(checkpoint !== undefined && { checkpoint }) };
}

function noteOf(text: string): string {
  try {
    const note: unknown = JSON.parse(text);
    return typeof note === 'string' ? note : text;
  } catch {
    // Not written by us; it is shown as it is.
    return text;
  }
}
