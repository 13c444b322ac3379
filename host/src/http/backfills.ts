import { addDays, dayAt } from '@on-the-way/sdk';
import { z } from 'zod';
import {
  mostRequests,
  planWish,
  progressOfAll,
  stateOf,
  UnusableWish,
  type BackfillProgress,
  type PlannedWish,
} from '../backfill.ts';
import type { ConnectionConfig } from '../config/host-config.ts';
import type { Backfill } from '../storage/backfills.ts';
import { ApiError } from './api-error.ts';
import type { AppParts, Stamp } from './app-parts.ts';
import { readJsonBody } from './body.ts';
import { connectionOf, connectionPath } from './connections.ts';
import { defineRoute, type Route } from './route.ts';
import { day, ok, pageLimit, plainText, timestamp } from './shapes.ts';

const daysShape = {
  ok: z.int(),
  no_data: z.int(),
  not_supported: z.int(),
  failed: z.int(),
  left: z.int().nullable(),
};

/** Members of a backfill in an answer. */
export const backfillShape = {
  id: z.uuid(),
  connection: z.string(),
  state: z.enum(['open', 'finished', 'cancelled', 'budget_spent']),
  from: day,
  to: day,
  refresh: z.boolean(),
  request_budget: z.int().nullable(),
  requests_made: z.int(),
  next_run_at: timestamp.nullable(),
  created_at: timestamp,
  finished_at: timestamp.nullable(),
  cancelled_at: timestamp.nullable(),
  days_total: z.int().nullable(),
  days_done: z.int(),
  days_failed: z.int(),
  days_left: z.int().nullable(),
  datasets: z.array(z.strictObject({ dataset: z.string(), ...daysShape })),
};

/** A backfill as the API and `otw backfill --json` show it. */
export function shownBackfill(backfill: Backfill, progress: BackfillProgress, stamp: Stamp) {
  const { window, refresh, requestBudget = null, requestsMade } = backfill;
  return {
    id: backfill.id,
    connection: backfill.connection,
    state: stateOf(backfill, progress.left),
    from: window.from,
    to: addDays(window.to, -1),
    refresh,
    request_budget: requestBudget,
    requests_made: requestsMade,
    next_run_at: stamp(backfill.nextRunAt),
    created_at: stamp(backfill.createdAt),
    finished_at: stamp(backfill.finishedAt),
    cancelled_at: stamp(backfill.cancelledAt),
    days_total: progress.total,
    days_done: progress.done,
    days_failed: progress.failed,
    days_left: progress.left,
    datasets: progress.datasets.map(({ noData, notSupported, dataset, failed, left, ...counts }) => ({
      dataset,
      ...counts,
      no_data: noData,
      not_supported: notSupported,
      failed,
      left,
    })),
  };
}

const shape = z.strictObject(backfillShape);
const backfillPath = z.strictObject({ ...connectionPath.shape, id: z.string() });
const requestsExpected = `expected a whole number from 1 to ${mostRequests}`;
const backfillBody = z.strictObject({
  from: day,
  to: day.optional(),
  datasets: z.array(plainText(64)).min(1).max(100).optional(),
  refresh: z.boolean().optional(),
  requests: z.int(requestsExpected).min(1, requestsExpected).max(mostRequests, requestsExpected).optional(),
});

async function shownAll({ backfills, connections }: AppParts, those: readonly Backfill[], stamp: Stamp) {
  if (those.length === 0) return [];
  const { datasets } = await connections.state(those[0]!.connection);
  const progress = await progressOfAll(backfills, those, datasets);
  return those.map((backfill, at) => shownBackfill(backfill, progress[at]!, stamp));
}

async function shownOne(parts: AppParts, backfill: Backfill, stamp: Stamp) {
  return (await shownAll(parts, [backfill], stamp))[0]!;
}

