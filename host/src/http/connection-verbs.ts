import { ConnectorError, dayAt } from '@on-the-way/sdk';
import { z } from 'zod';
import { checkConnection } from '../check-connection.ts';
import type { ConnectionConfig } from '../config/host-config.ts';
import { AlreadyRunning, ConnectionPaused } from '../run-service.ts';
import type { WantedRun } from '../scheduler.ts';
import { ApiError } from './api-error.ts';
import type { AppParts, Stamp } from './app-parts.ts';
import { readJsonBody } from './body.ts';
import { connectionOf, connectionPath, connectionShape, shownConnection } from './connections.ts';
import { windowOfDays } from './coverage.ts';
import { defineRoute, type Answer, type Route } from './route.ts';
import { day, ok, plainText } from './shapes.ts';
import { whenLeft } from './sound.ts';

// As many as a connection may be configured to read back.
const mostDays = 7300;
const checkWithinMs = 120_000;

const runBody = z.strictObject({
  from: day.optional(),
  to: day.optional(),
  datasets: z.array(plainText(64)).min(1).max(100).optional(),
});

/** The days that are asked for, as `otw run --from --to` takes them. */
function daysOfRun(
  { from, to }: z.output<typeof runBody>,
  { clock }: AppParts,
  { timeZone }: ConnectionConfig,
): Pick<WantedRun, 'only'> {
  if (from === undefined && to === undefined) return {};
  const today = dayAt(clock.now(), timeZone);
  const first = from ?? to ?? today;
  if (first > today) {
    const message = `from: expected a day up to today (${today}), found ${first}`;
    throw new ApiError(422, 'INVALID_ARGUMENT', message);
  }
  return { only: windowOfDays(first, to ?? today, mostDays) };
}

/** Refuses names that are no datasets, as far as those are known; else the run finds out. */
async function datasetsOfRun(
  { datasets }: z.output<typeof runBody>,
  { connections }: AppParts,
  { name }: ConnectionConfig,
): Promise<Pick<WantedRun, 'onlyDatasets'>> {
  if (datasets === undefined) return {};
  const known = (await connections.state(name)).datasets?.map((dataset) => dataset.name);
  const strange = known && datasets.findIndex((dataset) => !known.includes(dataset));
  if (strange === undefined || strange === -1) return { onlyDatasets: datasets };
  throw new ApiError(
    422,
    'INVALID_ARGUMENT',
    `datasets.${strange}: expected names out of ${known?.join(', ')}`,
  );
}

/** Why a run did not begin, in the API's words. */
function refusalOf(error: unknown): unknown {
  if (error instanceof AlreadyRunning) return new ApiError(409, 'ALREADY_RUNNING', error.message);
  if (error instanceof ConnectionPaused) return new ApiError(409, 'PAUSED', error.message);
  if (error instanceof DOMException && error.name === 'AbortError')
    return new ApiError(503, 'OVERLOADED', 'The host is stopping; try again shortly', 5);
  if (!ConnectorError.is(error) || error.code !== 'rate_limited') return error;
  const seconds = Math.max(1, Math.ceil((error.retryAfterMs ?? 0) / 1000));
  return new ApiError(429, 'RATE_LIMITED', error.message, seconds);
}

/** Begins a run that a person wants; resolves with its id. Throws why it cannot begin, in the API's words. */
export async function beginWishedRun(
  { scheduler }: Pick<AppParts, 'scheduler'>,
  name: string,
  wanted: WantedRun,
): Promise<string> {
  try {
    return await scheduler.run(name, wanted);
  } catch (error) {
    throw refusalOf(error);
  }
}

function runRoute(parts: AppParts): Route {
  return defineRoute({
    method: 'post',
    path: '/v1/connections/{name}/run',
    summary: 'Begins a run, which goes on in the background',
    scope: 'admin',
    params: connectionPath,
    body: { mediaTypes: ['application/json'], schema: runBody.optional() },
    answers: { 202: { description: 'It has begun', schema: ok({ run_id: z.uuid() }) } },
    async handle({ params: { name }, request }) {
      const connection = connectionOf(parts, name);
      const body = (await readJsonBody(request, runBody.optional())) ?? {};
      const wanted = {
        ...daysOfRun(body, parts, connection),
        ...(await datasetsOfRun(body, parts, connection)),
      };
      const runId = await beginWishedRun(parts, name, wanted);
      return { status: 202, body: { status: 'ok', run_id: runId } };
    },
  });
}

/** Pauses or resumes; answers with the connection as it is then. */
async function setPaused(
  parts: AppParts,
  stamp: Stamp,
  { name, paused }: { readonly name: string; readonly paused: boolean },
): Promise<Answer> {
  const connection = connectionOf(parts, name);
  await parts.connections.setPaused(name, paused);
  if (!paused) await parts.scheduler.lookAgain();
  return { body: { status: 'ok', connection: await shownConnection(parts, connection, stamp) } };
}

function pauseRoutes(parts: AppParts, stamp: Stamp): readonly Route[] {
  const answers = {
    200: { description: 'The connection as it is now', schema: ok({ connection: connectionShape }) },
  };
  const common = { scope: 'admin', params: connectionPath, answers } as const;
  return [
    defineRoute({
      method: 'post',
      path: '/v1/connections/{name}/pause',
      summary: 'Keeps runs from beginning, over restarts, until the connection is resumed',
      ...common,
      handle: ({ params: { name } }) => setPaused(parts, stamp, { name, paused: true }),
    }),
    defineRoute({
      method: 'post',
      path: '/v1/connections/{name}/resume',
      summary: 'Lets runs begin again; one that became due meanwhile begins at once',
      ...common,
      handle: ({ params: { name } }) => setPaused(parts, stamp, { name, paused: false }),
    }),
  ];
}

const partShape = z.strictObject({
  what: z.enum(['sink', 'connection']),
  name: z.string(),
  ok: z.boolean(),
  code: z.string().nullable(),
  message: z.string(),
});

function checkRoute(parts: AppParts): Route {
  const { redact } = parts;
  // A second login beside the first would be one too many for most sources.
  const underWay = new Set<string>();
  return defineRoute({
    method: 'post',
    path: '/v1/connections/{name}/check',
    summary: 'Opens the sink, logs in and reads one cheap thing',
    scope: 'admin',
    params: connectionPath,
    answers: {
      200: {
        description: 'What was found, good or bad',
        schema: ok({ check: z.strictObject({ ok: z.boolean(), parts: z.array(partShape) }) }),
      },
    },
    async handle({ params: { name }, request, response }) {
      const connection = connectionOf(parts, name);
      if (underWay.has(name)) {
        const message = `Expected no other check of ${name}, but one is under way: wait for its answer`;
        throw new ApiError(409, 'ALREADY_RUNNING', message);
      }
      const left = new AbortController();
      whenLeft(request, response, () => left.abort());
      const signal = AbortSignal.any([left.signal, AbortSignal.timeout(checkWithinMs)]);
      underWay.add(name);
      try {
        const found = await checkConnection(parts, connection, { signal });
        const shown = found.map((part) => ({ ...part, message: redact(part.message) }));
        return { body: { status: 'ok', check: { ok: shown.every((part) => part.ok), parts: shown } } };
      } finally {
        underWay.delete(name);
      }
    },
  });
}

/** What can be done with a connection. */
export function connectionVerbRoutes(parts: AppParts, stamp: Stamp): readonly Route[] {
  return [runRoute(parts), ...pauseRoutes(parts, stamp), checkRoute(parts)];
}
