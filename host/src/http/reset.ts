import { addDays, dayAt } from '@on-the-way/sdk';
import { z } from 'zod';
import { mostBackfillDays } from '../backfill.ts';
import type { ConnectionConfig } from '../config/host-config.ts';
import { AlreadyRunning, claimConnection } from '../run-service.ts';
import { countReset, resetConnection, type Forgotten, type ResetWish } from '../storage/reset.ts';
import { ApiError } from './api-error.ts';
import type { AppParts } from './app-parts.ts';
import { readJsonBody } from './body.ts';
import { connectionOf, connectionPath } from './connections.ts';
import { windowOfDays } from './coverage.ts';
import { defineRoute, type Route } from './route.ts';
import { day, ok, plainText } from './shapes.ts';

const body = z.strictObject({
  from: day.optional(),
  to: day.optional(),
  datasets: z.array(plainText(64)).min(1).max(100).optional(),
  cursors: z.boolean().optional(),
  dry_run: z.boolean().optional(),
});

/** What was forgotten, in an answer. */
export const forgottenShape = z.strictObject({
  ledger_days: z.int(),
  set_aside: z.int(),
  slice_letters: z.int(),
  cursors: z.int(),
  backfills: z.int(),
  pauses: z.int(),
});

/** The same as the API and `otw reset --json` show it. */
export function shownForgotten({ ledgerDays, setAside, sliceLetters, ...counts }: Forgotten) {
  return { ledger_days: ledgerDays, set_aside: setAside, slice_letters: sliceLetters, ...counts };
}

async function wishOf(
  { connections, clock }: AppParts,
  { name, timeZone }: ConnectionConfig,
  { from, to, datasets, cursors }: z.output<typeof body>,
): Promise<ResetWish> {
  const known = (await connections.state(name)).datasets?.map((dataset) => dataset.name);
  const strange = known && datasets?.find((dataset) => !known.includes(dataset));
  if (known && strange !== undefined)
    throw new ApiError(422, 'INVALID_ARGUMENT', `datasets: expected names out of ${known.join(', ')}`);
  const last = to ?? dayAt(clock.now(), timeZone);
  const isOfDays = from !== undefined || to !== undefined;
  if (isOfDays && cursors === true)
    throw new ApiError(
      422,
      'INVALID_ARGUMENT',
      'cursors: expected no from and to, since a cursor has no days',
    );
  return {
    ...(isOfDays && { window: windowOfDays(from ?? last, last, mostBackfillDays) }),
    ...(datasets && { datasets }),
    ...(cursors === true && { cursorsOnly: true }),
  };
}

async function forget(
  parts: AppParts,
  { name, timeZone, backfillDays }: ConnectionConfig,
  wish: ResetWish,
): Promise<Forgotten> {
  const firstWanted = addDays(dayAt(parts.clock.now(), timeZone), 1 - backfillDays);
  try {
    const claim = await claimConnection(parts, name);
    try {
      return await resetConnection(parts.database, claim, { wish, firstWanted });
    } finally {
      await claim.release();
    }
  } catch (error) {
    if (error instanceof AlreadyRunning) throw new ApiError(409, 'ALREADY_RUNNING', error.message);
    throw error;
  }
}

/** Forgets what the ledger knows. */
export function resetRoutes(parts: AppParts): readonly Route[] {
  return [
    defineRoute({
      method: 'post',
      path: '/v1/connections/{name}/reset',
      summary: 'Forgets what became of days, so that they are asked for again; what is stored is kept',
      scope: 'admin',
      params: connectionPath,
      body: { mediaTypes: ['application/json'], schema: body.optional() },
      answers: {
        200: {
          description: 'What was forgotten; with dry_run what would be',
          schema: ok({ connection: z.string(), dry_run: z.boolean(), forgotten: forgottenShape }),
        },
      },
      async handle({ params: { name }, request }) {
        const connection = connectionOf(parts, name);
        const asked = (await readJsonBody(request, body.optional())) ?? {};
        const wish = await wishOf(parts, connection, asked);
        const dry = asked.dry_run === true;
        const counts = dry
          ? await countReset(parts.database, name, wish)
          : await forget(parts, connection, wish);
        if (!dry) await parts.scheduler.lookAgain();
        return {
          body: { status: 'ok', connection: name, dry_run: dry, forgotten: shownForgotten(counts) },
        };
      },
    }),
  ];
}
