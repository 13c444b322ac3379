import { isUtf8 } from 'node:buffer';
import type { RawEvent } from '@on-the-way/sdk';
import { z } from 'zod';

/** A line without its payload, in the order of its members; the payload comes last, so that it need not be read for them. */
const headSchema = z.object({
  source_id: z.string(),
  external_id: z.string(),
  occurred_at: z.string(),
  payload_hash: z.string(),
  raw_id: z.string(),
  ingested_at: z.string(),
  request_id: z.string(),
});
const wholeSchema = headSchema.extend({ payload: z.unknown() });

/** What a line says of its event, apart from the payload. */
export type LineHead = Readonly<z.output<typeof headSchema>>;

/** What the writer adds to an event. */
export interface Stamp {
  /** UUID of the row. */
  readonly rawId: string;
  /** RFC 3339. */
  readonly ingestedAt: string;
}

/** The event as a line, with its line feed. The payload's text goes in unparsed, digit for digit. */
export function lineOf(event: RawEvent, { rawId, ingestedAt }: Stamp): string {
  const head = JSON.stringify({
    source_id: event.sourceId,
    external_id: event.externalId,
    occurred_at: event.occurredAt,
    payload_hash: event.payloadHash,
    raw_id: rawId,
    ingested_at: ingestedAt,
    request_id: event.requestId,
  } satisfies LineHead);
  // A line break between two members of a payload would end the line; within a string JSON allows none.
  const payload = event.payload.replaceAll(/[\r\n]/g, ' ');
  return `${head.slice(0, -1)}${payloadMember}${payload}}\n`;
}

// Not in a text of the head: there a quote has a backslash before it.
const payloadMember = ',"payload":';

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** What a whole line says; undefined when it is not JSON, or not a line of this sink. */
export function parseLine(bytes: Buffer): LineHead | undefined {
  return isUtf8(bytes) ? wholeSchema.safeParse(parsed(bytes.toString('utf8'))).data : undefined;
}

/** What the beginning of a line says; undefined when the head is not whole in it, or its members have another order. */
export function parseHead(beginning: Buffer): LineHead | undefined {
  const end = beginning.indexOf(payloadMember);
  if (end < 0) return undefined;
  return headSchema.safeParse(parsed(`${beginning.toString('utf8', 0, end)}}`)).data;
}

/** The text of a line's payload, digit for digit; undefined when it is not where this sink puts it. */
export function payloadText(line: Buffer): string | undefined {
  const at = line.indexOf(payloadMember);
  return at < 0 ? undefined : line.toString('utf8', at + payloadMember.length, line.lastIndexOf('}'));
}
