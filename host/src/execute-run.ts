import { randomUUID } from 'node:crypto';
import {
  createPolicies,
  failureOf,
  runConnection,
  type Bus,
  type Failure,
  type RunInput,
  type RunSummary,
  type Reach,
  type RunSink,
} from '@on-the-way/core';
import {
  addDays,
  dayAt,
  formatInstant,
  startOfDay,
  type Prompt,
  type SinkWriter,
  type Window,
} from '@on-the-way/sdk';
import type { Knex } from 'knex';
import { afterBackfill, backfillOfRun, planOfBackfill, progressNow, requestsLeftOf } from './backfill-run.ts';
import type { ConnectionConfig } from './config/host-config.ts';
import { openConnection, type OpenParts } from './open-connection.ts';
import { refusedBasisOf } from './refused-basis.ts';
import { settingAside } from './set-aside.ts';
import type { Backfill, BackfillStore } from './storage/backfills.ts';
import type { Claim, ClaimStore } from './storage/claims.ts';
import type { ConnectionState, ConnectionStore } from './storage/connections.ts';
import type { CursorStore } from './storage/cursors.ts';
import type { DeadLetterStore } from './storage/dead-letters.ts';
import { Fenced } from './storage/fence.ts';
import type { LedgerStore } from './storage/ledger.ts';
import type { RunEndStore } from './storage/run-end.ts';
import type { NewRun, Trigger } from './storage/run-begin.ts';
import type { RunStore } from './storage/runs.ts';
import { drainWithin } from './wall-limit.ts';

/** What a person may ask of a run. */
export interface RunRequest {
  readonly trigger: Trigger;
  readonly signal: AbortSignal;
  /** Once aborted no new slice begins; what is under way is finished and recorded. */
  readonly drain?: AbortSignal;
  /** Just these days, final or not. */
  readonly only?: Window;
  /** Just these datasets. */
  readonly onlyDatasets?: readonly string[];
  /** Present when a person is there to answer. */
  readonly prompt?: Prompt;
  /** Run the connector within this process, for debugging a plugin. */
  readonly inProcess?: boolean;
  /** Known before the run begins, e.g. to answer a request with it. */
  readonly runId?: string;
  /** Of a run with trigger `backfill`: which one it works on; default the oldest that is open. */
  readonly backfillId?: string;
  /** The queue's job, for whoever takes the run over. */
  readonly jobId?: string;
  /** Do not begin where a run since it was due has put the next one off. */
  readonly onlyIfDue?: boolean;
  /** Done in the transaction that gives the run its row. */
  readonly beginsWith?: (transaction: Knex.Transaction) => Promise<void>;
  /** Done in the transaction that records the run's end. */
  readonly endsWith?: (summary: RunSummary, transaction: Knex.Transaction) => Promise<void>;
}

/** What runs are executed with. */
export interface ExecuteParts extends OpenParts {
  readonly claims: ClaimStore;
  readonly sink: (name: string) => Promise<SinkWriter>;
  readonly ledger: LedgerStore;
  readonly runs: RunStore;
  readonly runEnds: RunEndStore;
  readonly connections: ConnectionStore;
  readonly letters: DeadLetterStore;
  readonly cursors: CursorStore;
  readonly backfills: BackfillStore;
  readonly bus: Bus;
  /** Told of crash points. */
  readonly reach?: Reach | undefined;
}

interface Run {
  readonly runId: string;
  /** The right to write for the connection. */
  readonly claim: Claim;
  readonly startedAt: number;
  readonly connection: ConnectionConfig;
  readonly request: RunRequest;
  /** What a run with trigger `backfill` works on. */
  readonly backfill?: Backfill | undefined;
}

/** A run that ended before it had a connector to ask. */
export function endedEarly(connection: string, runId: string, at: number, error: Failure): RunSummary {
  return {
    runId,
    connection,
    status: error.code === 'budget_spent' ? 'partial' : 'failed',
    startedAt: at,
    finishedAt: at,
    slicesPlanned: 0,
    datasets: {},
    requests: 0,
    error,
  };
}

function skippedBackfill({ connection: { name: connection }, runId, startedAt: at }: Run): RunSummary {
  const nothing = { slicesPlanned: 0, datasets: {}, requests: 0 };
  const skipped = 'No backfill is open';
  return { ...nothing, runId, connection, status: 'succeeded', startedAt: at, finishedAt: at, skipped };
}

/** A run that begins now. */
export function newRun(
  { clock }: Pick<ExecuteParts, 'clock'>,
  { timeZone }: ConnectionConfig,
  { runId, trigger }: Pick<NewRun, 'runId' | 'trigger'>,
): NewRun {
  const startedAt = clock.now();
  return { runId, trigger, startedAt, dayStartedAt: startOfDay(dayAt(startedAt, timeZone), timeZone) };
}

