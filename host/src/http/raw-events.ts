import type { ServerResponse } from 'node:http';
import { z } from 'zod';
import type { RawEventStore, StoredEvent } from '../storage/raw-events.ts';
import { ApiError } from './api-error.ts';
import type { AppParts } from './app-parts.ts';
import { fewAtOnce } from './few-at-once.ts';
import { defineRoute, type Route } from './route.ts';
import { sendText } from './send.ts';
import { cursor, cursorAfter, day, expectOrder, ok, pageLimit, plainText, timestamp } from './shapes.ts';
import { turn } from './turns.ts';

const mostBytes = 4 * 1024 * 1024;
// A page may be read from as many bytes of rows as there are in 500 of the largest ones.
const pages = { atOnce: 3, waiting: 64 };

const listQuery = z.strictObject({
  source_id: plainText(128).optional(),
  metric_type: plainText(64).optional(),
  from: day.optional(),
  to: day.optional(),
  limit: pageLimit(500, 100),
  cursor: cursor.optional(),
});

const eventShape = z.strictObject({
  raw_id: z.uuid(),
  source_id: z.string(),
  external_id: z.string(),
  occurred_at: timestamp,
  payload: z.unknown().meta({ description: 'The JSON that is stored, digit for digit' }),
  payload_hash: z.string(),
  request_id: z.uuid(),
  ingested_at: timestamp,
});

/** An event as JSON text. The payload goes through as it is: a parser would round what a double cannot hold. */
function eventText(event: StoredEvent): string {
  const rest = JSON.stringify({
    raw_id: event.rawId,
    source_id: event.sourceId,
    external_id: event.externalId,
    occurred_at: event.occurredAt,
    payload_hash: event.payloadHash,
    request_id: event.requestId,
    ingested_at: event.ingestedAt,
  });
  return `${rest.slice(0, -1)},"payload":${event.payload}}`;
}

function answerText(response: ServerResponse, members: string): undefined {
  sendText(response, 200, 'application/json; charset=utf-8', `{"status":"ok",${members}}`);
  return undefined;
}

/** A page as members of JSON text. */
async function pageOf(rawEvents: RawEventStore, query: z.output<typeof listQuery>): Promise<string> {
  const { source_id: source, metric_type: metricType, from, to, limit, cursor: after } = query;
  const maxBytes = mostBytes;
  const { events, more } = await rawEvents.list({ source, metricType, from, to, limit, after, maxBytes });
  await turn();
  const last = events.at(-1);
  const next = more && last ? cursorAfter({ at: last.occurredAt, id: last.rawId }) : null;
  return `"items":[${events.map(eventText).join(',')}],"next_cursor":${JSON.stringify(next)}`;
}

/** What is stored, exactly. */
export function rawEventRoutes({ rawEvents }: AppParts): readonly Route[] {
  const few = fewAtOnce(pages);
  return [
    defineRoute({
      method: 'get',
      path: '/v1/raw-events',
      summary: 'What is stored, newest first, with exact payloads',
      scope: 'read',
      query: listQuery,
      answers: {
        200: {
          description: 'A page; it ends early once it has 4 MiB of payloads',
          schema: ok({ items: z.array(eventShape), next_cursor: z.string().nullable() }),
        },
      },
      async handle({ query, response }) {
        expectOrder(query.from, query.to);
        return few(async () => {
          // Who left while waiting needs no page.
          if (!response.destroyed) answerText(response, await pageOf(rawEvents, query));
          return undefined;
        });
      },
    }),
    defineRoute({
      method: 'get',
      path: '/v1/raw-events/{id}',
      summary: 'One raw event',
      scope: 'read',
      params: z.strictObject({ id: z.string() }),
      answers: { 200: { description: 'The event', schema: ok({ event: eventShape }) } },
      async handle({ params: { id }, response }) {
        const event = z.guid().safeParse(id).success ? await rawEvents.get(id) : undefined;
        if (event) return answerText(response, `"event":${eventText(event)}`);
        throw new ApiError(404, 'NOT_FOUND', 'Expected the id of a raw event; GET /v1/raw-events lists them');
      },
    }),
  ];
}
