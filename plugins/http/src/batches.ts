import type { RawEvent } from '@on-the-way/sdk';

/** An event with the text it is posted as. */
export interface Item {
  readonly event: RawEvent;
  readonly body: string;
}

// Half of what the ingest API takes in one request, since it counts bytes and this counts characters.
const longestBatch = 4 * 1024 * 1024;
const mostEvents = 500;

/** The event as the ingest contract wants it; the payload's text goes in unparsed, digit for digit. */
export function itemOf(event: RawEvent): Item {
  const { sourceId, externalId, occurredAt, payload } = event;
  const [source, id, at] = [sourceId, externalId, occurredAt].map((value) => JSON.stringify(value));
  // A line break between two members of a payload would end a line of NDJSON.
  const line = payload.replaceAll(/[\r\n]/g, ' ');
  return { event, body: `{"source_id":${source},"external_id":${id},"occurred_at":${at},"payload":${line}}` };
}

/** The items in parts that one request may carry, in order. */
export function partsOf(items: readonly Item[]): Item[][] {
  const parts: Item[][] = [];
  let room = 0;
  for (const item of items) {
    const last = parts.at(-1);
    if (last && last.length < mostEvents && item.body.length <= room) {
      last.push(item);
      room -= item.body.length;
    } else {
      parts.push([item]);
      room = longestBatch - item.body.length;
    }
  }
  return parts;
}
