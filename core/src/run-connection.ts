import { dayAt } from '@on-the-way/sdk';
import { askDayMarks, askLastChange, type AskAhead } from './ask-ahead.ts';
import { failureOf, type Failure } from './failure.ts';
import { keepOpen, type KeptOpen } from './keep-open.ts';
import { isNothingDue, planSlices, type Slice } from './plan-slices.ts';
import type { OpenConnector } from './ports.ts';
import { runSlices, type RunParts } from './run-slices.ts';
import { emptyCounts, type DatasetCounts, type RunStatus, type RunSummary } from './run-summary.ts';
import type { PlanInput } from './wanted-days.ts';

/** What a run is made of; the host brings all of it. */
export interface RunInput extends RunParts {
  /** Logs in. Rejects as `login` does. */
  open(signal: AbortSignal): Promise<OpenConnector>;
  /** Requests made to the source in this run so far. */
  requestsMade(): number;
  readonly plan: Omit<PlanInput, 'datasets' | 'entries' | 'now' | 'marks'>;
  /**
   * Present for a run nobody asked for: what `lastChange` said before the last run that went through, and
   * when that began. The run is skipped when it says the same on the same day and nothing is due.
   */
  readonly lastPass?: { readonly change: string; readonly at: number };
}

/** What is known before the first slice. */
interface Ahead {
  readonly slices: readonly Slice[];
  readonly marks: Readonly<Record<string, string>>;
  readonly change?: string;
  readonly skipped?: string;
}

const nothingNew = 'The source has nothing new since the last run that went through today';

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
  let ahead: Ahead | undefined;
  const finish = (error?: Failure): RunSummary => {
    const summary: RunSummary = {
      runId,
      connection,
      status: statusOf(counts, error, input.signal.aborted),
      startedAt,
      finishedAt: clock.now(),
      slicesPlanned: ahead?.slices.length ?? 0,
      datasets: counts,
      requests: input.requestsMade(),
      ...(ahead?.skipped !== undefined && { skipped: ahead.skipped }),
      ...(ahead?.change !== undefined && { lastChange: ahead.change }),
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
    const known = await lookAhead(input, kept);
    if ('failure' in known) return finish(known.failure);
    ahead = known;
    if (ahead.skipped !== undefined) return finish();
    const { slices, marks } = ahead;
    const { datasets, version } = connector;
    const { onlyDatasets } = input.plan;
    for (const { name } of datasets) if (onlyDatasets?.includes(name) !== false) counts[name] = emptyCounts();
    bus.emit('run:started', { runId, connection, slices: slices.length, at: startedAt });
    const watched = new Set(datasets.flatMap(({ name, watched: is }) => (is === true ? [name] : [])));
    return finish(await runSlices(input, { connector: kept, version, marks, watched }, slices, counts));
  } finally {
    await kept.close();
  }
}

/** Asks what changed and makes the plan, or tells what ends the run before it. */
async function lookAhead(input: RunInput, kept: KeptOpen): Promise<Ahead | { readonly failure: Failure }> {
  const now = input.clock.now();
  const today = dayAt(now, input.plan.timeZone);
  const from = input.plan.backfillFrom < today ? input.plan.backfillFrom : today;
  const entries = await input.ledger.read(input.connection, from);
  const ask = async <T>(question: (ahead: AskAhead) => Promise<T>): Promise<T> =>
    question({ ...input, connector: await kept.get() });
  const wish = input.plan.only !== undefined || input.plan.onlyDatasets !== undefined;
  try {
    const { datasets } = await kept.get();
    const change = wish ? undefined : await ask(askLastChange);
    const known = { ...input.plan, datasets, entries, now };
    const unmarked = planSlices(known);
    if (isSame(input, change, today) && isNothingDue(unmarked, entries)) {
      return { slices: [], marks: {}, skipped: nothingNew, ...(change !== undefined && { change }) };
    }
    const marks = await ask((ahead) => askDayMarks(ahead, known));
    const slices = marks ? planSlices({ ...known, marks }) : unmarked;
    return { slices, marks: marks ?? {}, ...(change !== undefined && { change }) };
  } catch (error) {
    return { failure: failureOf(error) };
  }
}

/** Nothing changed since the last run that went through, and that was today: the rest is read once a day. */
function isSame({ lastPass, plan }: RunInput, change: string | undefined, today: string): boolean {
  if (!lastPass || change === undefined || change !== lastPass.change) return false;
  return dayAt(lastPass.at, plan.timeZone) === today;
}

function statusOf(
  counts: Readonly<Record<string, DatasetCounts>>,
  error: Failure | undefined,
  interrupted: boolean,
): RunStatus {
  if (interrupted) return 'interrupted';
  if (error) return error.code === 'budget_spent' ? 'partial' : 'failed';
  return Object.values(counts).some(({ failed, conflicts }) => failed + conflicts > 0)
    ? 'partial'
    : 'succeeded';
}