/** A run that has its claim and its row. */
interface HeldRun {
  readonly runId: string;
  readonly startedAt: number;
  readonly claim: Claim;
}

/** Executes a run from its row in app.run to what is remembered of it. Throws Fenced when another host took over. */
export async function executeRun(
  parts: ExecuteParts,
  connection: ConnectionConfig,
  request: RunRequest,
  { runId, startedAt, claim }: HeldRun,
): Promise<RunSummary> {
  const { name } = connection;
  const began = performance.now();
  const signal = AbortSignal.any([request.signal, claim.lost]);
  const wall = drainWithin(connection, request.drain);
  const held = { ...request, signal, drain: wall.drain };
  const isBackfill = request.trigger === 'backfill';
  const run = { runId, claim, startedAt, connection, request: held };
  let requests = 0;
  try {
    const backfill = isBackfill ? await backfillOfRun(parts, name, request) : undefined;
    const before = backfill && (await progressNow(parts, backfill));
    const summary = await runWithin(parts, { ...run, backfill }).finally(wall.clear);
    ({ requests } = summary);
    if (backfill && before) {
      const { intervalSeconds } = connection;
      const elapsedMs = performance.now() - began;
      const dayEndsInMs = midnightAfter(startedAt, connection) - startedAt;
      const chunk = { summary, before, claim, intervalSeconds, elapsedMs, dayEndsInMs };
      await afterBackfill(parts, backfill, chunk);
    }
    parts.reach?.('before-finish');
    const ended = await rememberEnd(
      parts,
      { claim, connection, request, startedAt, elapsedMs: performance.now() - began },
      summary,
    );
    parts.reach?.('after-finish');
    parts.bus.emit('run:finished', ended);
    return ended;
  } catch (error) {
    // Of one that the database did not take nobody knows yet how it ends.
    if (error instanceof Fenced)
      parts.bus.emit('run:finished', lostRun(parts, run, { requests, error: failureOf(error) }));
    throw error;
  }
}

/** What is told of a run that another host has taken over: that one tells the rest. */
function lostRun(
  { clock }: ExecuteParts,
  { runId, connection, startedAt }: Pick<Run, 'runId' | 'connection' | 'startedAt'>,
  { requests, error }: { readonly requests: number; readonly error: Failure },
): RunSummary {
  const ended = endedEarly(connection.name, runId, startedAt, error);
  return { ...ended, status: 'interrupted', finishedAt: clock.now(), requests };
}

/** Whether it was asked for everything, as the schedule asks; such a run moves the next one. */
function isOfEverything({ trigger, only, onlyDatasets }: RunRequest): boolean {
  return trigger !== 'backfill' && only === undefined && onlyDatasets === undefined;
}

/** Resolves with the run as it is told of: with how long the source is left alone, if it is. */
async function rememberEnd(
  parts: ExecuteParts,
  run: Pick<Run, 'claim' | 'connection' | 'request' | 'startedAt'> & { readonly elapsedMs: number },
  summary: RunSummary,
): Promise<RunSummary> {
  const { connection, request, startedAt, elapsedMs } = run;
  const everything = isOfEverything(request);
  // A person who stopped his own run has not asked for the next one.
  const moves = everything && !(summary.status === 'interrupted' && request.trigger === 'person');
  const passed = everything && summary.status === 'succeeded' && summary.skipped === undefined;
  const { error } = summary;
  const isRefused = error?.code === 'auth' || error?.code === 'needs_user';
  const pauseMs = await parts.runEnds.record(
    {
      summary,
      elapsedMs,
      beside: request.endsWith,
      ...(isRefused && { refusedBasis: await refusedBasisOf(parts, connection) }),
      ...(passed && { pass: { change: summary.lastChange ?? null, at: startedAt } }),
      ...(moves && { intervalSeconds: connection.intervalSeconds }),
    },
    run.claim,
  );
  return error && pauseMs !== undefined
    ? { ...summary, error: { ...error, retryAfterMs: pauseMs } }
    : summary;
}

/** Runs with what is left of the day's budget. */
async function runWithin(parts: ExecuteParts, run: Run): Promise<RunSummary> {
  const { runId, startedAt, connection, claim, backfill } = run;
  const finish = (error: Failure): RunSummary => endedEarly(connection.name, runId, startedAt, error);
  // Cancelled, or done by another host, since it was decided to go on with it.
  if (run.request.trigger === 'backfill' && !backfill) return skippedBackfill(run);
  const ofDay = await budgetOf(parts, run);
  if (ofDay <= 0) return finish(daySpent(run));
  const budget = Math.min(ofDay, backfill ? requestsLeftOf(backfill) : Infinity);
  let sink: RunSink;
  try {
    sink = settingAside(await parts.sink(connection.sink), {
      letters: parts.letters.under(claim),
      connection: connection.name,
      runId,
    });
  } catch (error) {
    return finish(failureOf(error));
  }
  const state = await parts.connections.state(connection.name);
  const today = dayAt(startedAt, connection.timeZone);
  const first = addDays(today, 1 - connection.backfillDays);
  const backfillFrom = await parts.connections.under(claim).wantFrom(connection.name, first);
  return runConnection({
    ...inputOf(parts, run),
    ...countedOpen(parts, run, budget),
    ...passOf(run, state),
    sink,
    plan: planOf(run, state, backfillFrom),
  });
}

