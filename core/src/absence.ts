import type { DatasetInfo, Day } from '@on-the-way/sdk';
import type { Frontier, LedgerEntry } from './ports.ts';
import { quietRowOf, runsOf, type QuietRow } from './quiet-row.ts';

/** A dataset that need not be asked for now, since the source has none of it. */
export interface Absence {
  /** What the ledger is told of days that are not asked for. */
  readonly words: string;
  /** First day it speaks for; every day where it is missing. */
  readonly from?: Day;
  /** First of the days in a row on which there was none; missing where the connector itself says so. */
  readonly since?: Day;
  /** Milliseconds since 1970 from when it is asked for again; missing: once the connector says otherwise. */
  readonly askAgainAt?: number;
}

/** What absence is judged by, besides a dataset's own entries. */
export interface AbsenceContext {
  /** When a person last signed in, milliseconds since 1970: what was seen before says nothing any more. */
  readonly signedInAt?: number;
  /** Days on which some watched dataset has data, so that the source is known to work. */
  readonly okDays: ReadonlySet<Day>;
  /** Of its days that are not among the entries. */
  readonly hidden?: Frontier | undefined;
}

// Long enough to cost next to nothing, short enough that a new watch is noticed within a week.
const askAgainAfterMs = 7 * 24 * 3_600_000;
// One day or two may be a watch left on the table; a span or a snapshot answers for many days at once.
const refusedDays = 3;
const silentDays = 14;

/** Days on which a watched dataset has data. */
export function okDaysOf(
  datasets: readonly DatasetInfo[],
  entries: readonly LedgerEntry[],
): ReadonlySet<Day> {
  const watched = new Set(datasets.flatMap(({ name, watched: is }) => (is === true ? [name] : [])));
  const days = new Set<Day>();
  for (const { dataset, day, outcome } of entries) {
    if (outcome === 'ok' && watched.has(dataset)) days.add(day);
  }
  return days;
}

/**
 * Whether the entry answers for its day. One recorded without asking, or refused before a person signed
 * in anew, answers only while the absence lasts.
 */
export function isAnswer({ outcome, attempts, lastAttemptAt }: LedgerEntry, signedInAt = -Infinity): boolean {
  return outcome !== 'not_supported' || (attempts > 0 && lastAttemptAt > signedInAt);
}

/** Down to the newest one with data or a failure: there are many entries, and what is older decides nothing. */
function newestFirst(entries: readonly LedgerEntry[]): LedgerEntry[] {
  let end = '';
  for (const { day, outcome } of entries) {
    if (day > end && (outcome === 'ok' || outcome === 'failed')) end = day;
  }
  return entries.filter(({ day }) => day >= end).toSorted((a, b) => (a.day < b.day ? 1 : -1));
}

/** The newest days in a row, of those asked for since a person signed in, on which there was none of the dataset. */
export function rowOf(
  entries: readonly LedgerEntry[],
  { signedInAt = -Infinity, hidden }: Pick<AbsenceContext, 'signedInAt' | 'hidden'>,
): QuietRow {
  const isAsked = ({ day, attempts, lastAttemptAt }: LedgerEntry): boolean =>
    attempts > 0 && lastAttemptAt > signedInAt && (!hidden || day >= hidden.to || day < hidden.from);
  const asked = newestFirst(entries.filter(isAsked));
  if (!hidden) return quietRowOf(runsOf(asked));
  return quietRowOf([
    ...runsOf(asked.filter(({ day }) => day >= hidden.to)),
    ...hidden.row,
    ...runsOf(asked.filter(({ day }) => day < hidden.from)),
  ]);
}

function absenceFrom({ reason, since, lastAskedAt }: NonNullable<QuietRow['silent']>) {
  const why = reason ?? 'The source has none of it';
  return {
    words: `${why} (so since ${since}; asked again weekly)`,
    since,
    askAgainAt: lastAskedAt + askAgainAfterMs,
  };
}

/**
 * Whether a dataset is lastingly absent, by its newest days: the connector says so, the newest days that were asked for were
 * refused as not supported, or a device that works has had nothing of it for a fortnight. Silence speaks
 * for the days since it began alone: history before it may still be there.
 */
export function absenceOf(
  dataset: DatasetInfo,
  { refused, silent }: QuietRow,
  { okDays }: Pick<AbsenceContext, 'okDays'>,
): Absence | undefined {
  if (dataset.notSupported !== undefined) return { words: dataset.notSupported };
  if (!silent) return undefined;
  if (refused && refused.count >= (dataset.granularity === 'day' ? refusedDays : 1)) {
    return absenceFrom(refused);
  }
  if (dataset.watched !== true || dataset.granularity !== 'day') return undefined;
  if (!okDays.has(silent.newest) || silent.count < silentDays) return undefined;
  const absence = absenceFrom(silent);
  return { ...absence, from: absence.since };
}

/** Whether the dataset's absence speaks for the day. */
export function isCovered(absence: Absence | undefined, day: Day): boolean {
  return absence !== undefined && (absence.from === undefined || absence.from <= day);
}
