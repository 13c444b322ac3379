import { daysOf, type Day } from '@on-the-way/sdk';
import type { Accounts, Stored } from './accounts.ts';
import type { Reach } from './crash-points.ts';
import { digestOfDay } from './digest.ts';
import { setAsideAfterOf } from './failed-days.ts';
import type { Failure } from './failure.ts';
import type { Slice } from './plan-slices.ts';
import type { DatedEvent, EventOutcome, OpenConnector, SliceOutcome } from './ports.ts';
import { createSliceWrites } from './slice-writes.ts';
import type { Written } from './written.ts';

interface DayTally {
  /** How many were read, the same one twice counted twice. */
  events: number;
  /** What the day's digest is made of; empty where days have none. */
  readonly externalIds: string[];
  written: number;
  unchanged: number;
  conflicts: number;
  note?: string;
}

/** Nothing read yet. */
export function emptyTally(): DayTally {
  return { events: 0, externalIds: [], written: 0, unchanged: 0, conflicts: 0 };
}

/** What became of a slice's events, by day. */
export type Tallies = ReadonlyMap<Day, DayTally>;

/** What a try of a slice works with. */
interface SliceParts {
  readonly connector: OpenConnector;
  readonly accounts: Accounts;
  /** What earlier tries wrote, and this one. */
  readonly written: Written;
  readonly reach?: Reach | undefined;
}

/** Counts what became of events, whatever the order in which their writes end. */
function createTallies({ window }: Slice, written: Written) {
  const tallies = new Map(daysOf(window).map((day): [Day, DayTally] => [day, emptyTally()]));
  const current = written.beginTry();
  return {
    tallies,
    count({ day, event: { externalId }, note }: DatedEvent, outcome: EventOutcome): void {
      const tally = tallies.get(day);
      if (!tally) throw new Error(`Expected an event of a day that was asked for, got one of ${day}`);
      tally.events += 1;
      tally.externalIds.push(externalId);
      if (note !== undefined) tally.note ??= note;
      if (outcome === 'conflict') tally.conflicts += 1;
      else tally[current.counts({ day, externalId }, outcome) ? 'written' : 'unchanged'] += 1;
    },
  };
}

/**
 * Fetches a slice and hands what it brings to the sink, while it goes on. Resolves when all of
 * it is durable. Called again from the start on a retry: `written` holds what earlier tries of this
 * slice wrote, so that it is counted once and as written.
 */
export async function fetchSlice(
  slice: Slice,
  requestId: string,
  { connector, accounts, written, reach }: SliceParts,
  signal: AbortSignal,
): Promise<Tallies> {
  const { dataset, window } = slice;
  const { tallies, count } = createTallies(slice, written);
  const writes = createSliceWrites(
    async (events) => {
      reach?.('before-write');
      const { rows, failure } = await storeEvents(accounts, { dataset, events }, signal);
      reach?.('after-write');
      for (const [index, event] of events.entries()) {
        const row = rows[index];
        if (!row) throw new Error(`Expected the sink to answer for each of ${events.length} events`);
        count(event, row.outcome);
      }
      // A day of which a part was refused has no answer; what could be stored of it is.
      if (failure !== undefined) throw failure;
    },
    (events) => accounts.giveUp(dataset, events),
    signal,
  );
  try {
    for await (const { events } of connector.fetch({ dataset, window, requestId }, signal)) {
      reach?.('batch-fetched');
      await writes.add(events);
    }
  } catch (error) {
    // What had come is stored; why it is not all is told.
    await writes.end().catch(() => undefined);
    throw error;
  }
  await writes.end();
  return tallies;
}

/** Hands a batch to the sink. */
export function storeEvents(
  accounts: Accounts,
  { dataset, events }: { readonly dataset: string; readonly events: readonly DatedEvent[] },
  signal: AbortSignal,
): Promise<Stored> {
  return accounts.store(
    dataset,
    events.map(({ event }) => event),
    signal,
  );
}

/** One outcome a day from what was read; `marks` are those of the days, where the dataset is watched. */
export function outcomesOf(
  slice: Slice,
  tallies: Tallies,
  attempts: number,
  marks: Readonly<Record<Day, string>> = {},
): SliceOutcome[] {
  return [...tallies].map(([day, { events, externalIds, note, written, unchanged, conflicts }]) => {
    const digest = digestOfDay(externalIds);
    const mark = marks[day];
    return {
      dataset: slice.dataset,
      day,
      outcome: events > 0 ? 'ok' : 'no_data',
      attempts,
      ...(mark !== undefined && { mark }),
      ...(note !== undefined && { note }),
      ...(digest !== undefined && { digest }),
      rowsWritten: written,
      rowsUnchanged: unchanged,
      conflicts,
    };
  });
}

/** One outcome a day for what is absent and was not asked for. */
export function outcomesOfAbsence(slice: Slice): SliceOutcome[] {
  const message = slice.why ?? 'The source has none of it';
  return outcomesOfFailure(slice, { code: 'not_supported', message }, 0, () => 0);
}

/** It was refused before it was asked for, so that what is known of the day stands. */
export function isUnasked({ outcome, attempts }: Pick<SliceOutcome, 'outcome' | 'attempts'>): boolean {
  return outcome === 'failed' && attempts === 0;
}

const absent: readonly string[] = ['not_supported', 'out_of_range'];

/**
 * One outcome a day from what went wrong. A source that has no such data is an answer, not a failure.
 * `writtenOn` tells how many events of a day were stored before it went wrong; they stand, and are counted.
 */
export function outcomesOfFailure(
  slice: Slice,
  failure: Failure,
  attempts: number,
  writtenOn: (day: Day) => number,
): SliceOutcome[] {
  const setAsideAfter = setAsideAfterOf(slice.reason, failure.code);
  return daysOf(slice.window).map((day) => ({
    dataset: slice.dataset,
    day,
    outcome: absent.includes(failure.code) ? 'not_supported' : 'failed',
    attempts,
    errorCode: failure.code,
    errorMessage: failure.message,
    ...(setAsideAfter !== undefined && { setAsideAfter }),
    rowsWritten: writtenOn(day),
    rowsUnchanged: 0,
    conflicts: 0,
  }));
}
