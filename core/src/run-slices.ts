import { addDays, countDays, type Day, type SinkWriter, type Window } from '@on-the-way/sdk';
import { isEnding } from './ask-ahead.ts';
import type { Reach } from './crash-points.ts';
import type { Bus } from './events.ts';
import { failureOf, type Failure } from './failure.ts';
import type { KeptOpen } from './keep-open.ts';
import type { Slice } from './plan-slices.ts';
import { SpanRefused, type Policies } from './policies.ts';
import type { Clock, Ledger, SliceOutcome } from './ports.ts';
import { isBudgetSpent } from './request-meter.ts';
import { fetchSlice, outcomesOf, outcomesOfAbsence, outcomesOfFailure, type Tallies } from './run-slice.ts';
import { emptyCounts, type DatasetCounts } from './run-summary.ts';
import { trackWrites, type TrackedSink } from './track-writes.ts';

/** What the slices of a run need of the host. */
export interface RunParts {
  readonly runId: string;
  readonly connection: string;
  readonly sink: SinkWriter;
  readonly ledger: Ledger;
  readonly policies: Policies;
  readonly bus: Bus;
  readonly clock: Clock;
  /** A fresh UUID for each slice. */
  newId(): string;
  /** Told to stop: the slice at work is given up, its days stay gaps. */
  readonly signal: AbortSignal;
  /** Told of crash points. */
  readonly reach?: Reach;
}

/** A connector that has logged in, and what it said before the plan. */
export interface Opened {
  readonly connector: KeptOpen;
  /** Version of the plugin. */
  readonly version: string;
  /** Marks of days, for the datasets that are watched. */
  readonly marks: Readonly<Record<Day, string>>;
  readonly watched: ReadonlySet<string>;
}

interface Work extends Omit<RunParts, 'sink'>, Opened {
  /** Datasets at which the connector's process died in this run. */
  readonly lost: Set<string>;
  readonly sink: TrackedSink;
  readonly counts: Record<string, DatasetCounts>;
  /** Gives up every slice that is at work or waits. */
  end(failure?: Failure): void;
}

/** The dataset took the connector's process down before; asking again would do it again. */
class ProcessLost extends Error {
  override readonly name = 'ProcessLost';
  readonly code = 'process_died';
}

/** Works all slices off, and counts. Resolves with what ended the run early, if anything did. */
export async function runSlices(
  parts: RunParts,
  opened: Opened,
  slices: readonly Slice[],
  counts: Record<string, DatasetCounts>,
): Promise<Failure | undefined> {
  const stop = new AbortController();
  let ended: Failure | undefined;
  const work: Work = {
    ...parts,
    ...opened,
    lost: new Set(),
    counts,
    sink: trackWrites(parts.sink),
    signal: AbortSignal.any([parts.signal, stop.signal]),
    end(failure) {
      ended ??= failure;
      stop.abort(new DOMException('The run has ended', 'AbortError'));
    },
  };
  for (const slice of slices.filter(({ reason }) => reason === 'absent')) {
    if (work.signal.aborted) return ended;
    await recordSlice(work, slice, outcomesOfAbsence(slice));
  }
  const results = await Promise.allSettled(
    slices
      .filter(({ reason }) => reason !== 'absent')
      .map((slice) =>
        runSlice(work, slice).catch((error: unknown) => {
          // Without a ledger nothing that follows would be remembered, so do not ask the source for it.
          work.end();
          throw error;
        }),
      ),
  );
  await work.sink.settled();
  const broken = results.find((result) => result.status === 'rejected');
  if (broken) throw broken.reason;
  return ended;
}

/**
 * Whether the days of the window may each have an answer though all of them together were refused: one
 * day that cannot be read, or a span the source finds too long, must not cost the others.
 */
function mayHelpToSplit({ window }: Slice, { code, status }: Failure): boolean {
  if (countDays(window.from, window.to) < 2) return false;
  return code === 'bad_data' || (code === 'source' && status !== 403);
}

