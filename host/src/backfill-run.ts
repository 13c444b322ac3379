import type { PlanInput, RunSummary } from '@on-the-way/core';
import { progressOfAll, type BackfillProgress } from './backfill.ts';
import { nextRunAfter } from './next-run.ts';
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

const firstStallMs = 5 * 60_000;
const longestStallMs = 60 * 60_000;
// As long as a dataset is left alone after failures in a row.
const afterFailuresMs = 60_000;

/** The backfill a run works on: the one it was begun for, else the oldest one that need not wait; undefined where there is none. */
export async function backfillOfRun(
  { backfills }: Pick<BackfillParts, 'backfills'>,
  connection: string,
  { backfillId }: { readonly backfillId?: string },
): Promise<Backfill | undefined> {
  const open = await backfills.open(connection);
  return backfillId === undefined
    ? open.find(({ nextRunAt }) => nextRunAt === null)
    : open.find(({ id }) => id === backfillId);
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

/** How far it has come; what the connection can read may be known since its last sign-in only. */
export async function progressNow(parts: BackfillParts, backfill: Backfill): Promise<BackfillProgress> {
  const { datasets } = await parts.connections.state(backfill.connection);
  const [progress] = await progressOfAll(parts.backfills, [backfill], datasets);
  return progress!;
}

/** A run of a backfill that is over. */
interface EndedChunk {
  readonly summary: RunSummary;
  readonly before: BackfillProgress;
  readonly claim: Fence;
  readonly intervalSeconds: number;
  /** How long it took, by a clock that nobody sets. */
  readonly elapsedMs: number;
  /** From its begin to the next midnight of the connection. */
  readonly dayEndsInMs: number;
}

/** Runs in a row that brought no day, this one among them; stopped before it could ask it is not one of them. */
function stalledAfter(
  { stalled }: Backfill,
  { summary: { status, requests }, before }: EndedChunk,
  now: BackfillProgress,
): number {
  if (now.done + now.failed > before.done + before.failed) return 0;
  return status === 'interrupted' && requests === 0 ? stalled : stalled + 1;
}

/** How long no host goes on with it; 0 where the next run may follow at once. */
function waitMsAfter(
  { summary, before, intervalSeconds, elapsedMs, dayEndsInMs }: EndedChunk,
  now: BackfillProgress,
  stalled: number,
): number {
  const { status, error, heldUp, requests } = summary;
  if (error?.code === 'budget_spent')
    return error.retryAfterMs ?? Math.min(intervalSeconds * 1000, dayEndsInMs);
  if (status === 'interrupted' && requests === 0) return 0;
  const onlyFailed = heldUp === true && now.done <= before.done;
  const stallMs = Math.min(longestStallMs, firstStallMs * 2 ** (stalled - 1));
  const waitMs = stalled > 0 ? stallMs : onlyFailed ? afterFailuresMs : 0;
  if (!error || error.code === 'wall_limit') return waitMs;
  // The pause is the connection's.
  if (error.code === 'rate_limited') return Math.max(waitMs, error.retryAfterMs ?? 0);
  // No sooner than the schedule would ask again.
  const { afterMs } = nextRunAfter({
    summary,
    intervalSeconds,
    elapsedMs,
    brokenRuns: Math.min(7, Math.max(1, stalled)),
    random: () => 0,
  });
  return Math.max(waitMs, afterMs);
}

function isOver(backfill: Backfill, { summary }: EndedChunk, { left }: BackfillProgress): boolean {
  const { error, status, slicesPlanned, requests } = summary;
  if (requestsLeftOf(backfill) <= requests) return true;
  // Told to stop, or not let in: nothing is known of what is left.
  if (status === 'interrupted' || error) return false;
  return slicesPlanned === 0 || left === 0;
}

/**
 * Remembers what the run asked, and ends the backfill of which nothing is left. One whose run brought a day goes on at
 * once; one whose run brought none waits, longer each time. Throws Fenced as every write of a run.
 */
export async function afterBackfill(
  parts: BackfillParts,
  backfill: Backfill,
  chunk: EndedChunk,
): Promise<void> {
  const { summary, claim } = chunk;
  const now = await progressNow(parts, backfill);
  const stalled = stalledAfter(backfill, chunk, now);
  const waitMs = waitMsAfter(chunk, now, stalled);
  await parts.backfills.ran(backfill.id, { requests: summary.requests, waitMs, stalled }, claim);
  if (isOver(backfill, chunk, now)) await parts.backfills.finish(backfill.id, claim);
}
