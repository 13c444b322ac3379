import {
  addDays,
  countDays,
  dayAt,
  daysOf,
  inWindow,
  spansOf,
  type DatasetInfo,
  type Day,
  type Window,
} from '@on-the-way/sdk';
import type { LedgerEntry } from './ports.ts';

/**
 * Why a slice is asked for, most urgent first: `live` lies in the trailing window that is read each
 * run, `retry` failed before, `gap` was never asked for, `unsettled` may still have changed,
 * `asked` was named by a person.
 */
export type SliceReason = 'asked' | 'live' | 'retry' | 'gap' | 'unsettled';

/** A slice to be fetched. */
export interface Slice {
  readonly dataset: string;
  readonly window: Window;
  readonly reason: SliceReason;
}

/** What a plan is made from. Everything is given, so the same question has the same answer. */
export interface PlanInput {
  readonly datasets: readonly DatasetInfo[];
  /** Outcomes known so far, in any order. */
  readonly entries: readonly LedgerEntry[];
  /** Milliseconds since 1970. */
  readonly now: number;
  readonly timeZone: string;
  /** Days read each run: today and the ones before it. 1 or more. */
  readonly windowDays: number;
  /** First day wanted at all; days from here on without an outcome are gaps. */
  readonly backfillFrom: Day;
  /** A person's wish: just these days, final or not. Days after today are left out. */
  readonly only?: Window;
  /** A person's wish: just these datasets. */
  readonly onlyDatasets?: readonly string[];
}

// Once a day, with four hours of slack so that an hourly schedule does not drift a day further each day.
const unsettledEveryMs = 20 * 3_600_000;

const urgency: Record<SliceReason, number> = { asked: 0, live: 0, retry: 1, gap: 2, unsettled: 3 };

/** A day's outcome is final once it was asked for after the dataset's settle time had passed. */
export function isFinal(entry: LedgerEntry, settleDays: number, timeZone: string): boolean {
  if (entry.outcome === 'failed') return false;
  return countDays(entry.day, dayAt(entry.lastAttemptAt, timeZone)) >= Math.max(1, settleDays);
}

interface WantedDay {
  readonly day: Day;
  readonly reason: SliceReason;
  readonly attempts: number;
}

function reasonFor(
  input: PlanInput,
  dataset: DatasetInfo,
  { day, liveFrom, entry }: { day: Day; liveFrom: Day; entry: LedgerEntry | undefined },
): SliceReason | undefined {
  if (day >= liveFrom) return 'live';
  if (!entry) return day >= input.backfillFrom ? 'gap' : undefined;
  if (entry.outcome === 'failed') return 'retry';
  if (isFinal(entry, dataset.settleDays, input.timeZone)) return undefined;
  return input.now - entry.lastAttemptAt >= unsettledEveryMs ? 'unsettled' : undefined;
}

function wantedDays(
  input: PlanInput,
  dataset: DatasetInfo,
  entries: ReadonlyMap<Day, LedgerEntry>,
): WantedDay[] {
  const today = dayAt(input.now, input.timeZone);
  const wish = input.only;
  // A snapshot is the state of now: no other day can be asked for, and a missed one is not a gap.
  if (dataset.granularity === 'snapshot') {
    return wish && !inWindow(wish, today)
      ? []
      : [{ day: today, reason: wish ? 'asked' : 'live', attempts: 0 }];
  }
  const liveFrom = addDays(today, 1 - input.windowDays);
  const first = wish?.from ?? (input.backfillFrom < liveFrom ? input.backfillFrom : liveFrom);
  const last = wish && wish.to <= today ? addDays(wish.to, -1) : today;
  const failed = wish ? [] : [...entries.values()].filter(({ outcome }) => outcome === 'failed');
  const older = failed.map(({ day }) => day).filter((day) => day < first);
  return [...older, ...daysOf({ from: first, to: addDays(last, 1) })].flatMap((day) => {
    const entry = entries.get(day);
    const reason = wish ? 'asked' : reasonFor(input, dataset, { day, liveFrom, entry });
    return reason ? [{ day, reason, attempts: entry?.attempts ?? 0 }] : [];
  });
}

interface RankedSlice {
  readonly slice: Slice;
  readonly attempts: number;
}

function slicesOf(dataset: DatasetInfo, days: readonly WantedDay[]): RankedSlice[] {
  const byDay = new Map(days.map((wanted) => [wanted.day, wanted]));
  return spansOf([...byDay.keys()], dataset.spanDays).map((window) => {
    const inside = daysOf(window).map((day) => byDay.get(day)!);
    const { reason } = inside.reduce((a, b) => (urgency[b.reason] < urgency[a.reason] ? b : a));
    const attempts = Math.min(...inside.map((wanted) => wanted.attempts));
    return { slice: { dataset: dataset.name, window, reason }, attempts };
  });
}

/**
 * What a run asks for: the trailing window, days that failed, days never asked for back to
 * `backfillFrom`, and once a day those still within their dataset's settle time. Days whose outcome is
 * final are not asked for again unless a person asks.
 *
 * Live work comes first. Within a reason, what failed least often comes first, so that a day that
 * always fails cannot keep others waiting; then the newest day.
 */
export function planSlices(input: PlanInput): Slice[] {
  const known = Map.groupBy(input.entries, (entry) => entry.dataset);
  const chosen = input.onlyDatasets;
  const ranked = input.datasets
    .filter((dataset) => !chosen || chosen.includes(dataset.name))
    .flatMap((dataset) => {
      const entries = new Map((known.get(dataset.name) ?? []).map((entry) => [entry.day, entry]));
      return slicesOf(dataset, wantedDays(input, dataset, entries));
    });
  const order = (a: RankedSlice, b: RankedSlice): number =>
    urgency[a.slice.reason] - urgency[b.slice.reason] ||
    (a.slice.reason === 'retry' ? a.attempts - b.attempts : 0) ||
    (a.slice.window.to < b.slice.window.to ? 1 : a.slice.window.to > b.slice.window.to ? -1 : 0);
  return ranked.toSorted(order).map(({ slice }) => slice);
}
