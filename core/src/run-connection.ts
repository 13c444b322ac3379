import { dayAt, type Day, type SinkWriter } from '@on-the-way/sdk';
import type { Bus } from './events.ts';
import { planSlices, type PlanInput, type Slice } from './plan-slices.ts';
import type { Policies } from './policies.ts';
import type { Clock, Ledger, OpenConnector, SliceOutcome } from './ports.ts';
import { failureOf, type Failure } from './failure.ts';
import { keepOpen, type KeptOpen } from './keep-open.ts';
import { fetchSlice, outcomesOf, outcomesOfFailure, type Tallies } from './run-slice.ts';
import { trackWrites, type TrackedSink } from './track-writes.ts';
import { emptyCounts, type DatasetCounts, type RunStatus, type RunSummary } from './run-summary.ts';

/** What a run is made of; the host brings all of it. */
export interface RunInput {
  readonly runId: string;
  readonly connection: string;
  /** Logs in. Rejects as `login` does. */
  open(signal: AbortSignal): Promise<OpenConnector>;
  readonly sink: SinkWriter;
  readonly ledger: Ledger;
  readonly policies: Policies;
  readonly bus: Bus;
  readonly clock: Clock;
  /** A fresh UUID for each slice. */
  newId(): string;
  /** Requests made to the source in this run so far. */
  requestsMade(): number;
  readonly plan: Omit<PlanInput, 'datasets' | 'entries' | 'now'>;
  /** Told to stop: the slice at work is given up, its days stay gaps. */
  readonly signal: AbortSignal;
}

// After these the rest of the account's slices would end the same way, or make it worse.
const endsTheRun: readonly string[] = ['auth', 'needs_user', 'rate_limited'];

/** The dataset took the connector's process down before; asking again would do it again. */
class ProcessLost extends Error {
  override readonly name = 'ProcessLost';
  readonly code = 'process_died';
}

/**
 * Executes one run of a connection: log in, plan, fetch, write, record. Rows are durable before the
 * ledger says so; whatever is cut short is asked for again by the next run and leaves nothing twice.
 * Rejects only when the ledger cannot be read or written; all else is in the summary. No write is under
 * way when it settles.
 */
export async function runConnection(input: RunInput): Promise<RunSummary> {
  const { runId, connection, bus, clock } = input;
  const startedAt = clock.now();
  const counts: Record<string, DatasetCounts> = {};
  let slicesPlanned = 0;
  const finish = (error?: Failure): RunSummary => {
    const summary: RunSummary = {
      runId,
      connection,
      status: statusOf(counts, error, input.signal.aborted),
      startedAt,
      finishedAt: clock.now(),
      slicesPlanned,
      datasets: counts,
      requests: input.requestsMade(),
      // Told to stop: what it was cut off in is not what went wrong.
      ...(error && !input.signal.aborted && { error }),
    };
    bus.emit('run:finished', summary);
    return summary;
  };

  let connector: OpenConnector;
  try {
    connector = await input.open(input.signal);
  } catch (error) {
    return finish(failureOf(error));
  }
  const kept = keepOpen(connector, () => input.open(input.signal));
  try {
    for (const dataset of connector.datasets) counts[dataset.name] = emptyCounts();
    const slices = await plan(input, connector);
    slicesPlanned = slices.length;
    bus.emit('run:started', { runId, connection, slices: slices.length, at: startedAt });
    return finish(await runSlices(input, { connector: kept, version: connector.version }, slices, counts));
  } finally {
    await kept.close();
  }
}

async function plan(input: RunInput, connector: OpenConnector): Promise<Slice[]> {
  const now = input.clock.now();
  const today = dayAt(now, input.plan.timeZone);
  const from = input.plan.backfillFrom < today ? input.plan.backfillFrom : today;
  const entries = await input.ledger.read(input.connection, from);
  return planSlices({ ...input.plan, datasets: connector.datasets, entries, now });
}

/** A run whose connector has logged in. */
interface Work extends Omit<RunInput, 'sink'> {
  readonly connector: KeptOpen;
  /** Version of the plugin. */
  readonly version: string;
  /** Datasets at which the connector's process died in this run. */
  readonly lost: Set<string>;
  readonly sink: TrackedSink;
  readonly counts: Record<string, DatasetCounts>;
  /** Gives up every slice that is at work or waits. */
  end(failure?: Failure): void;
}

/** Resolves with what ended the run early, if anything did. */
async function runSlices(
  input: RunInput,
  opened: Pick<Work, 'connector' | 'version'>,
  slices: readonly Slice[],
  counts: Record<string, DatasetCounts>,
): Promise<Failure | undefined> {
  const stop = new AbortController();
  let ended: Failure | undefined;
  const work: Work = {
    ...input,
    ...opened,
    lost: new Set(),
    counts,
    sink: trackWrites(input.sink),
    signal: AbortSignal.any([input.signal, stop.signal]),
    end(failure) {
      ended ??= failure;
      stop.abort(new DOMException('The run has ended', 'AbortError'));
    },
  };
  const results = await Promise.allSettled(
    slices.map((slice) =>
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

/** Asks once. What ends the run is told at once: when this rejects, the next slice begins. */
async function attempt(
  work: Work,
  slice: Slice,
  requestId: string,
  written: Map<string, Day>,
  { signal, end }: { readonly signal: AbortSignal; readonly end: (failure: Failure) => void },
): Promise<Tallies> {
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
    if (!signal.aborted && endsTheRun.includes(failure.code)) end(failure);
    await connector.settled();
    if (!connector.isAlive()) work.lost.add(slice.dataset);
    throw error;
  }
}

/** Runs a slice to its outcome and records it. */
async function runSlice(work: Work, slice: Slice): Promise<void> {
  const { runId, connection, ledger, policies, bus, clock, signal, version } = work;
  const requestId = work.newId();
  const written = new Map<string, Day>();
  let attempts = 0;
  let outcomes: readonly SliceOutcome[];
  let failure: Failure | undefined;
  let ending: Failure | undefined;
  const end = (by: Failure): void => {
    ending = by;
    work.end(by);
  };
  try {
    const tallies = await policies.execute(slice.dataset, signal, (attemptSignal) => {
      if (!work.lost.has(slice.dataset)) attempts += 1;
      return attempt(work, slice, requestId, written, { signal: attemptSignal, end });
    });
    outcomes = outcomesOf(slice, tallies, attempts);
  } catch (error) {
    // Given up, not failed: nothing is known of these days, so they stay gaps.
    if (signal.aborted && !ending) return;
    failure = ending ?? failureOf(error);
    outcomes = outcomesOfFailure(slice, failure, attempts, written);
  }
  await ledger.record({ connection, runId, version, at: clock.now() }, outcomes);
  tally((work.counts[slice.dataset] ??= emptyCounts()), outcomes);
  const status = failure?.status;
  bus.emit('slice:finished', { runId, connection, slice, outcomes, ...(status !== undefined && { status }) });
}

function tally(counts: DatasetCounts, outcomes: readonly SliceOutcome[]): void {
  for (const { outcome, rowsWritten, rowsUnchanged, conflicts } of outcomes) {
    counts[outcome] += 1;
    counts.written += rowsWritten;
    counts.unchanged += rowsUnchanged;
    counts.conflicts += conflicts;
  }
}

function statusOf(
  counts: Readonly<Record<string, DatasetCounts>>,
  error: Failure | undefined,
  interrupted: boolean,
): RunStatus {
  if (interrupted) return 'interrupted';
  if (error) return 'failed';
  return Object.values(counts).some(({ failed, conflicts }) => failed + conflicts > 0)
    ? 'partial'
    : 'succeeded';
}
