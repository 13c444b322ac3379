import { addDays, countDays, type DatasetInfo, type Day } from '@on-the-way/sdk';
import type { Backfill, BackfillStore, BackfillWish, DaysOfDataset } from './storage/backfills.ts';

/** As many days as a connection may be configured to read back. */
export const mostBackfillDays = 7300;

/** As many requests as a backfill may be allowed. */
export const mostRequests = 999_999_999;

/** A wish that cannot be met; the message says what was expected, for whoever made it. */
export class UnusableWish extends Error {
  override readonly name = 'UnusableWish';
}

/** What a person asks for, as the command line and the API take it. */
export interface WantedBackfill {
  readonly from: Day;
  /** Its last day; default today. */
  readonly to?: Day | undefined;
  readonly datasets?: readonly string[] | undefined;
  readonly refresh?: boolean | undefined;
  /** Requests it may make. */
  readonly requests?: number | undefined;
}

/** What is known of the connection. */
interface Known {
  readonly today: Day;
  /** What it can read; null before its first sign-in. */
  readonly datasets: readonly DatasetInfo[] | null;
}

/** A wish that can be met, and what of it cannot. */
export interface PlannedWish {
  readonly wish: BackfillWish;
  /** Datasets without days of the past, which no backfill can ask for. */
  readonly leftOut: readonly string[];
}

function hasDays({ granularity }: DatasetInfo): boolean {
  return granularity === 'day' || granularity === 'range';
}

function expectDays({ from, to }: { readonly from: Day; readonly to: Day }, today: Day): void {
  if (from > today) throw new UnusableWish(`from: expected a day up to today (${today}), found ${from}`);
  if (to > today) throw new UnusableWish(`to: expected a day up to today (${today}), found ${to}`);
  if (from > to) throw new UnusableWish(`from: expected a day up to ${to}, found ${from}`);
  if (countDays(from, to) < mostBackfillDays) return;
  const earliest = addDays(to, 1 - mostBackfillDays);
  throw new UnusableWish(
    `from: expected at most ${mostBackfillDays} days, so a day from ${earliest} on, found ${from}`,
  );
}

/** @throws UnusableWish for days to come, days the wrong way round, too many, or datasets there are none of. */
export function planWish(wanted: WantedBackfill, { today, datasets: known }: Known): PlannedWish {
  const { from, to = today, datasets: asked, refresh = false, requests } = wanted;
  expectDays({ from, to }, today);
  const strange = known && asked?.find((name) => !known.some((dataset) => dataset.name === name));
  if (known && strange !== undefined && strange !== null) {
    const names = known.filter(hasDays).map(({ name }) => name);
    throw new UnusableWish(`datasets: expected names out of ${names.join(', ')}, found ${strange}`);
  }
  const chosen = known?.filter(({ name }) => asked?.includes(name) !== false) ?? [];
  const leftOut = chosen.filter((dataset) => !hasDays(dataset)).map(({ name }) => name);
  const datasets = asked?.filter((name) => !leftOut.includes(name));
  if (datasets?.length === 0)
    throw new UnusableWish(
      `datasets: expected one that has days of the past, found ${leftOut.join(', ')}, which is read as it is now`,
    );
  return {
    leftOut,
    wish: {
      window: { from, to: addDays(to, 1) },
      refresh,
      ...(datasets && { datasets: [...new Set(datasets)] }),
      ...(requests !== undefined && { requestBudget: requests }),
    },
  };
}

/** Days of a dataset, and those of them that nothing is known of. */
interface BackfillDays extends DaysOfDataset {
  readonly dataset: string;
  /** Not asked for yet; null where it is not known what the connection can read. */
  readonly left: number | null;
}

/** How much of a backfill is there. */
export interface BackfillProgress {
  readonly datasets: readonly BackfillDays[];
  /** All its days of all its datasets; null before the first sign-in. */
  readonly total: number | null;
  /** Those that have an answer. */
  readonly done: number;
  readonly failed: number;
  readonly left: number | null;
}

const none: DaysOfDataset = { ok: 0, noData: 0, notSupported: 0, failed: 0 };

/** What the ledger says, against what was wanted of what the connection can read. */
export function progressOf(
  { window, datasets: asked }: Backfill,
  days: ReadonlyMap<string, DaysOfDataset>,
  known: readonly DatasetInfo[] | null,
): BackfillProgress {
  const readable = known?.filter(hasDays).map(({ name }) => name);
  const names = asked ? [...asked] : (readable ?? [...days.keys()]);
  const each = countDays(window.from, window.to);
  const isKnown = readable !== undefined || asked !== undefined;
  const datasets = names.map((dataset) => {
    const found = days.get(dataset) ?? none;
    const { ok, noData, failed } = found;
    // What the connector itself cannot do is never asked for.
    const cannot = known?.some(({ name, notSupported: why }) => name === dataset && why !== undefined);
    const counts = cannot ? { ...found, notSupported: each - ok - noData - failed } : found;
    const left = Math.max(0, each - ok - noData - counts.notSupported - failed);
    return { dataset, ...counts, left: isKnown ? left : null };
  });
  const sum = (of: (one: BackfillDays) => number): number => datasets.reduce((all, one) => all + of(one), 0);
  return {
    datasets,
    total: isKnown ? each * names.length : null,
    done: sum(({ ok, noData, notSupported }) => ok + noData + notSupported),
    failed: sum(({ failed }) => failed),
    left: isKnown ? sum(({ left }) => left ?? 0) : null,
  };
}

/** How each of these stands, in their order; all of one connection, of which `known` is what it can read. */
export async function progressOfAll(
  backfills: Pick<BackfillStore, 'days'>,
  those: readonly Backfill[],
  known: readonly DatasetInfo[] | null,
): Promise<readonly BackfillProgress[]> {
  const days = await backfills.days(those);
  return those.map((backfill) => progressOf(backfill, days.get(backfill.id) ?? new Map(), known));
}

/** What has become of a backfill. */
export type BackfillState = 'open' | 'finished' | 'cancelled' | 'budget_spent';

/** The state of one whose progress is known. */
export function stateOf(
  { cancelledAt, finishedAt, ...backfill }: Backfill,
  left: number | null,
): BackfillState {
  if (cancelledAt !== null) return 'cancelled';
  if (finishedAt === null) return 'open';
  const { requestBudget, requestsMade } = backfill;
  return requestBudget !== undefined && requestsMade >= requestBudget && left !== 0
    ? 'budget_spent'
    : 'finished';
}
