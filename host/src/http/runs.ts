import { z } from 'zod';
import type { StoredRun } from '../storage/runs.ts';
import { datasetsJson } from '../summary-json.ts';
import { ApiError } from './api-error.ts';
import type { AppParts, Stamp } from './app-parts.ts';
import { failureShape } from './health.ts';
import { defineRoute, type Route } from './route.ts';
import { connectionName, cursor, cursorAfter, ok, pageLimit, timestamp } from './shapes.ts';

const statuses = ['queued', 'running', 'succeeded', 'partial', 'failed', 'interrupted'] as const;

const listQuery = z.strictObject({
  connection: connectionName.optional(),
  status: z.enum(statuses).optional(),
  limit: pageLimit(200, 50),
  cursor: cursor.optional(),
});

const counts = z.strictObject({
  ok: z.int(),
  no_data: z.int(),
  not_supported: z.int(),
  failed: z.int(),
  not_asked: z.int(),
  read: z.int(),
  written: z.int(),
  unchanged: z.int(),
  conflicts: z.int(),
  set_aside: z.int(),
  given_up: z.int(),
});

/** A run in an answer. */
const runShape = z.strictObject({
  run_id: z.uuid(),
  connection: z.string(),
  trigger: z.enum(['schedule', 'person', 'backfill']),
  status: z.enum(statuses),
  started_at: timestamp,
  finished_at: timestamp.nullable(),
  slices_planned: z.int(),
  requests: z.int(),
  skipped: z.string().nullable(),
  datasets: z.record(z.string(), counts),
  error: failureShape,
});

/** A run as the API and `otw runs --json` show it. */
export function shownRun(run: StoredRun, stamp: Stamp) {
  return {
    run_id: run.runId,
    connection: run.connection,
    trigger: run.trigger,
    status: run.status,
    started_at: stamp(run.startedAt),
    finished_at: stamp(run.finishedAt),
    slices_planned: run.slicesPlanned,
    requests: run.requests,
    skipped: run.skipped,
    datasets: datasetsJson(run.datasets),
    error: run.errorCode === null ? null : { code: run.errorCode, message: run.errorMessage },
  };
}

/** Runs, newest first, with their outcome counts by dataset. */
export function runRoutes({ runs }: AppParts, stamp: Stamp): readonly Route[] {
  return [
    defineRoute({
      method: 'get',
      path: '/v1/runs',
      summary: 'Runs, newest first, with their outcome counts by dataset',
      scope: 'read',
      query: listQuery,
      answers: {
        200: {
          description: 'A page',
          schema: ok({ items: z.array(runShape), next_cursor: z.string().nullable() }),
        },
      },
      async handle({ query: { connection, status, limit, cursor: before } }) {
        const found = await runs.list({
          ...(connection !== undefined && { connection }),
          ...(status !== undefined && { status }),
          ...(before && { before: { startedAt: before.at, runId: before.id } }),
          // One more than asked for tells whether there is a next page.
          limit: limit + 1,
        });
        const items = found.slice(0, limit);
        const last = items.at(-1);
        const next =
          found.length > limit && last ? cursorAfter({ at: last.startedAtExactly, id: last.runId }) : null;
        return {
          body: { status: 'ok', items: items.map((run) => shownRun(run, stamp)), next_cursor: next },
        };
      },
    }),
    defineRoute({
      method: 'get',
      path: '/v1/runs/{id}',
      summary: 'One run',
      scope: 'read',
      params: z.strictObject({ id: z.string() }),
      answers: { 200: { description: 'The run', schema: ok({ run: runShape }) } },
      async handle({ params }) {
        const id = z.uuid().safeParse(params.id);
        const run = id.success ? await runs.get(id.data) : undefined;
        if (!run) throw new ApiError(404, 'NOT_FOUND', 'Expected the id of a run; GET /v1/runs lists them');
        return { body: { status: 'ok', run: shownRun(run, stamp) } };
      },
    }),
  ];
}
