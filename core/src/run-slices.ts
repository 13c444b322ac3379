import { addDays, countDays, type Day, type Window } from '@on-the-way/sdk';
import { createAccounts, type Accounts } from './accounts.ts';
import { isEnding } from './ask-ahead.ts';
import type { Reach } from './crash-points.ts';
import { drainable, Drained } from './drain.ts';
import type { Bus } from './events.ts';
import { failureOf, type Failure } from './failure.ts';
import type { KeptOpen } from './keep-open.ts';
import type { Slice } from './plan-slices.ts';
import { SpanRefused, type Policies } from './policies.ts';
import type { Clock, Cursors, Ledger, OpenConnector, RunSink, SliceOutcome } from './ports.ts';
import { isBudgetSpent } from './request-meter.ts';
import { fetchCursor } from './run-cursor.ts';
import {
  emptyTally,
  fetchSlice,
  outcomesOf,
  outcomesOfAbsence,
  outcomesOfFailure,
  isUnasked,
  type Tallies,
} from './run-slice.ts';
import { emptyCounts, type DatasetCounts } from './run-summary.ts';
import { isOfNow } from './wanted-days.ts';
import { createWritten, type Written } from './written.ts';

/** What the slices of a run need of the host. */
export interface RunParts {
  readonly runId: string;
  readonly connection: string;
  readonly sink: RunSink;
  readonly ledger: Ledger;
  /** Where cursor datasets go on; without it they begin at the start each time. */
  readonly cursors?: Cursors;
  readonly policies: Policies;
  readonly bus: Bus;
  readonly clock: Clock;
  /** A fresh UUID for each slice. */
  newId(): string;
  /** Told to stop: the slice at work is given up, its days stay gaps. */
  readonly signal: AbortSignal;
  /**
   * Told to begin nothing more: slices under way end and are recorded, the rest stays gaps. A reason with a `code`
   * is told of as the run's error; one without leaves it `interrupted`.
   */
  readonly drain?: AbortSignal;
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
  readonly accounts: Accounts;
  readonly counts: Record<string, DatasetCounts>;
  /** Gives up every slice that is at work or waits. */
  end(failure?: Failure): void;
  /** Days were left undone since the run drains. */
  leave(): void;
  /** Days were not read for a reason that lies in the network, or in what was asked before. */
  holdUp(): void;
}

/** How the slices of a run ended. */
export interface SlicesEnd {
  /** What ended the run early. */
  readonly failure?: Failure | undefined;
  /** A drain left days undone. */
  readonly left: boolean;
  /** As in the run's summary. */
  readonly heldUp: boolean;
}

/** The dataset took the connector's process down before; asking again would do it again. */
class ProcessLost extends Error {
  override readonly name = 'ProcessLost';
  readonly code = 'process_died';
}

