import { dayAt } from '@on-the-way/sdk';
import { askDayMarks, askLastChange, isEnding, type AskAhead } from './ask-ahead.ts';
import { failureOf, type Failure } from './failure.ts';
import { nextFrontiers } from './frontier.ts';
import { keepOpen, type KeptOpen } from './keep-open.ts';
import { isNothingDue, planSlices, type Slice } from './plan-slices.ts';
import type { OpenConnector } from './ports.ts';
import { readForPlan } from './read-plan.ts';
import { runSlices, type RunParts } from './run-slices.ts';
import { emptyCounts, type DatasetCounts, type RunStatus, type RunSummary } from './run-summary.ts';
import type { PlanInput } from './wanted-days.ts';

/** What a run is made of; the host brings all of it. */
export interface RunInput extends RunParts {
  /** Logs in. Rejects as `login` does. */
  open(signal: AbortSignal): Promise<OpenConnector>;
  /** Requests made to the source in this run so far. */
  requestsMade(): number;
  readonly plan: Omit<PlanInput, 'datasets' | 'entries' | 'frontiers' | 'now' | 'marks' | 'version'>;
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
  const finish = (by?: Failure, { left = false, heldUp = false } = {}): RunSummary => {
    const error = toldOf(input, by) ?? (left ? drainFailure(input) : undefined);
    const isStopped = error === undefined && (left || input.signal.aborted);
    return {
      runId,
      connection,
      status: isStopped ? 'interrupted' : statusOf(counts, error, left),
      startedAt,
      finishedAt: clock.now(),
      slicesPlanned: ahead?.slices.length ?? 0,
      datasets: counts,
      requests: input.requestsMade(),
      ...(heldUp && { heldUp }),
      ...(ahead?.skipped !== undefined && { skipped: ahead.skipped }),
      ...(ahead?.change !== undefined && { lastChange: ahead.change }),
      ...(error && { error }),
    };
  };

  if (isDraining(input)) return finish(undefined, { left: true });
  let connector: OpenConnector;
  try {
    connector = await input.open(input.signal);
    input.reach?.('logged-in');
  } catch (error) {
    return finish(failureOf(error));
  }
  const kept = keepOpen(connector, () => input.open(input.signal));
  try {
    if (isDraining(input)) return finish(undefined, { left: true });
    const known = await lookAhead(input, kept, connector);
    if ('failure' in known) return finish(known.failure);
    ahead = known;
    input.reach?.('planned');
    if (ahead.skipped !== undefined) return finish();
    const { slices, marks } = ahead;
    const { datasets, version } = connector;
    const { onlyDatasets } = input.plan;
    for (const { name } of datasets) if (onlyDatasets?.includes(name) !== false) counts[name] = emptyCounts();
    bus.emit('run:started', { runId, connection, slices: slices.length, at: startedAt });
    const watched = new Set(datasets.flatMap(({ name, watched: is }) => (is === true ? [name] : [])));
    const { failure, ...end } = await runSlices(
      input,
      { connector: kept, version, marks, watched },
      slices,
      counts,
    );
    return finish(failure, end);
  } finally {
    await kept.close();
  }
}

/** Told to stop: what the run was cut off in is not what went wrong, but a source that asks for quiet is heard. */
function toldOf({ signal }: RunInput, failure: Failure | undefined): Failure | undefined {
  return failure && (!signal.aborted || isEnding(failure.code)) ? failure : undefined;
}

function isDraining({ drain }: RunInput): boolean {
  return drain?.aborted === true;
}

/** Why the run drains, where that is worth telling of. */
function drainFailure({ drain }: RunInput): Failure | undefined {
  const reason: unknown = drain?.reason;
  const isTold = reason instanceof Error && 'code' in reason && typeof reason.code === 'string';
  return isTold ? failureOf(reason) : undefined;
}

/** Asks what changed and makes the plan, or tells what ends the run before it. */
async function lookAhead(
  input: RunInput,
  kept: KeptOpen,
  { datasets, version }: Pick<OpenConnector, 'datasets' | 'version'>,
): Promise<Ahead | { readonly failure: Failure }> {
  const now = input.clock.now();
  const today = dayAt(now, input.plan.timeZone);
  const known = await readForPlan(input.ledger, input.connection, { ...input.plan, datasets, version, now });
  const frontiers = nextFrontiers(known);
  if (frontiers.length > 0) await input.ledger.frontiers?.save(frontiers);
  const ask = async <T>(question: (ahead: AskAhead) => Promise<T>): Promise<T> =>
    question({ ...input, connector: await kept.get() });
  const { only, onlyDatasets, scope } = input.plan;
  const wish = only !== undefined || onlyDatasets !== undefined || scope === 'backfill';
  try {
    const change = wish ? undefined : await ask(askLastChange);
    const unmarked = planSlices(known);
    if (isSame(input, change, today) && isNothingDue(unmarked, known.entries)) {
      return { slices: [], marks: {}, skipped: nothingNew, ...(change !== undefined && { change }) };
    }
    const marks = wish ? undefined : await ask((ahead) => askDayMarks(ahead, known));
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
  left: boolean,
): RunStatus {
  if (error) return left || error.code === 'budget_spent' ? 'partial' : 'failed';
  return Object.values(counts).some(
    ({ failed, notAsked, conflicts, setAside }) => failed + notAsked + conflicts + setAside > 0,
  )
    ? 'partial'
    : 'succeeded';
}
