import type { PlanInput, RunSummary } from '@on-the-way/core';
import { progressOfAll } from './backfill.ts';
import type { Backfill, BackfillStore } from './storage/backfills.ts';
import type { ConnectionStore } from './storage/connections.ts';
import type { Fence } from './storage/fence.ts';

/** What is read and written of backfills around a run. */
interface BackfillParts {
  readonly backfills: BackfillStore;
  readonly connections: Pick<ConnectionStore, 'state'>;
}

/** Slices a run of a backfill asks for at most, so that what is live never waits for long. */
const slicesAtOnce = 500;

// Long enough for most outages to be over, and short enough to go on soon after.
const longestHoldMs = 5 * 60_000;

/** The backfill a run works on: the one it was begun for, else the oldest one; undefined where none is open. */
export async function backfillOfRun(
  { backfills }: Pick<BackfillParts, 'backfills'>,
  connection: string,
  { backfillId }: { readonly backfillId?: string },
): Promise<Backfill | undefined> {
  const open = await backfills.open(connection);
  return backfillId === undefined ? open[0] : open.find(({ id }) => id === backfillId);
}

/** Requests a backfill may still make. */
export function requestsLeftOf({ requestBudget, requestsMade }: Backfill): number {
  return requestBudget === undefined ? Infinity : requestBudget - requestsMade;
}

/** Its part of the plan: nothing else is read in its runs. */
export function planOfBackfill({
  window,
  datasets,
  refresh,
  since,
}: Backfill): Pick<PlanInput, 'backfills' | 'scope' | 'sliceLimit'> {
  return {
    scope: 'backfill',
    sliceLimit: slicesAtOnce,
    backfills: [{ window, ...(datasets && { datasets }), ...(refresh && { since }) }],
  };
}

/** How long nothing of the connection's past is asked for; 0 where the next run may follow at once. */
function waitMsAfter({ error, heldUp }: RunSummary, intervalSeconds: number): number {
  const intervalMs = intervalSeconds * 1000;
  if (error) return error.retryAfterMs ?? intervalMs;
  return heldUp === true ? Math.min(intervalMs, longestHoldMs) : 0;
}

async function isOver(parts: BackfillParts, backfill: Backfill, summary: RunSummary): Promise<boolean> {
  const { error, status, slicesPlanned, requests } = summary;
  if (requestsLeftOf(backfill) <= requests) return true;
  // Told to stop, or not let in: nothing is known of what is left.
  if (status === 'interrupted' || error) return false;
  if (slicesPlanned === 0) return true;
  const { datasets } = await parts.connections.state(backfill.connection);
  const [progress] = await progressOfAll(parts.backfills, [backfill], datasets);
  return progress?.left === 0;
}

/**
 * Remembers what the run asked, and ends the backfill of which nothing is left. One whose run ended before it could ask
 * goes on after the pause, or an interval later; one whose source fails some minutes later. Throws Fenced as every write
 * of a run.
 */
export async function afterBackfill(
  parts: BackfillParts,
  backfill: Backfill,
  run: { readonly summary: RunSummary; readonly claim: Fence; readonly intervalSeconds: number },
): Promise<void> {
  const { summary, claim, intervalSeconds } = run;
  const { requests } = summary;
  const waitMs = waitMsAfter(summary, intervalSeconds);
  await parts.backfills.ran(backfill.id, { requests, waitMs }, claim);
  if (await isOver(parts, backfill, summary)) await parts.backfills.finish(backfill.id, claim);
}
