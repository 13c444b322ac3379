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
import { badAnswerCodes, isDue } from './failed-days.ts';
import type { Frontier, LedgerEntry } from './ports.ts';

/**
 * Why a slice is there, in the order they are worked off: `absent` is recorded as not supported without
 * being asked for, `asked` was named by a person, `live` lies in the trailing window that is read each
 * run, `changed` has another mark than when it was answered, `retry` failed before, `gap` was never asked for,
 * `unsettled` may still have changed, `backfill` lies in days of the past that a person wants to have.
 */
export type SliceReason =
  'absent' | 'asked' | 'live' | 'changed' | 'retry' | 'gap' | 'unsettled' | 'backfill';

/** Days of the past that a person wants to have, once nothing else is to be done. */
interface WantedPast {
  readonly window: Window;
  /** Missing: all. */
  readonly datasets?: readonly string[];
  /** Milliseconds since 1970: days that were last asked for before it are asked for again, answer or not. */
  readonly since?: number;
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
  /** A person's wish: just these datasets, absent or not. */
  readonly onlyDatasets?: readonly string[];
  /** What the connector's `dayMarks` says. */
  readonly marks?: Readonly<Record<Day, string>>;
  /** A person is waiting: days of the trailing window are asked for whatever their marks say. */
  readonly rereadLive?: boolean;
  /** When a person last signed in, milliseconds since 1970. */
  readonly signedInAt?: number;
  /** Version of the plugin: days that another version gave up are asked for once more. */
  readonly version?: string;
  /** What `entries` leave out, by datasets: those that frontiersInUse named. */
  readonly frontiers?: readonly Frontier[];
  readonly backfills?: readonly WantedPast[];
  /** `backfill`: nothing but what `backfills` want. */
  readonly scope?: 'all' | 'backfill';
  /** Slices in the plan at most; the most urgent ones of each dataset. */
  readonly sliceLimit?: number;
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
  backfill: 6,
};

const dayMs = 24 * 3_600_000;

function hasSettled(day: Day, settleDays: number, at: number, timeZone: string): boolean {
  const settles = Math.max(1, settleDays);
  // No zone is a day away from UTC, and its calendar is asked for only where that matters: plans judge many days.
  const days = (at - Date.parse(day)) / dayMs - settles;
  if (Math.abs(days) >= 1) return days > 0;
  return countDays(day, dayAt(at, timeZone)) >= settles;
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
  if (entry.outcome === 'failed') return isDue(input, entry) ? 'retry' : undefined;
  if (entry.outcome !== 'not_supported' && hasChanged(input, dataset, entry)) return 'changed';
  if (isFinal(entry, dataset.settleDays, timeZone) || askedLately) return undefined;
  return unchanged && !hasSettled(day, dataset.settleDays, now, timeZone) ? undefined : 'unsettled';
}

/** Read as it is now: no other day can be asked for, and a missed one is not a gap. */
export function isOfNow({ granularity }: Pick<DatasetInfo, 'granularity'>): boolean {
  return granularity === 'snapshot' || granularity === 'cursor';
}

type Entries = ReadonlyMap<Day, LedgerEntry>;

// The datasets of a plan share most of their days, and to count them out costs more than all the rest.
const countedOut = new WeakMap<PlanInput, Map<string, readonly Day[]>>();

function daysIn(input: PlanInput, from: Day, to: Day): readonly Day[] {
  if (from >= to) return [];
  const known = countedOut.get(input) ?? new Map<string, readonly Day[]>();
  countedOut.set(input, known);
  const days = known.get(from + to) ?? daysOf({ from, to });
  known.set(from + to, days);
  return days;
}

/** Days from the first to the last, both included, beside those a frontier leaves out. */
function daysBeside(
  input: PlanInput,
  dataset: DatasetInfo,
  { first, last }: { first: Day; last: Day },
): Day[] {
  const to = addDays(last, 1);
  const hidden = hiddenOf(input, dataset);
  if (!hidden || hidden.to <= first || hidden.from >= to) return [...daysIn(input, first, to)];
  return [...daysIn(input, first, hidden.from), ...daysIn(input, hidden.to, to)];
}

