import { z } from 'zod';
import type { WantedBackfill } from '../backfill.ts';
import { backfillShape } from '../http/backfills.ts';
import { exitCodes } from '../host-error.ts';
import { formatTable, print, printJson, say } from './output.ts';
import { createProgress } from './progress.ts';
import type { Stop } from './stop-signals.ts';

/** A backfill as it is printed. */
export const backfillAnswer = z.object(backfillShape);

/** A backfill as it is printed. */
export type ShownBackfill = z.output<typeof backfillAnswer>;

/** What came of a backfill. */
export interface BackfillEnd {
  readonly backfill: ShownBackfill;
  /** Datasets that were asked for and have no days of the past. */
  readonly leftOut: readonly string[];
  /** What keeps it from going on for now. */
  readonly error?: { readonly code: string; readonly message: string } | undefined;
}

/** Backfills, here or at a host. */
export interface Backfills {
  add(
    wanted: WantedBackfill,
  ): Promise<{ readonly backfill: ShownBackfill; readonly leftOut: readonly string[] }>;
  /** Whether a person has paused the connection, so that nothing would come of waiting. */
  isPaused(): Promise<boolean>;
  list(): Promise<readonly ShownBackfill[]>;
  get(id: string): Promise<ShownBackfill>;
  cancel(id: string): Promise<ShownBackfill>;
  /** Works on it, or waits while the host does; resolves once it is over or goes on no further for now. */
  work(id: string, stop: Stop): Promise<BackfillEnd['error']>;
  /** What Ctrl-C leaves behind. */
  readonly onStop: string;
  /** What `--detach` leaves it to. */
  readonly onDetach: string;
}

/** Says why nothing happens and until when, once for each time. */
export function createWaitTeller(): (until: string) => void {
  let told: string | undefined;
  return (until) => {
    if (until !== told) say(`The source brought no day: it is left alone until ${until}, then this goes on.`);
    told = until;
  };
}

const lookEveryMs = 1_000;

/** Shows how far it has come until `work` settles, whichever way. */
export async function watchDays(work: Promise<unknown>, look: () => Promise<ShownBackfill>): Promise<void> {
  const progress = createProgress(process.stderr, 'days');
  let isLooking = false;
  const show = async (): Promise<void> => {
    if (isLooking) return;
    isLooking = true;
    try {
      const { connection, days_total: total, days_done: done, days_failed: failed } = await look();
      if (total !== null) progress.reached({ connection, done: done + failed, total });
    } catch {
      // What keeps it from being looked at is what `work` ends with, or it is over soon.
    } finally {
      isLooking = false;
    }
  };
  const timer = setInterval(() => void show(), lookEveryMs);
  try {
    await work;
  } finally {
    clearInterval(timer);
    progress.ended();
  }
}

function count(of: number | null): string | number {
  return of ?? '?';
}

function totals({ state, days_total: total, ...days }: ShownBackfill): string {
  const parts = [
    `${days.days_done} of ${count(total)} days`,
    `${days.days_failed} failed`,
    `${count(days.days_left)} left`,
    `${days.requests_made} requests`,
  ];
  return `${state}: ${parts.join(', ')}`;
}

/** Prints how it stands, dataset by dataset. */
export function showEnd({ backfill, leftOut, error }: BackfillEnd, json: boolean): void {
  if (json) printJson({ backfill, left_out: leftOut, error: error ?? null });
  else {
    const rows = backfill.datasets.map(({ dataset, ...days }) => [
      dataset,
      days.ok,
      days.no_data,
      days.not_supported,
      days.failed,
      count(days.left),
    ]);
    const head = ['dataset', 'ok', 'no_data', 'not_supported', 'failed', 'left'];
    if (rows.length > 0) print(`${formatTable(head, rows)}\n`);
    print(`${backfill.id} ${totals(backfill)}`);
  }
  if (error) say(`${error.code}: ${error.message}`);
  else if (backfill.days_failed > 0) say('Days that failed are asked for again by the schedule.');
  if (backfill.state === 'finished' && backfill.days_left !== 0)
    say('What is left belongs to datasets that the connection does not have.');
}

/** Prints those of a connection, newest first. */
export function listBackfills(those: readonly ShownBackfill[], json: boolean): number {
  if (json) printJson({ backfills: those });
  else {
    const rows = those.map((each) => [
      each.id,
      each.state,
      each.from,
      each.to,
      each.days_done,
      each.days_failed,
      count(each.days_left),
      each.requests_made,
    ]);
    print(formatTable(['id', 'state', 'from', 'to', 'done', 'failed', 'left', 'requests'], rows));
  }
  return exitCodes.done;
}