/** Works all slices off, and counts. Resolves with what ended the run early, if anything did. Never begins one after a drain. */
export async function runSlices(
  parts: RunParts,
  opened: Opened,
  slices: readonly Slice[],
  counts: Record<string, DatasetCounts>,
): Promise<SlicesEnd> {
  const stop = new AbortController();
  let failure: Failure | undefined;
  let left = false;
  let heldUp = false;
  const work: Work = {
    ...parts,
    ...opened,
    lost: new Set(),
    counts,
    accounts: createAccounts({ ...parts, counts }),
    signal: AbortSignal.any([parts.signal, stop.signal]),
    leave: () => (left = true),
    holdUp: () => (heldUp = true),
    end(by) {
      failure ??= by;
      stop.abort(new DOMException('The run has ended', 'AbortError'));
    },
  };
  for (const slice of slices.filter(({ reason }) => reason === 'absent')) {
    if (work.signal.aborted) return { failure, left, heldUp };
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
  await work.accounts.close(parts.signal);
  const broken = results.find((result) => result.status === 'rejected');
  if (broken) throw broken.reason;
  return { failure, left, heldUp };
}

/**
 * Whether the days of the window may each have an answer though all of them together were refused: one
 * day that cannot be read, or a span the source finds too long, must not cost the others.
 */
function mayHelpToSplit({ window }: Slice, { code, status }: Failure): boolean {
  if (countDays(window.from, window.to) < 2) return false;
  return code === 'bad_data' || (code === 'source' && status !== 403);
}

/** What earlier tries of a slice stored. */
interface SoFar {
  readonly written: Written;
  /** Of a cursor dataset, which goes on where it was. */
  readonly tally: ReturnType<typeof emptyTally>;
}

interface Answer {
  readonly tallies: Tallies;
  /** Of a cursor dataset: its turn ended before the source did. */
  readonly more: boolean;
  /** The dataset is read as it is now, so that this is all there is to be had for days that failed before. */
  readonly coversEarlier: boolean;
}

async function askOnce(
  { accounts, cursors, clock, drain, reach }: Work,
  slice: Slice,
  { requestId, connector, soFar }: { requestId: string; connector: OpenConnector; soFar: SoFar },
  signal: AbortSignal,
): Promise<Answer> {
  const info = connector.datasets.find(({ name }) => name === slice.dataset);
  const { written, tally } = soFar;
  if (info?.granularity !== 'cursor') {
    const tallies = await fetchSlice(slice, requestId, { connector, accounts, written, reach }, signal);
    return { tallies, more: false, coversEarlier: info !== undefined && isOfNow(info) };
  }
  const parts = { connector, accounts, cursors, tally, clock, drain, reach };
  const { more } = await fetchCursor(slice, requestId, parts, signal);
  return { tallies: new Map([[slice.window.from, tally]]), more, coversEarlier: !more };
}

/** Asks once. What ends the run is told at once: when this rejects, the next slice begins. */
async function attempt(
  work: Work,
  slice: Slice,
  request: { readonly requestId: string; readonly soFar: SoFar },
  { signal, end }: { readonly signal: AbortSignal; readonly end: (failure: Failure) => void },
): Promise<Answer> {
  const connector = await work.connector.get().catch((error: unknown) => {
    work.end(failureOf(error));
    throw error;
  });
  if (work.lost.has(slice.dataset)) {
    const message = `Not asked for: the connector's process died at ${slice.dataset} in this run; the next run asks again`;
    throw new ProcessLost(message);
  }
  try {
    return await askOnce(work, slice, { ...request, connector }, signal);
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
async function resultOf(work: Work, slice: Slice, soFar: SoFar): Promise<SliceResult | undefined> {
  const requestId = work.newId();
  let attempts = 0;
  let ending: Failure | undefined;
  const end = (by: Failure): void => {
    ending = by;
    work.end(by);
  };
  const turn = (): Promise<Answer> => {
    attempts = 0;
    return drainable(work, ({ signal: ofSlice, tryOnce }) =>
      work.policies.execute(slice.dataset, ofSlice, (signal) =>
        tryOnce(signal, () => {
          if (!work.lost.has(slice.dataset)) attempts += 1;
          return attempt(work, slice, { requestId, soFar }, { signal, end });
        }),
      ),
    );
  };
  try {
    let answer = await turn();
    while (answer.more && work.drain?.aborted !== true) answer = await turn();
    if (answer.more) work.leave();
    const { tallies, coversEarlier } = answer;
    const marks = work.watched.has(slice.dataset) ? work.marks : {};
    const outcomes = outcomesOf(slice, tallies, attempts, marks);
    if (!coversEarlier) return { outcomes };
    return { outcomes: outcomes.map((outcome) => ({ ...outcome, coversEarlier })) };
  } catch (error) {
    if (work.signal.aborted && !ending) return undefined;
    if (error instanceof Drained) {
      work.leave();
      return undefined;
    }
    if (error instanceof SpanRefused) throw error;
    const failure = ending ?? failureOf(error);
    return { failure, outcomes: outcomesOfFailure(slice, failure, attempts, writtenOf(slice, soFar)) };
  }
}

/** How many events of a day were stored, before the slice failed. */
function writtenOf({ window }: Slice, { written, tally }: SoFar): (day: Day) => number {
  return (day) => written.on(day) + (day === window.from ? tally.written : 0);
}

/**
 * Runs a slice to its outcome and records it; a span that was refused in two halves. `soFar` holds what
 * earlier tries of these days wrote.
 */
async function runSlice(
  work: Work,
  slice: Slice,
  soFar: SoFar = { written: createWritten(), tally: emptyTally() },
): Promise<void> {
  if (work.drain?.aborted === true) return work.leave();
  let result: SliceResult | undefined;
  try {
    result = await resultOf(work, slice, soFar);
  } catch (error) {
    if (!(error instanceof SpanRefused)) throw error;
    // One half down to its days before the other, so that the breaker is soon heard where every day fails.
    for (const half of halvesOf(slice)) await runSlice(work, half, soFar);
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

/** Counts outcomes and tells of them, once the ledger has those that say something of their days. */
async function recordSlice(
  work: Work,
  slice: Slice,
  outcomes: readonly SliceOutcome[],
  status?: number,
): Promise<void> {
  const { runId, connection, ledger, bus, clock, version } = work;
  const learned = outcomes.filter((outcome) => !isUnasked(outcome));
  if (outcomes.some((outcome) => isUnasked(outcome) || outcome.errorCode === 'transient')) work.holdUp();
  work.reach?.('before-ledger');
  if (learned.length > 0) await ledger.record({ connection, runId, version, at: clock.now() }, learned);
  work.reach?.('after-ledger');
  const counts = (work.counts[slice.dataset] ??= emptyCounts());
  for (const outcome of outcomes) counts[isUnasked(outcome) ? 'notAsked' : outcome.outcome] += 1;
  bus.emit('slice:finished', { runId, connection, slice, outcomes, ...(status !== undefined && { status }) });
}
