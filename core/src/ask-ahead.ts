import { addDays, dayAt, type DatasetInfo, type Day, type Window } from '@on-the-way/sdk';
import type { Bus } from './events.ts';
import { failureOf } from './failure.ts';
import type { Policies } from './policies.ts';
import type { OpenConnector } from './ports.ts';
import type { PlanInput } from './wanted-days.ts';

/** What the questions before a plan need. */
export interface AskAhead {
  readonly connector: OpenConnector;
  readonly policies: Policies;
  readonly bus: Bus;
  readonly connection: string;
  readonly signal: AbortSignal;
}

// After these nothing else of the account should be asked for in this run.
const endsTheRun: readonly string[] = ['auth', 'needs_user', 'rate_limited', 'budget_spent'];

/** The code says that the rest of the account's slices would end the same way, or make it worse. */
export function isEnding(code: string): boolean {
  return endsTheRun.includes(code);
}

/** These questions only spare requests: a run goes on without an answer, unless the failure ends it. */
async function ask<T>(
  { policies, bus, connection, signal }: AskAhead,
  question: 'lastChange' | 'dayMarks',
  answer: (signal: AbortSignal) => Promise<T>,
): Promise<T | undefined> {
  try {
    return await policies.execute(question, signal, answer);
  } catch (error) {
    signal.throwIfAborted();
    const failure = failureOf(error);
    if (isEnding(failure.code)) throw error;
    bus.emit('question:failed', { connection, question, ...failure });
    return undefined;
  }
}

/** What the connector's `lastChange` says; undefined when that is not known. */
export function askLastChange(ahead: AskAhead): Promise<string | undefined> {
  return ask(ahead, 'lastChange', (signal) => ahead.connector.lastChange(signal));
}

// What `dayMarks` is asked for at most: more than any dataset takes to settle.
const markedDays = 28;

/** The days whose marks can spare a request; undefined when none can. */
function markedWindow(
  plan: Omit<PlanInput, 'datasets' | 'entries'>,
  datasets: readonly DatasetInfo[],
): Window | undefined {
  // A person's wish is asked for whatever the marks say.
  if (plan.only || plan.onlyDatasets || !datasets.some(({ watched }) => watched === true)) return undefined;
  const today = dayAt(plan.now, plan.timeZone);
  const liveFrom = addDays(today, 1 - plan.windowDays);
  const wanted = plan.backfillFrom < liveFrom ? plan.backfillFrom : liveFrom;
  const oldest = addDays(today, 1 - markedDays);
  return { from: wanted > oldest ? wanted : oldest, to: addDays(today, 1) };
}

/** What the connector's `dayMarks` says of the newest four weeks; undefined when that is not known. */
export async function askDayMarks(
  ahead: AskAhead,
  plan: Omit<PlanInput, 'datasets' | 'entries'>,
): Promise<Readonly<Record<Day, string>> | undefined> {
  const window = markedWindow(plan, ahead.connector.datasets);
  return window && ask(ahead, 'dayMarks', (signal) => ahead.connector.dayMarks(window, signal));
}
