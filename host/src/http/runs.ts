import { Router } from 'express';
import { z } from 'zod';
import type { StoredRun } from '../storage/runs.ts';
import { ApiError } from './api-error.ts';
import type { AppParts, Stamp } from './app-parts.ts';
import { queryOf } from './query.ts';

const wholeTo200 = 'expected a whole number from 1 to 200';

const cursorSchema = z
  .string()
  .transform((text) => Buffer.from(text, 'base64url').toString('utf8').split(' '))
  .pipe(
    z.tuple([z.iso.datetime().startsWith('2'), z.uuid()], {
      error: 'expected a next_cursor of an earlier answer',
    }),
  )
  .transform(([startedAt, runId]) => ({ startedAt, runId }));

const listQuery = z.strictObject({
  connection: z
    .string()
    .regex(/^[a-z][a-z0-9_-]{0,62}$/, 'expected the name of a connection')
    .optional(),
  status: z.enum(['running', 'succeeded', 'partial', 'failed', 'interrupted']).optional(),
  limit: z
    .string()
    .regex(/^\d{1,3}$/, wholeTo200)
    .transform(Number)
    .pipe(z.number().min(1, wholeTo200).max(200, wholeTo200))
    .default(50),
  cursor: cursorSchema.optional(),
});

function cursorOf(run: StoredRun): string {
  return Buffer.from(`${run.startedAt.toISOString()} ${run.runId}`).toString('base64url');
}

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
    datasets: run.datasets,
    error: run.errorCode === null ? null : { code: run.errorCode, message: run.errorMessage },
  };
}

/** Runs, newest first, with their outcome counts by dataset. */
export function runRoutes({ runs }: AppParts, stamp: Stamp): Router {
  const router = Router();
  router.get('/', async (request, response) => {
    const { connection, status, limit, cursor } = queryOf(request, listQuery);
    const found = await runs.list({
      ...(connection !== undefined && { connection }),
      ...(status !== undefined && { status }),
      ...(cursor && { before: cursor }),
      // One more than asked for tells whether there is a next page.
      limit: limit + 1,
    });
    const items = found.slice(0, limit);
    const last = items.at(-1);
    const next = found.length > limit && last ? cursorOf(last) : null;
    response.json({ status: 'ok', items: items.map((run) => shownRun(run, stamp)), next_cursor: next });
  });
  router.get('/:id', async (request, response) => {
    const id = z.uuid().safeParse(request.params.id);
    const run = id.success ? await runs.get(id.data) : undefined;
    if (!run) throw new ApiError(404, 'NOT_FOUND', 'Expected the id of a run; GET /v1/runs lists them');
    response.json({ status: 'ok', run: shownRun(run, stamp) });
  });
  return router;
}
