import type { IncomingMessage, ServerResponse } from 'node:http';
import { z } from 'zod';
import { ApiError } from './api-error.ts';
import type { AppParts } from './app-parts.ts';
import { connectionOf } from './connections.ts';
import type { EventFeed, ToldEvent } from './event-feed.ts';
import { defineRoute, type Route } from './route.ts';
import { connectionName } from './shapes.ts';
import { whenLeft } from './sound.ts';

const mostStreams = 64;
// Proxies and browsers give up on streams that are silent for longer, 30 to 60 s.
const heartbeatMs = 15_000;
// A reader that far behind will not catch up; it comes back with Last-Event-ID.
const mostWaitingBytes = 1024 * 1024;
const tryAgainSeconds = 5;
const eventStream = 'text/event-stream; charset=utf-8';

const lastEventId = z
  .string()
  .regex(/^\d{1,16}$/)
  .transform(Number)
  .optional();

/** The id a client that comes back read last; undefined for one that comes anew. */
function lastSeen(header: string | string[] | undefined): number | undefined {
  const parsed = lastEventId.safeParse(header);
  if (parsed.success) return parsed.data;
  throw new ApiError(422, 'INVALID_ARGUMENT', 'Last-Event-ID: expected an id of this stream');
}

/** Sends what is told to one reader until either side ends. */
function stream(
  feed: EventFeed,
  { request, response }: { readonly request: IncomingMessage; readonly response: ServerResponse },
  { lastId, connection }: { readonly lastId: number | undefined; readonly connection: string | undefined },
): void {
  const send = (text: string): void => {
    if (response.writableLength > mostWaitingBytes) response.destroy();
    else response.write(text);
  };
  const tell = (event: ToldEvent): void => {
    if (connection === undefined || event.connection === connection) send(event.text);
  };
  response.setHeader('Content-Type', eventStream);
  response.setHeader('X-Accel-Buffering', 'no');
  response.flushHeaders();
  // Tells a client how long to wait before it comes back, and that the stream is open.
  send('retry: 2000\n: open\n\n');
  if (lastId !== undefined) {
    const { events, complete } = feed.since(lastId);
    if (!complete) send('event: missed\ndata: {}\n\n');
    for (const event of events) tell(event);
  }
  const ignore = feed.listen(tell);
  const heartbeat = setInterval(() => send(': still here\n\n'), heartbeatMs);
  whenLeft(request, response, () => {
    response.destroy();
    clearInterval(heartbeat);
    ignore();
  });
}

/** What the engine does, as it does it. */
export function eventRoutes(parts: AppParts): readonly Route[] {
  const { feed } = parts;
  return [
    defineRoute({
      method: 'get',
      path: '/v1/events',
      summary: 'What runs do, as they do it: server-sent events',
      scope: 'read',
      query: z.strictObject({ connection: connectionName.optional() }),
      answers: {
        200: {
          description: 'A stream that goes on until either side ends it',
          mediaType: 'text/event-stream',
        },
      },
      handle({ query: { connection }, request, response }) {
        if (connection !== undefined) connectionOf(parts, connection);
        const lastId = lastSeen(request.headers['last-event-id']);
        if (feed.size() >= mostStreams) {
          throw new ApiError(
            503,
            'OVERLOADED',
            `Expected at most ${mostStreams} streams of events at once: close one, or try again later`,
            tryAgainSeconds,
          );
        }
        // Express answers HEAD with what GET does; there is no end of this to wait for.
        if (request.method === 'HEAD') response.setHeader('Content-Type', eventStream).end();
        else stream(feed, { request, response }, { lastId, connection });
        return undefined;
      },
    }),
  ];
}