async function backfillOf(
  { backfills }: AppParts,
  { name, id }: z.output<typeof backfillPath>,
): Promise<Backfill> {
  const found = z.uuid().safeParse(id).success ? await backfills.get(id) : undefined;
  if (found?.connection === name) return found;
  throw new ApiError(
    404,
    'NOT_FOUND',
    'Expected the id of a backfill of this connection; GET /v1/connections/{name}/backfills lists them',
  );
}

async function wishOf(
  { connections, clock }: AppParts,
  { name, timeZone }: ConnectionConfig,
  wanted: z.output<typeof backfillBody>,
): Promise<PlannedWish> {
  const { datasets } = await connections.state(name);
  try {
    return planWish(wanted, { today: dayAt(clock.now(), timeZone), datasets });
  } catch (error) {
    if (error instanceof UnusableWish) throw new ApiError(422, 'INVALID_ARGUMENT', error.message);
    throw error;
  }
}

function addRoute(parts: AppParts, stamp: Stamp): Route {
  return defineRoute({
    method: 'post',
    path: '/v1/connections/{name}/backfills',
    summary: 'Wants days of the past, which are read in the background after all that is live',
    scope: 'admin',
    params: connectionPath,
    body: { mediaTypes: ['application/json'], schema: backfillBody },
    answers: {
      202: {
        description: 'It is kept, and goes on until nothing is left; the same wish twice is one',
        schema: ok({ backfill: shape, left_out: z.array(z.string()) }),
      },
    },
    async handle({ params: { name }, request }) {
      const connection = connectionOf(parts, name);
      const body = await readJsonBody(request, backfillBody);
      const { wish, leftOut } = await wishOf(parts, connection, body);
      const backfill = await parts.backfills.add(name, wish);
      return {
        status: 202,
        body: { status: 'ok', backfill: await shownOne(parts, backfill, stamp), left_out: leftOut },
      };
    },
  });
}

function cancelRoute(parts: AppParts, stamp: Stamp): Route {
  return defineRoute({
    method: 'post',
    path: '/v1/connections/{name}/backfills/{id}/cancel',
    summary: 'Ends a backfill that is open; what was read is kept',
    scope: 'admin',
    params: backfillPath,
    answers: { 200: { description: 'The backfill as it is now', schema: ok({ backfill: shape }) } },
    async handle({ params }) {
      connectionOf(parts, params.name);
      await parts.backfills.cancel((await backfillOf(parts, params)).id);
      const backfill = await backfillOf(parts, params);
      return { body: { status: 'ok', backfill: await shownOne(parts, backfill, stamp) } };
    },
  });
}

/** Days of the past that a person wants. */
export function backfillRoutes(parts: AppParts, stamp: Stamp): readonly Route[] {
  return [
    addRoute(parts, stamp),
    defineRoute({
      method: 'get',
      path: '/v1/connections/{name}/backfills',
      summary: 'Backfills of a connection, newest first, with how far each has come',
      scope: 'read',
      params: connectionPath,
      query: z.strictObject({ limit: pageLimit(100, 20) }),
      answers: { 200: { description: 'The newest', schema: ok({ items: z.array(shape) }) } },
      async handle({ params: { name }, query: { limit } }) {
        connectionOf(parts, name);
        const those = await parts.backfills.list(name, limit);
        return { body: { status: 'ok', items: await shownAll(parts, those, stamp) } };
      },
    }),
    defineRoute({
      method: 'get',
      path: '/v1/connections/{name}/backfills/{id}',
      summary: 'One backfill, and how far it has come',
      scope: 'read',
      params: backfillPath,
      answers: { 200: { description: 'The backfill', schema: ok({ backfill: shape }) } },
      async handle({ params }) {
        connectionOf(parts, params.name);
        const backfill = await backfillOf(parts, params);
        return { body: { status: 'ok', backfill: await shownOne(parts, backfill, stamp) } };
      },
    }),
    cancelRoute(parts, stamp),
  ];
}
