import {
  addDays,
  countDays,
  dayAt,
  daysOf,
  inWindow,
  type DatasetInfo,
  type Day,
  type Window,
} from '@on-the-way/sdk';
import { isAnswer } from './absence.ts';
import type { LedgerEntry } from './ports.ts';

/**
 * Why a slice is there, in the order they are worked off: `absent` is recorded as not supported without
 * being asked for, `asked` was named by a person, `live` lies in the trailing window that is read each
 * run, `changed` has another mark than when it was answered, `retry` failed before, `gap` was never asked for, `unsettled` may still have changed.
 */
export type SliceReason = 'absent' | 'asked' | 'live' | 'changed' | 'retry' | 'gap' | 'unsettled';

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
  /** A person's wish: just these datasets, absent or not. */
  readonly onlyDatasets?: readonly string[];
  /** What the connector's `dayMarks` says. */
  readonly marks?: Readonly<Record<Day, string>>;
  /** A person is waiting: days of the trailing window are asked for whatever their marks say. */
  readonly rereadLive?: boolean;
  /** When a person last signed in, milliseconds since 1970. */
  readonly signedInAt?: number;
}

// Once a day, with four hours of slack so that an hourly schedule does not drift a day further each day.
const onceADayMs = 20 * 3_600_000;

/** Lower comes first. */
export const urgency: Record<SliceReason, number> = {
  absent: 0,
  asked: 1,
  live: 1,
  changed: 2,
  retry: 3,
  gap: 4,
  unsettled: 5,
};

function hasSettled(day: Day, settleDays: number, at: number, timeZone: string): boolean {
  return countDays(day, dayAt(at, timeZone)) >= Math.max(1, settleDays);
}

/** A day's outcome is final once it was asked for after the dataset's settle time had passed. */
export function isFinal(entry: LedgerEntry, settleDays: number, timeZone: string): boolean {
  return entry.outcome !== 'failed' && hasSettled(entry.day, settleDays, entry.lastAttemptAt, timeZone);
}

/** A day a run has to do with, and why. */
export interface WantedDay {
  readonly day: Day;
  readonly reason: SliceReason;
  readonly attempts: number;
}

/** The day's mark is the one it had when it was last answered: asking would bring the same again. */
function isUnchanged(input: PlanInput, dataset: DatasetInfo, { day, mark, outcome }: LedgerEntry): boolean {
  if (dataset.watched !== true || dataset.granularity !== 'day' || input.onlyDatasets) return false;
  return mark !== undefined && input.marks?.[day] === mark && (outcome === 'ok' || outcome === 'no_data');
}

/**
 * The day's mark is another one than when it was answered, so there is more to be had, however old the day
 * is: a watch can sync weeks late. An answer from before marks were known is believed, unless it was none.
 */
function hasChanged(input: PlanInput, dataset: DatasetInfo, { day, mark, outcome }: LedgerEntry): boolean {
  const now = input.marks?.[day];
  if (dataset.watched !== true || dataset.granularity !== 'day' || now === undefined) return false;
  return mark === undefined ? outcome === 'no_data' : mark !== now;
}

function reasonFor(
  input: PlanInput,
  dataset: DatasetInfo,
  { day, liveFrom, entry }: { day: Day; liveFrom: Day; entry: LedgerEntry | undefined },
): SliceReason | undefined {
  const { now, timeZone } = input;
  const unchanged = entry !== undefined && isUnchanged(input, dataset, entry);
  const askedLately = entry !== undefined && now - entry.lastAttemptAt < onceADayMs;
  const spared = unchanged && askedLately && day < dayAt(now, timeZone) && input.rereadLive !== true;
  if (day >= liveFrom) return spared ? undefined : 'live';
  if (!entry) return day >= input.backfillFrom ? 'gap' : undefined;
  if (entry.outcome === 'failed') return 'retry';
  if (entry.outcome !== 'not_supported' && hasChanged(input, dataset, entry)) return 'changed';
  if (isFinal(entry, dataset.settleDays, timeZone) || askedLately) return undefined;
  return unchanged && !hasSettled(day, dataset.settleDays, now, timeZone) ? undefined : 'unsettled';
}

/** The days of a dataset that are wanted now, whether or not it is absent. */
export function wantedDays(
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
    const known = entries.get(day);
    const entry = known && isAnswer(known, input.signedInAt) ? known : undefined;
    const reason = wish ? 'asked' : reasonFor(input, dataset, { day, liveFrom, entry });
    return reason ? [{ day, reason, attempts: entry?.attempts ?? 0 }] : [];
  });
}
