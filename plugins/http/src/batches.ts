import type { RawEvent } from '@on-the-way/sdk';

/** An event with the text it is posted as. */
export interface Item {
  readonly event: RawEvent;
  readonly body: string;
}

// What the other host stores in one transaction: so many events, and so much of them, its wrapping of some members left
// room for. In bytes that is less than it takes in one request.
const mostEvents = 1000;
const mostCharacters = 4 * 1024 * 1024 - 64 * 1024;
const besidePayload = 512;

/** The event as the ingest contract wants it; the payload's text goes in unparsed, digit for digit. */
export function itemOf(event: RawEvent): Item {
  const { sourceId, externalId, occurredAt, payload } = event;
  const [source, id, at] = [sourceId, externalId, occurredAt].map((value) => JSON.stringify(value));
  // A line break between two members of a payload would end a line of NDJSON.
  const line = payload.replaceAll(/[\r\n]/g, ' ');
  return { event, body: `{"source_id":${source},"external_id":${id},"occurred_at":${at},"payload":${line}}` };
}

/** The items in parts that are stored whole or not at all, one if it can be, in order. */
export function partsOf(items: readonly Item[]): Item[][] {
  const parts: Item[][] = [];
  let room = 0;
  for (const item of items) {
    const size = besidePayload + item.event.payload.length;
    const last = parts.at(-1);
    if (last && last.length < mostEvents && size <= room) {
      last.push(item);
      room -= size;
    } else {
      parts.push([item]);
      room = mostCharacters - size;
    }
  }
  return parts;
}
