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
 * inclusive. A path's segment `{displayName}` is left out where the name is not known.
 */
export interface RequestSpec {
  readonly path: string;
  readonly params?: Readonly<Record<string, string>>;
  readonly headers?: Readonly<Record<string, string>>;
  /** A question of GraphQL, sent as JSON with POST. */
  readonly body?: Readonly<Record<string, string>>;
  readonly paging?: Paging;
}

/** One of several requests whose answers are put together under their names. */
export interface NamedRequest extends RequestSpec {
  readonly name: string;
}

/** What is asked, and what is made of the answer. */
interface Question {
  /** One request, whose answer is taken as it is; or several, whose answers are put together by name. */
  readonly request: RequestSpec | readonly NamedRequest[];
  /** The method's name in python-garminconnect, which readers of stored rows know it by. */
  readonly method: string;
  /** Whether a record's data says nothing. */
  readonly isEmpty: EmptyTest;
  /** True when another dataset is read from the same answer. */
  readonly isShared?: boolean;
}

/** A question for several days at once. */
export interface RangeQuestion extends Question {
  /** Longest window Garmin answers. */
  readonly spanDays: number;
  /** Days that are asked for beyond the window, so that weeks that begin in it are whole. Default 0. */
  readonly daysBeyond?: number;
  /** The data of each day; days outside the window are dropped by the reader. */
  readonly split: (answer: JsonValue, path: string) => Iterable<readonly [Day, JsonValue]>;
}

interface Entry extends Question {
  /** How many days a day may still change after it began. */
  readonly settleDays: number;
  /** One sentence for `otw datasets`. */
  readonly description: string;
  /**
   * What the Connect Personal API has of it: `same`, the same answer under the same path; or another
   * question, which is asked only where nothing else can be. Left out: nothing.
   */
  readonly personal?: 'same' | RangeQuestion;
}

/** Asked day by day. */
export interface DayEntry extends Entry {
  readonly granularity: 'day';
  /** The record's data, where it is not the answer itself. */
  readonly shape?: (answer: JsonValue, day: Day) => JsonValue;
  /** True when it comes from devices, so that a day's mark tells whether it may have changed. */
  readonly watched: boolean;
  /** Whether Garmin has put the day's readings away and left its summary: asked for days long past. */
  readonly isOffloaded?: (data: JsonValue) => boolean;
  /** What is asked instead where readings of the day are not wanted. Left out: there is nothing. */
  readonly summary?: RangeQuestion;
}

/** Asked for several days at once, and split. */
export interface RangeEntry extends Entry, RangeQuestion {
  readonly granularity: 'range';
}

/** Asked for the state of now. */
export interface SnapshotEntry extends Entry {
  readonly granularity: 'snapshot';
  /** The record's data, where it is not the answer itself. */
  readonly shape?: (answer: JsonValue, profile: Profile) => JsonValue;
}

/** A line of the table. */
export type DatasetEntry = DayEntry | RangeEntry | SnapshotEntry;
