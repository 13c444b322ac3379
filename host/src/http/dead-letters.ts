import { addDays } from '@on-the-way/sdk';
import { z } from 'zod';
import { replayLetter, wishOfLetter } from '../replay-letter.ts';
import type { DeadLetter, FullDeadLetter } from '../storage/dead-letters.ts';
import { ApiError } from './api-error.ts';
import type { AppParts, Stamp } from './app-parts.ts';
import { readJsonBody } from './body.ts';
import { beginWishedRun } from './connection-verbs.ts';
import { connectionOf } from './connections.ts';
import { defineRoute, type Answer, type Route } from './route.ts';
import { connectionName, cursor, cursorAfter, day, ok, pageLimit, timestamp } from './shapes.ts';

/** Members of a dead letter in an answer. */
export const letterShape = {
  id: z.uuid(),
  kind: z.enum(['event', 'slice']),
  connection: z.string(),
  dataset: z.string().nullable(),
  from: day.nullable(),
  to: day.nullable(),
  run_id: z.uuid().nullable(),
  plugin_version: z.string().nullable(),
  source_id: z.string().nullable(),
  external_id: z.string().nullable(),
  occurred_at: z.string().nullable(),
  error_code: z.string(),
  error_message: z.string(),
  attempts: z.int(),
  created_at: timestamp,
  last_attempt_at: timestamp,
  replayed_at: timestamp.nullable(),
};

/** A dead letter as the API and `otw dead-letters --json` show it. */
export function shownLetter(letter: DeadLetter, stamp: Stamp) {
  return {
    id: letter.id,
    kind: letter.kind,
    connection: letter.connection,
    dataset: letter.dataset,
    from: letter.window?.from ?? null,
    to: letter.window ? addDays(letter.window.to, -1) : null,
    run_id: letter.runId,
    plugin_version: letter.pluginVersion,
    source_id: letter.sourceId,
    external_id: letter.externalId,
    occurred_at: letter.occurredAt,
    error_code: letter.errorCode,
    error_message: letter.errorMessage,
    attempts: letter.attempts,
    created_at: stamp(letter.createdAt),
    last_attempt_at: stamp(letter.lastAttemptAt),
    replayed_at: stamp(letter.replayedAt),
  };
}

const idPath = z.strictObject({ id: z.string() });
const replayBody = z.strictObject({ payload: z.string().optional() });

/** What a replay of an event answers. */
const writtenAnswer = ok({ id: z.uuid(), outcome: z.enum(['written', 'unchanged']) });

/** What a replay of days answers: they are asked for by this run. */
const askedAnswer = ok({ id: z.uuid(), outcome: z.literal('asked'), run_id: z.uuid() });

/** What a replay answers. */
export const replayAnswer = z.union([writtenAnswer, askedAnswer]);

function noLetter(): ApiError {
  return new ApiError(404, 'NOT_FOUND', 'Expected the id of a dead letter; GET /v1/dead-letters lists them');
}

async function letterOf({ letters }: AppParts, id: string): Promise<FullDeadLetter> {
  const letter = z.uuid().safeParse(id).success ? await letters.get(id) : undefined;
  if (letter) return letter;
  throw noLetter();
}

function listRoute({ letters }: AppParts, stamp: Stamp): Route {
  return defineRoute({
    method: 'get',
    path: '/v1/dead-letters',
    summary:
      'Events that were refused and days that were set aside, which wait to be looked at, newest first',
    scope: 'read',
    query: z.strictObject({
      connection: connectionName.optional(),
      limit: pageLimit(200, 50),
      cursor: cursor.optional(),
    }),
    answers: {
      200: {
        description: 'A page, without payloads',
        schema: ok({ items: z.array(z.strictObject(letterShape)), next_cursor: z.string().nullable() }),
      },
    },
    async handle({ query: { connection, limit, cursor: before } }) {
      const found = await letters.list({
        ...(connection !== undefined && { connection }),
        ...(before && { before }),
        // One more than asked for tells whether there is a next page.
        limit: limit + 1,
      });
      const items = found.slice(0, limit);
      const last = items.at(-1);
      return {
        body: {
          status: 'ok',
          items: items.map((letter) => shownLetter(letter, stamp)),
          next_cursor: found.length > limit && last ? cursorAfter(last) : null,
        },
      };
    },
  });
}

/** Days have no payload of their own: the source is asked for them. */
async function askAgain(
  parts: AppParts,
  letter: FullDeadLetter,
  payload: string | undefined,
): Promise<Answer> {
  if (payload !== undefined)
    throw new ApiError(
      422,
      'INVALID_ARGUMENT',
      'payload: expected none, since this letter is of days, which the source is asked for',
    );
  connectionOf(parts, letter.connection);
  const runId = await beginWishedRun(parts, letter.connection, wishOfLetter(letter));
  return { status: 202, body: { status: 'ok', id: letter.id, outcome: 'asked', run_id: runId } };
}

function replayRoute(parts: AppParts): Route {
  const { letters, config, sink } = parts;
  return defineRoute({
    method: 'post',
    path: '/v1/dead-letters/{id}/replay',
    summary: 'Writes an event again, corrected where a payload is given; asks for days again',
    scope: 'admin',
    params: idPath,
    body: { mediaTypes: ['application/json'], schema: replayBody },
    answers: {
      200: { description: 'The event is stored; the letter waits no more', schema: writtenAnswer },
      202: {
        description: 'A run asks for the days; the letter waits no more once each has an answer',
        schema: askedAnswer,
      },
    },
    async handle({ params: { id }, request, response }) {
      const letter = await letterOf(parts, id);
      const body = await readJsonBody(request, replayBody.optional());
      if (letter.kind === 'slice') return askAgain(parts, letter, body?.payload);
      const left = new AbortController();
      response.once('close', () => left.abort());
      const replayed = await replayLetter({ letters, sink, connections: config.connections }, letter, {
        signal: left.signal,
        payload: body?.payload,
      });
      if (replayed.outcome !== 'refused') return { body: { status: 'ok', id, outcome: replayed.outcome } };
      const { code, message } = replayed.why;
      if (code === 'conflict') throw new ApiError(409, 'DUPLICATE_IDEMPOTENCY_KEY', message);
      throw new ApiError(422, 'INVALID_ARGUMENT', message);
    },
  });
}

/** What sinks refused and the schedule set aside: to look at, to write or ask for again, to let go. */
export function deadLetterRoutes(parts: AppParts, stamp: Stamp): readonly Route[] {
  return [
    listRoute(parts, stamp),
    defineRoute({
      method: 'get',
      path: '/v1/dead-letters/{id}',
      summary: 'One dead letter; an event with its payload as text, digit for digit',
      scope: 'read',
      params: idPath,
      answers: {
        200: {
          description: 'The letter',
          schema: ok({ dead_letter: z.strictObject({ ...letterShape, payload: z.string().nullable() }) }),
        },
      },
      async handle({ params: { id } }) {
        const letter = await letterOf(parts, id);
        return {
          body: { status: 'ok', dead_letter: { ...shownLetter(letter, stamp), payload: letter.payload } },
        };
      },
    }),
    replayRoute(parts),
    defineRoute({
      method: 'delete',
      path: '/v1/dead-letters/{id}',
      summary: 'Forgets a dead letter and its payload',
      scope: 'admin',
      params: idPath,
      answers: { 200: { description: 'It is gone', schema: ok({ id: z.uuid() }) } },
      async handle({ params: { id } }) {
        const gone = z.uuid().safeParse(id).success && (await parts.letters.drop(id));
        if (!gone) throw noLetter();
        return { body: { status: 'ok', id } };
      },
    }),
  ];
}
