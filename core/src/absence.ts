import type { DatasetInfo, Day } from '@on-the-way/sdk';
import type { LedgerEntry } from './ports.ts';

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
  return new Set(
    entries.flatMap(({ dataset, day, outcome }) => (outcome === 'ok' && watched.has(dataset) ? [day] : [])),
  );
}

/**
 * Whether the entry answers for its day. One recorded without asking, or refused before a person signed
 * in anew, answers only while the absence lasts.
 */
export function isAnswer({ outcome, attempts, lastAttemptAt }: LedgerEntry, signedInAt = -Infinity): boolean {
  return outcome !== 'not_supported' || (attempts > 0 && lastAttemptAt > signedInAt);
}

function inARow(entries: readonly LedgerEntry[], holds: (entry: LedgerEntry) => boolean): LedgerEntry[] {
  const end = entries.findIndex((entry) => !holds(entry));
  return entries.slice(0, end === -1 ? entries.length : end);
}

const isRefused = ({ outcome }: LedgerEntry): boolean => outcome === 'not_supported';
const isSilent = ({ outcome }: LedgerEntry): boolean => outcome === 'not_supported' || outcome === 'no_data';

function absenceFrom(row: readonly LedgerEntry[], lastAskedAt: number): Absence & { readonly since: Day } {
  const since = row.at(-1)?.day ?? '';
  const why = row.find(({ reason }) => reason !== undefined)?.reason ?? 'The source has none of it';
  return {
    words: `${why} (so since ${since}; asked again weekly)`,
    since,
    askAgainAt: lastAskedAt + askAgainAfterMs,
  };
}

/**
 * Whether a dataset is lastingly absent: the connector says so, the newest days that were asked for were
 * refused as not supported, or a device that works has had nothing of it for a fortnight. Silence speaks
 * for the days since it began alone: history before it may still be there.
 */
export function absenceOf(
  dataset: DatasetInfo,
  entries: readonly LedgerEntry[],
  { signedInAt = -Infinity, okDays }: AbsenceContext,
): Absence | undefined {
  if (dataset.notSupported !== undefined) return { words: dataset.notSupported };
  const asked = entries
    .filter(({ attempts, lastAttemptAt }) => attempts > 0 && lastAttemptAt > signedInAt)
    .toSorted((a, b) => (a.day < b.day ? 1 : -1));
  const [newest] = asked;
  if (!newest || !isSilent(newest)) return undefined;
  const lastAskedAt = Math.max(...asked.map((entry) => entry.lastAttemptAt));
  const refused = inARow(asked, isRefused);
  if (refused.length >= (dataset.granularity === 'day' ? refusedDays : 1)) {
    return absenceFrom(refused, lastAskedAt);
  }
  if (dataset.watched !== true || dataset.granularity !== 'day' || !okDays.has(newest.day)) return undefined;
  const silent = inARow(asked, isSilent);
  if (silent.length < silentDays) return undefined;
  const absence = absenceFrom(silent, lastAskedAt);
  return { ...absence, from: absence.since };
}
