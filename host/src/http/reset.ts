import { addDays, dayAt } from '@on-the-way/sdk';
import { z } from 'zod';
import { mostBackfillDays } from '../backfill.ts';
import type { ConnectionConfig } from '../config/host-config.ts';
import { AlreadyRunning, claimConnection } from '../run-service.ts';
import {
  resetConnection,
  wouldReset,
  type Reset,
  type ResetRequest,
  type ResetWish,
} from '../storage/reset.ts';
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

const forgottenShape = z.strictObject({
  ledger_days: z.int(),
  set_aside: z.int(),
  slice_letters: z.int(),
  cursors: z.int(),
  backfills: z.int(),
  pauses: z.int(),
});

/** What was forgotten, and the days of it that only a backfill asks for again, both included. */
export const resetShape = z.strictObject({
  forgotten: forgottenShape,
  left_to_backfill: z.strictObject({ from: day, to: day }).nullable(),
});

/** The same as the API and `otw reset --json` show it. */
export function shownReset({ forgotten, leftToBackfill: left }: Reset): z.output<typeof resetShape> {
  const { ledgerDays, setAside, sliceLetters, ...counts } = forgotten;
  return {
    forgotten: { ledger_days: ledgerDays, set_aside: setAside, slice_letters: sliceLetters, ...counts },
    left_to_backfill: left ? { from: left.from, to: addDays(left.to, -1) } : null,
  };
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
  const today = dayAt(clock.now(), timeZone);
  const last = to ?? today;
  const first = from ?? last;
  const isOfDays = from !== undefined || to !== undefined;
  if (isOfDays && cursors === true)
    throw new ApiError(
      422,
      'INVALID_ARGUMENT',
      'cursors: expected no from and to, since a cursor has no days',
    );
  if (first > today) {
    const message = `${from === undefined ? 'to' : 'from'}: expected a day up to today (${today}), found ${first}`;
    throw new ApiError(422, 'INVALID_ARGUMENT', message);
  }
  return {
    ...(isOfDays && { window: windowOfDays(first, last, mostBackfillDays) }),
    ...(datasets && { datasets }),
    ...(cursors === true && { cursorsOnly: true }),
  };
}

async function forget(parts: AppParts, name: string, request: ResetRequest): Promise<Reset> {
  try {
    const claim = await claimConnection(parts, name);
    try {
      return await resetConnection(parts.database, claim, request);
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
          schema: ok({ connection: z.string(), dry_run: z.boolean(), ...resetShape.shape }),
        },
      },
      async handle({ params: { name }, request }) {
        const connection = connectionOf(parts, name);
        const asked = (await readJsonBody(request, body.optional())) ?? {};
        const wish = await wishOf(parts, connection, asked);
        const today = dayAt(parts.clock.now(), connection.timeZone);
        const wanted = { wish, firstWanted: addDays(today, 1 - connection.backfillDays) };
        const dry = asked.dry_run === true;
        const reset = dry
          ? await wouldReset(parts.database, name, wanted)
          : await forget(parts, name, wanted);
        if (!dry) await parts.scheduler.lookAgain();
        return { body: { status: 'ok', connection: name, dry_run: dry, ...shownReset(reset) } };
      },
    }),
  ];
}