/** Asks once. What ends the run is told at once: when this rejects, the next slice begins. */
async function attempt(
  work: Work,
  slice: Slice,
  request: { readonly requestId: string; readonly written: Map<string, Day> },
  { signal, end }: { readonly signal: AbortSignal; readonly end: (failure: Failure) => void },
): Promise<Tallies> {
  const { requestId, written } = request;
  const connector = await work.connector.get().catch((error: unknown) => {
    work.end(failureOf(error));
    throw error;
  });
  if (work.lost.has(slice.dataset)) {
    const message = `Not asked for: the connector's process died at ${slice.dataset} in this run; the next run asks again`;
    throw new ProcessLost(message);
  }
  try {
    return await fetchSlice(slice, requestId, { connector, sink: work.sink, written }, signal);
  } catch (error) {
    const failure = failureOf(error);
    if (!signal.aborted && isEnding(failure.code)) {
      // The source was not asked, so nothing is known of these days: they stay gaps.
      if (isBudgetSpent(error)) work.end(failure);
      else end(failure);
    }
    await connector.settled();
    if (!connector.isAlive()) work.lost.add(slice.dataset);
    if (mayHelpToSplit(slice, failure)) throw new SpanRefused(failure.message, { cause: error });
    throw error;
  }
}

interface SliceResult {
  readonly outcomes: readonly SliceOutcome[];
  readonly failure?: Failure;
}

/**
 * Asks under the policies. Resolves with undefined when the slice was given up: nothing is known of its
 * days then, so they stay gaps. Rejects with SpanRefused alone.
 */
async function resultOf(
  work: Work,
  slice: Slice,
  written: Map<string, Day>,
): Promise<SliceResult | undefined> {
  const requestId = work.newId();
  let attempts = 0;
  let ending: Failure | undefined;
  const end = (by: Failure): void => {
    ending = by;
    work.end(by);
  };
  try {
    const tallies = await work.policies.execute(slice.dataset, work.signal, (signal) => {
      if (!work.lost.has(slice.dataset)) attempts += 1;
      return attempt(work, slice, { requestId, written }, { signal, end });
    });
    const marks = work.watched.has(slice.dataset) ? work.marks : {};
    return { outcomes: outcomesOf(slice, tallies, attempts, marks) };
  } catch (error) {
    if (work.signal.aborted && !ending) return undefined;
    if (error instanceof SpanRefused) throw error;
    const failure = ending ?? failureOf(error);
    return { failure, outcomes: outcomesOfFailure(slice, failure, attempts, written) };
  }
}

/**
 * Runs a slice to its outcome and records it; a span that was refused in two halves. `written` holds what
 * earlier tries of these days wrote.
 */
async function runSlice(work: Work, slice: Slice, written = new Map<string, Day>()): Promise<void> {
  let result: SliceResult | undefined;
  try {
    result = await resultOf(work, slice, written);
  } catch (error) {
    if (!(error instanceof SpanRefused)) throw error;
    // One half down to its days before the other, so that the breaker is soon heard where every day fails.
    for (const half of halvesOf(slice)) await runSlice(work, half, written);
    return;
  }
  if (result) await recordSlice(work, slice, result.outcomes, result.failure?.status);
}

function halvesOf(slice: Slice): Slice[] {
  const { from, to } = slice.window;
  const middle = addDays(from, Math.ceil(countDays(from, to) / 2));
  const windows: Window[] = [
    { from: middle, to },
    { from, to: middle },
  ];
  return windows.map((window) => ({ ...slice, window }));
}

/** Counts outcomes and tells of them, once the ledger has them. */
async function recordSlice(
  work: Work,
  slice: Slice,
  outcomes: readonly SliceOutcome[],
  status?: number,
): Promise<void> {
  const { runId, connection, ledger, bus, clock, version } = work;
  await ledger.record({ connection, runId, version, at: clock.now() }, outcomes);
  const counts = (work.counts[slice.dataset] ??= emptyCounts());
  for (const { outcome, rowsWritten, rowsUnchanged, conflicts } of outcomes) {
    counts[outcome] += 1;
    counts.written += rowsWritten;
    counts.unchanged += rowsUnchanged;
    counts.conflicts += conflicts;
  }
  bus.emit('slice:finished', { runId, connection, slice, outcomes, ...(status !== undefined && { status }) });
}
