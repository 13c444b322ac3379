import type { Day, JsonValue } from '@on-the-way/sdk';
import type { EmptyTest } from '../empty.ts';
import type { Profile } from '../session.ts';

/** How a list is asked for page by page. */
export interface Paging {
  /** Number of the first row, 0 or 1; the wrong one is answered with an empty list or 400. */
  readonly firstStart: 0 | 1;
  /** Rows of a full page; a shorter one is the last. */
  readonly limit: number;
  /** Most pages that are asked for. */
  readonly maxPages: number;
  /** What a list longer than that is: an error, or enough. */
  readonly atMaxPages: 'fail' | 'stop';
  /** Member that tells rows apart, so that a list that shifts between pages gives none twice. */
  readonly key: string;
}

/**
 * One request. `{displayName}`, `{profileId}`, `{day}`, `{start}` and `{end}` are filled in; days are
 * inclusive.
 */
export interface RequestSpec {
  readonly path: string;
  readonly params?: Readonly<Record<string, string>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly paging?: Paging;
}

/** One of several requests whose answers are put together under their names. */
export interface NamedRequest extends RequestSpec {
  readonly name: string;
}

interface Entry {
  /** One request, whose answer is taken as it is; or several, whose answers are put together by name. */
  readonly request: RequestSpec | readonly NamedRequest[];
  /** How many days a day may still change after it began. */
  readonly settleDays: number;
  /** One sentence for `otw datasets`. */
  readonly description: string;
  /** The method's name in python-garminconnect, which readers of stored rows know it by. */
  readonly method: string;
  /** Whether a record's data says nothing. */
  readonly isEmpty: EmptyTest;
}

/** Asked day by day. */
export interface DayEntry extends Entry {
  readonly granularity: 'day';
  /** True when another dataset is read from the same answer. */
  readonly isShared?: boolean;
  /** The record's data, where it is not the answer itself. */
  readonly shape?: (answer: JsonValue, day: Day) => JsonValue;
}

/** Asked for several days at once, and split. */
export interface RangeEntry extends Entry {
  readonly granularity: 'range';
  /** Longest window Garmin answers. */
  readonly spanDays: number;
  /** The data of each day; days outside the window are dropped by the reader. */
  readonly split: (answer: JsonValue, path: string) => Iterable<readonly [Day, JsonValue]>;
}

/** Asked for the state of now. */
export interface SnapshotEntry extends Entry {
  readonly granularity: 'snapshot';
  /** The record's data, where it is not the answer itself. */
  readonly shape?: (answer: JsonValue, profile: Profile) => JsonValue;
}

/** A line of the table. */
export type DatasetEntry = DayEntry | RangeEntry | SnapshotEntry;
