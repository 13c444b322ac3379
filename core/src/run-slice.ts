import { daysOf, type Day, type SinkWriter } from '@on-the-way/sdk';
import { digestOfDay } from './digest.ts';
import type { Failure } from './failure.ts';
import type { Slice } from './plan-slices.ts';
import type { OpenConnector, SliceOutcome } from './ports.ts';

interface DayTally {
  readonly externalIds: string[];
  written: number;
  unchanged: number;
  conflicts: number;
  note?: string;
}

/** What became of a slice's events, by day. */
export type Tallies = ReadonlyMap<Day, DayTally>;

/**
 * Fetches a slice and hands every batch to the sink before the next is asked for. Resolves when all of
 * it is durable. Called again from the start on a retry: `written` holds what earlier tries of this
 * slice wrote, so that it is counted once and as written.
 */
export async function fetchSlice(
  slice: Slice,
  requestId: string,
  to: {
    readonly connector: OpenConnector;
    readonly sink: Pick<SinkWriter, 'write'>;
    readonly written: Map<string, Day>;
  },
  signal: AbortSignal,
): Promise<Tallies> {
  const tallies = new Map(
    daysOf(slice.window).map((day): [Day, DayTally] => [
      day,
      { externalIds: [], written: 0, unchanged: 0, conflicts: 0 },
    ]),
  );
  const { dataset, window } = slice;
  // An event yielded twice by one try is one row: new once, then unchanged.
  const seen = new Set<string>();
  for await (const batch of to.connector.fetch({ dataset, window, requestId }, signal)) {
    signal.throwIfAborted();
    const { rows } = await to.sink.write(
      batch.map(({ event }) => event),
      { signal },
    );
    for (const [index, { day, event, note }] of batch.entries()) {
      const tally = tallies.get(day);
      const row = rows[index];
      if (!tally || !row) throw new Error(`Expected the sink to answer for each of ${batch.length} events`);
      const { externalId } = event;
      tally.externalIds.push(externalId);
      if (note !== undefined) tally.note ??= note;
      if (row.outcome === 'written') to.written.set(externalId, day);
      if (row.outcome === 'conflict') tally.conflicts += 1;
      else tally[to.written.has(externalId) && !seen.has(externalId) ? 'written' : 'unchanged'] += 1;
      seen.add(externalId);
    }
  }
  return tallies;
}

/** One outcome a day from what was read; `marks` are those of the days, where the dataset is watched. */
export function outcomesOf(
  slice: Slice,
  tallies: Tallies,
  attempts: number,
  marks: Readonly<Record<Day, string>> = {},
): SliceOutcome[] {
  return [...tallies].map(([day, { externalIds, note, written, unchanged, conflicts }]) => {
    const digest = digestOfDay(externalIds);
    const mark = marks[day];
    return {
      dataset: slice.dataset,
      day,
      outcome: externalIds.length > 0 ? 'ok' : 'no_data',
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
  return outcomesOfFailure(slice, { code: 'not_supported', message }, 0, new Map());
}

const absent: readonly string[] = ['not_supported', 'out_of_range'];

/**
 * One outcome a day from what went wrong. A source that has no such data is an answer, not a failure.
 * `written` holds what was stored before it went wrong; it stands, and is counted.
 */
export function outcomesOfFailure(
  slice: Slice,
  failure: Failure,
  attempts: number,
  written: ReadonlyMap<string, Day>,
): SliceOutcome[] {
  const stored = [...written.values()];
  return daysOf(slice.window).map((day) => ({
    dataset: slice.dataset,
    day,
    outcome: absent.includes(failure.code) ? 'not_supported' : 'failed',
    attempts,
    errorCode: failure.code,
    errorMessage: failure.message,
    rowsWritten: stored.filter((of) => of === day).length,
    rowsUnchanged: 0,
    conflicts: 0,
  }));
}