/** Requests of a day after which no more of a kind is asked; half of them are kept from backfills for what is live. */
function mostOfDay({
  connection: { requestsPerDay = Infinity },
  backfill,
}: Pick<Run, 'connection' | 'backfill'>) {
  return backfill ? Math.ceil(requestsPerDay / 2) : requestsPerDay;
}

/** Requests a run that begins now may make; none are left at 0 and below. */
export async function budgetOf(
  { runs, connections }: ExecuteParts,
  { connection, startedAt, backfill }: Pick<Run, 'connection' | 'startedAt' | 'backfill'>,
): Promise<number> {
  const { name, timeZone, requestsPerRun = Infinity, requestsPerDay = Infinity } = connection;
  if (requestsPerDay === Infinity) return requestsPerRun;
  const today = dayAt(startedAt, timeZone);
  const inRuns = await runs.requestsSince(name, startOfDay(today, timeZone));
  const beside = await connections.requestsBesideRuns(name, today);
  return Math.min(requestsPerRun, mostOfDay({ connection, backfill }) - inRuns - beside);
}

function midnightAfter(at: number, { timeZone }: ConnectionConfig): number {
  return startOfDay(addDays(dayAt(at, timeZone), 1), timeZone);
}

function daySpent({ connection, startedAt, backfill }: Run): Failure {
  const { requestsPerDay, timeZone } = connection;
  const midnight = midnightAfter(startedAt, connection);
  const until = formatInstant(midnight, timeZone);
  return {
    code: 'budget_spent',
    message: backfill
      ? `A backfill leaves half of the day's ${requestsPerDay} requests to what is live: it goes on after ${until}`
      : `The day's ${requestsPerDay} requests are made: nothing is asked before ${until}`,
    retryAfterMs: midnight - startedAt,
  };
}

/** Opens the connector, again and again if need be, within one budget. */
function countedOpen(
  parts: ExecuteParts,
  { connection, request, claim }: Run,
  budget: number,
): Pick<RunInput, 'open' | 'requestsMade'> {
  let earlier = 0;
  let current = 0;
  return {
    requestsMade: () => earlier + current,
    async open(signal) {
      earlier += current;
      current = 0;
      const connector = await openConnection(
        parts,
        connection,
        {
          ...request,
          fence: claim,
          ...(Number.isFinite(budget) && { requestBudget: budget - earlier }),
          onRequests: (made) => (current = made),
        },
        signal,
      );
      await parts.connections.under(claim).rememberConnector(connection.name, connector);
      return connector;
    },
  };
}

function inputOf(parts: ExecuteParts, { runId, claim, connection, request }: Run) {
  const { bus, clock } = parts;
  const { name, policies } = connection;
  return {
    runId,
    connection: name,
    ledger: parts.ledger.under(claim),
    cursors: parts.cursors.under(claim, runId),
    policies: createPolicies(policies, { connection: name, bus, clock, reach: parts.reach }),
    bus,
    clock,
    newId: () => randomUUID(),
    signal: request.signal,
    ...(request.drain && { drain: request.drain }),
    ...(parts.reach && { reach: parts.reach }),
  };
}

/** Only the scheduler's run of everything may be skipped. */
function passOf({ request }: Run, { lastChange, lastPassAt }: ConnectionState): Pick<RunInput, 'lastPass'> {
  if (request.trigger !== 'schedule' || request.only || request.onlyDatasets) return {};
  if (lastChange === null || lastPassAt === null) return {};
  return { lastPass: { change: lastChange, at: lastPassAt.getTime() } };
}

function planOf(
  { connection, request, backfill }: Run,
  state: ConnectionState,
  backfillFrom: string,
): RunInput['plan'] {
  const { timeZone, windowDays } = connection;
  return {
    timeZone,
    windowDays,
    backfillFrom,
    ...(state.signedInAt && { signedInAt: state.signedInAt.getTime() }),
    ...(request.only && { only: request.only }),
    ...(request.onlyDatasets && { onlyDatasets: request.onlyDatasets }),
    ...(request.trigger === 'person' && { rereadLive: true }),
    ...(backfill && planOfBackfill(backfill)),
  };
}
