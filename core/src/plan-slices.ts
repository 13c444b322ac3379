import { daysOf, spansOf, type DatasetInfo, type Day, type Window } from '@on-the-way/sdk';
import { absenceOf, okDaysOf, type Absence, type AbsenceContext } from './absence.ts';
import { failedDays } from './failed-days.ts';
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
  return absenceOf(dataset, wish ? [] : entries, context);
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

/** Lower comes first. A day that failed often is behind those never asked for, so that it cannot keep them waiting. */
function urgencyOf({ slice: { reason }, attempts }: RankedSlice): number {
  const isStubborn = reason === 'retry' && attempts > failedDays.eachRun;
  return isStubborn ? urgency.gap + 0.5 : urgency[reason];
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
 * What is absent comes first, since it costs nothing, then live work. Within a reason, what failed least
 * often comes first, so that a day that always fails cannot keep others waiting; then the newest day. What failed
 * more than three times comes behind the gaps for the same reason.
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
  const order = (a: RankedSlice, b: RankedSlice): number =>
    urgencyOf(a) - urgencyOf(b) ||
    (a.slice.reason === 'retry' ? a.attempts - b.attempts : 0) ||
    (a.slice.window.to < b.slice.window.to ? 1 : a.slice.window.to > b.slice.window.to ? -1 : 0);
  return mostUrgent(ranked.toSorted(order), sliceLimit).map(({ slice }) => slice);
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
