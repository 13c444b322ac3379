import { daysOf, spansOf, type DatasetInfo, type Day, type Window } from '@on-the-way/sdk';
import { absenceOf, okDaysOf, rowOf, type Absence, type AbsenceContext } from './absence.ts';
import type { LedgerEntry } from './ports.ts';
import { urgency, wantedDays, type PlanInput, type SliceReason, type WantedDay } from './wanted-days.ts';

/** A slice to be fetched, or, where it is `absent`, to be recorded. */
export interface Slice {
  readonly dataset: string;
  readonly window: Window;
  readonly reason: SliceReason;
  /** Of an absent slice: the words for the ledger. */
  readonly why?: string;
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

/** What is not asked for, in spans of any length. Days that have an answer keep it. */
function absentSlices(
  dataset: DatasetInfo,
  days: readonly WantedDay[],
  entries: ReadonlyMap<Day, LedgerEntry>,
  why: string,
): RankedSlice[] {
  const open = days.flatMap(({ day, reason }) => {
    const outcome = entries.get(day)?.outcome ?? 'failed';
    // A person who asked sees what became of it, though it was recorded before.
    return outcome === 'failed' || (reason === 'asked' && outcome === 'not_supported') ? [day] : [];
  });
  return spansOf(open, Math.max(1, open.length)).map((window) => ({
    slice: { dataset: dataset.name, window, reason: 'absent', why },
    attempts: 0,
  }));
}

/** Lasting absence, unless a person asks: then only what the connector itself cannot do is left out. */
function absenceFor(
  input: PlanInput,
  dataset: DatasetInfo,
  entries: readonly LedgerEntry[],
  context: AbsenceContext,
): Absence | undefined {
  const wish = input.only !== undefined || input.onlyDatasets !== undefined;
  return absenceOf(dataset, rowOf(wish ? [] : entries, context), context);
}

function slicesFor(
  input: PlanInput,
  dataset: DatasetInfo,
  known: readonly LedgerEntry[],
  context: AbsenceContext,
): RankedSlice[] {
  const entries = new Map(known.map((entry) => [entry.day, entry]));
  const wanted = wantedDays(input, dataset, entries);
  const absence = absenceFor(input, dataset, known, context);
  if (!absence) return slicesOf(dataset, wanted);
  const { from, words, askAgainAt = Number.POSITIVE_INFINITY } = absence;
  const askAgain = input.now >= askAgainAt;
  const isAsked = ({ day, reason }: WantedDay): boolean =>
    (from !== undefined && day < from) ||
    (askAgain && reason === 'live') ||
    // What is absent today may have been there in the past that a person wants.
    (reason === 'backfill' && dataset.notSupported === undefined);
  const asked = wanted.filter(isAsked);
  const askedDays = new Set(asked.map(({ day }) => day));
  const rest = wanted.filter(({ day, reason }) => !askedDays.has(day) && reason !== 'backfill');
  return [...slicesOf(dataset, asked), ...absentSlices(dataset, rest, entries, words)];
}

// Days that failed before are among these.
const failing: readonly SliceReason[] = ['retry', 'backfill'];

/** By reason; among what failed what failed least often first; then the newest day. */
function byReason(a: RankedSlice, b: RankedSlice): number {
  return (
    urgency[a.slice.reason] - urgency[b.slice.reason] ||
    (failing.includes(a.slice.reason) ? a.attempts - b.attempts : 0) ||
    (a.slice.window.to < b.slice.window.to ? 1 : a.slice.window.to > b.slice.window.to ? -1 : 0)
  );
}

// These take turns with what failed.
const fresh: readonly SliceReason[] = ['gap', 'unsettled'];

/**
 * Which turn a slice has: what is fresh and what failed are told one by one within their dataset, so that many days
 * that fail, each of which brings its breaker nearer, and a long history keep one another waiting for one slice at most.
 */
function turnsOf(sorted: readonly RankedSlice[]): ReadonlyMap<RankedSlice, number> {
  const own = [...Map.groupBy(sorted, ({ slice }) => slice.dataset).values()];
  const queues = own.flatMap((some) => [
    some.filter(({ slice }) => slice.reason === 'retry'),
    some.filter(({ slice }) => fresh.includes(slice.reason)),
  ]);
  return new Map(queues.flatMap((queue) => queue.map((one, turn) => [one, turn] as const)));
}

/** All slices in the order in which they are worked off. */
function inOrder(ranked: readonly RankedSlice[]): readonly RankedSlice[] {
  const sorted = ranked.toSorted(byReason);
  const turns = turnsOf(sorted);
  const groupOf = (one: RankedSlice): number => (turns.has(one) ? urgency.retry : urgency[one.slice.reason]);
  // Of one turn what is fresh comes first: it may be answered, which tells the breaker that the source is there.
  const lateOf = ({ slice }: RankedSlice): number => (slice.reason === 'retry' ? 1 : 0);
  return sorted.toSorted(
    (a, b) => groupOf(a) - groupOf(b) || (turns.get(a) ?? 0) - (turns.get(b) ?? 0) || lateOf(a) - lateOf(b),
  );
}

/** The most urgent ones, dataset by dataset in turn: one that lags behind the others does not keep them waiting. */
function mostUrgent(ranked: readonly RankedSlice[], limit = Infinity): readonly RankedSlice[] {
  if (ranked.length <= limit) return ranked;
  const turns = [...Map.groupBy(ranked, ({ slice }) => slice.dataset).values()].flatMap((own) =>
    own.map((one, turn) => ({ one, turn })),
  );
  const chosen = turns.toSorted((a, b) => a.turn - b.turn).slice(0, limit);
  const those = new Set(chosen.map(({ one }) => one));
  return ranked.filter((one) => those.has(one));
}

/**
 * What a run asks for: the trailing window, days that failed and are due, days never asked for back to
 * `backfillFrom`, once a day those still within their dataset's settle time, and what `backfills` want of the
 * past. Days whose outcome is final are not asked for again unless a person asks. Of a watched dataset, days whose mark is the same as
 * when they were last asked for are left out; a dataset that is lastingly absent is asked for once a week, and for the
 * past that `backfills` want.
 *
 * What is absent comes first, since it costs nothing, then live work. Within a reason the newest day comes first. What
 * failed takes turns with what was never asked for and what may have changed, and among what failed the day that failed
 * least often comes first: so days that always fail cannot keep others waiting.
 */
export function planSlices(input: PlanInput): Slice[] {
  const known = Map.groupBy(input.entries, (entry) => entry.dataset);
  const { onlyDatasets: chosen, signedInAt, frontiers = [], sliceLimit } = input;
  const okDays = okDaysOf(input.datasets, input.entries);
  const contextOf = ({ name }: DatasetInfo): AbsenceContext => ({
    okDays,
    hidden: frontiers.find((frontier) => frontier.dataset === name),
    ...(signedInAt !== undefined && { signedInAt }),
  });
  const ranked = input.datasets
    .filter((dataset) => !chosen || chosen.includes(dataset.name))
    .flatMap((dataset) => slicesFor(input, dataset, known.get(dataset.name) ?? [], contextOf(dataset)));
  return mostUrgent(inOrder(ranked), sliceLimit).map(({ slice }) => slice);
}

/** False while a plan holds a day that never had an answer, or failed; what is absent aside. */
export function isNothingDue(slices: readonly Slice[], entries: readonly LedgerEntry[]): boolean {
  const answered = new Set(
    entries.flatMap(({ dataset, day, outcome }) => (outcome === 'failed' ? [] : [`${dataset} ${day}`])),
  );
  return slices.every(({ dataset, window, reason }) => {
    if (reason === 'absent' || reason === 'unsettled') return true;
    return reason === 'live' && daysOf(window).every((day) => answered.has(`${dataset} ${day}`));
  });
}