function hiddenOf({ frontiers = [] }: PlanInput, { name }: DatasetInfo): Frontier | undefined {
  return frontiers.find(({ dataset }) => dataset === name);
}

/** It failed, and not for what the source says of the day: whoever asks again may well get an answer. */
function isOpenFailure({ outcome, errorCode, setAsideBy }: LedgerEntry): boolean {
  if (outcome !== 'failed' || errorCode === undefined || setAsideBy !== undefined) return false;
  return !badAnswerCodes.includes(errorCode);
}

/** Days of the past that a person wants, and that were never answered, or not since the wish. */
function pastDays(input: PlanInput, dataset: DatasetInfo, entries: Entries): WantedDay[] {
  const today = dayAt(input.now, input.timeZone);
  const wishes = (input.backfills ?? []).filter(({ datasets }) => datasets?.includes(dataset.name) !== false);
  return wishes.flatMap(({ window: { from, to }, since }) => {
    const last = to <= today ? addDays(to, -1) : today;
    if (last < from) return [];
    const beside = daysBeside(input, dataset, { first: from, last });
    const planned = new Set(beside);
    // A frontier leaves failures out as well, and they are read for all that.
    const failed = [...entries.values()].filter(
      ({ day, outcome }) => outcome === 'failed' && from <= day && day <= last && !planned.has(day),
    );
    return [...beside, ...failed.map(({ day }) => day)].flatMap((day): WantedDay[] => {
      const known = entries.get(day);
      const attempts = known?.outcome === 'failed' ? known.attempts : 0;
      const answer = known && isAnswer(known, input.signedInAt) && !isOpenFailure(known) ? known : undefined;
      const isWanted = !answer || (since !== undefined && answer.lastAttemptAt < since);
      return isWanted ? [{ day, reason: 'backfill', attempts }] : [];
    });
  });
}

/** Days that every run has to do with. */
function currentDays(input: PlanInput, dataset: DatasetInfo, entries: Entries): WantedDay[] {
  const today = dayAt(input.now, input.timeZone);
  const wish = input.only;
  const liveFrom = addDays(today, 1 - input.windowDays);
  const first = wish?.from ?? (input.backfillFrom < liveFrom ? input.backfillFrom : liveFrom);
  const last = wish && wish.to <= today ? addDays(wish.to, -1) : today;
  const beside = daysBeside(input, dataset, { first, last });
  const planned = new Set(beside);
  const failed = wish ? [] : [...entries.values()].filter(({ outcome }) => outcome === 'failed');
  const older = failed.map(({ day }) => day).filter((day) => day <= last && !planned.has(day));
  return [...older, ...beside].flatMap((day) => {
    const known = entries.get(day);
    const entry = known && isAnswer(known, input.signedInAt) ? known : undefined;
    const reason = wish ? 'asked' : reasonFor(input, dataset, { day, liveFrom, entry });
    return reason ? [{ day, reason, attempts: entry?.attempts ?? 0 }] : [];
  });
}

/** The days of a dataset that are wanted now, whether or not it is absent. A day may be there twice: the last one counts. */
export function wantedDays(input: PlanInput, dataset: DatasetInfo, entries: Entries): WantedDay[] {
  const { scope = 'all', only } = input;
  const today = dayAt(input.now, input.timeZone);
  if (isOfNow(dataset)) {
    const isAsked = scope === 'all' && (!only || inWindow(only, today));
    return isAsked ? [{ day: today, reason: only ? 'asked' : 'live', attempts: 0 }] : [];
  }
  const past = pastDays(input, dataset, entries);
  return scope === 'backfill' ? past : [...past, ...currentDays(input, dataset, entries)];
}
