import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { failureOf, type Failure, type OpenConnector, type RunSummary } from '@on-the-way/core';
import { ConnectorError, formatInstant } from '@on-the-way/sdk';
import type { ConnectionConfig } from './config/host-config.ts';
import { exitCodes, HostError } from './host-error.ts';
import {
  budgetOf,
  endedEarly,
  executeRun,
  newRun,
  type ExecuteParts,
  type RunRequest,
} from './execute-run.ts';
import type { OpenRequest } from './open-connection.ts';
import type { Claim, ClaimRequest, ClaimStore } from './storage/claims.ts';
import type { ConnectionState } from './storage/connections.ts';
import { rememberPause, useConnector } from './use-connector.ts';

export type { RunRequest } from './execute-run.ts';

/** The connection is at work already, here or on another host. */
export class AlreadyRunning extends Error {
  override readonly name = 'AlreadyRunning';
  readonly code = 'already_running';
}

/** The connection was paused by a person: no run of it begins, whoever asks. */
export class ConnectionPaused extends HostError {
  constructor(connection: string) {
    super(
      exitCodes.failed,
      `Expected ${connection} to be running, but it is paused: resume it first (otw resume ${connection})`,
    );
  }
}

/** Another run has read what was due, and the next one is due later. */
export class NotDue extends Error {
  override readonly name = 'NotDue';
}

/** A run that has its row in app.run. */
interface BegunRun {
  readonly runId: string;
  /** Resolves when the run is over; rejects when the database goes away under it. */
  readonly finished: Promise<RunSummary>;
}

/** Executes runs. */
export interface RunService {
  /**
   * One run of a connection, start to finish; in a pause of the source one that asked nothing. Rejects with
   * AlreadyRunning, ConnectionPaused, NotDue where that was asked for, Fenced when another host has taken the connection
   * over, or when the database is away.
   */
  execute(connection: ConnectionConfig, request: RunRequest): Promise<RunSummary>;
  /**
   * Resolves as soon as the run has its row, while it goes on. Rejects as `execute` does, and with ConnectorError
   * `rate_limited` in a pause of the source; nothing has begun then.
   */
  begin(connection: ConnectionConfig, request: RunRequest): Promise<BegunRun>;
  /** Rejects as `begin` would for a person's run, where that can be told without beginning it. */
  expectToBegin(connection: ConnectionConfig): Promise<void>;
  /** Logs in and lets `use` ask; for check and the like. Rejects with `rate_limited` in a pause, without asking. */
  withConnector<T>(
    connection: ConnectionConfig,
    request: Pick<RunRequest, 'signal' | 'prompt' | 'inProcess' | 'onlyDatasets'>,
    use: (connector: OpenConnector) => Promise<T>,
  ): Promise<T>;
  /**
   * The same with every answer handed to `record`; the pause that `stoppedBy` asks for is remembered. Rejects
   * with AlreadyRunning, or `rate_limited` in a pause.
   */
  withRecording<T extends { readonly stoppedBy?: Failure }>(
    connection: ConnectionConfig,
    request: Pick<RunRequest, 'signal' | 'prompt' | 'inProcess' | 'onlyDatasets'> &
      Required<Pick<OpenRequest, 'record'>>,
    use: (connector: OpenConnector) => Promise<T>,
  ): Promise<T>;
}

// A run that is about to end lets go of its connection with its end; a person who asks just then need not be refused.
const endsWithinMs = 1_000;
const lookAgainMs = 100;

/**
 * Takes the connection, over all hosts, for a run or for who must not meet one; waits up to `waitMs` for
 * a run to end. It is free again when the process that took it ends.
 *
 * @throws AlreadyRunning
 */
export async function claimConnection(
  { claims }: { readonly claims: ClaimStore },
  name: string,
  request: ClaimRequest = { waitMs: 0 },
): Promise<Claim> {
  const claim = await claims.take(name, request);
  if (claim) return claim;
  throw alreadyRunning(name);
}

/** The error of a run that cannot begin beside another one. */
export function alreadyRunning(name: string): AlreadyRunning {
  return new AlreadyRunning(
    `Expected ${name} to be idle, but a run of it is under way: wait for it, see otw runs`,
  );
}

/** A source that asked for a pause is not asked before it is over, whoever wants to. */
function refuseUntil(
  notBefore: Date | null,
  { clock }: Pick<ExecuteParts, 'clock'>,
  { timeZone }: ConnectionConfig,
): void {
  const retryAfterMs = (notBefore?.getTime() ?? 0) - clock.now();
  if (notBefore === null || retryAfterMs <= 0) return;
  const until = formatInstant(notBefore.getTime(), timeZone);
  const message = `The source asked for a pause until ${until}: nothing was asked`;
  throw new ConnectorError('rate_limited', message, { retryAfterMs });
}

function refuseToBegin(
  { pausedAt, notBefore }: ConnectionState,
  parts: Pick<ExecuteParts, 'clock'>,
  connection: ConnectionConfig,
): void {
  if (pausedAt !== null) throw new ConnectionPaused(connection.name);
  refuseUntil(notBefore, parts, connection);
}

async function refuseDuringPause(parts: ExecuteParts, connection: ConnectionConfig): Promise<void> {
  const { notBefore } = await parts.connections.state(connection.name);
  refuseUntil(notBefore, parts, connection);
}

/** Within the budget a run would have, and without a run beside it. */
const withRecording =
  (parts: ExecuteParts): RunService['withRecording'] =>
  async (connection, request, use) => {
    await refuseDuringPause(parts, connection);
    const claim = await claimConnection(parts, connection.name);
    try {
      const budget = await budgetOf(parts, { connection, startedAt: parts.clock.now() });
      const limit = Number.isFinite(budget) && { requestBudget: Math.max(0, budget) };
      const outcome = await useConnector(parts, connection, { ...request, ...limit, fence: claim }, use);
      const { stoppedBy: failure } = outcome;
      if (failure) await rememberPause(parts, connection.name, { failure, fence: claim });
      return outcome;
    } finally {
      await claim.release();
    }
  };

async function begin(
  parts: ExecuteParts,
  connection: ConnectionConfig,
  request: RunRequest & { readonly runId: string },
): Promise<BegunRun> {
  const { runId, trigger, jobId, beginsWith } = request;
  const state = await parts.connections.state(connection.name);
  if (request.onlyIfDue === true && state.isPutOff) throw new NotDue('Another run has read what was due');
  refuseToBegin(state, parts, connection);
  let run = newRun(parts, connection, { runId, trigger });
  const held = {
    // A job that waits in the queue can go on waiting there.
    waitMs: jobId === undefined || beginsWith ? endsWithinMs : 0,
    runId,
    ...(jobId !== undefined && { jobId }),
    begins: {
      run: () => (run = newRun(parts, connection, { runId, trigger })),
      beside: beginsWith,
    },
  };
  const claim = await claimConnection(parts, connection.name, held);
  parts.reach?.('run-begun');
  const work = async (): Promise<RunSummary> => {
    try {
      return await executeRun(parts, connection, request, { ...run, claim });
    } finally {
      await claim.release();
    }
  };
  const finished = work();
  return { runId, finished };
}

/** Makes the service that scheduler, HTTP and commands run connections through. */
export function createRunService(parts: ExecuteParts): RunService {
  return {
    begin: (connection, request) =>
      begin(parts, connection, { ...request, runId: request.runId ?? randomUUID() }),
    async execute(connection, request) {
      const runId = request.runId ?? randomUUID();
      try {
        const { finished } = await begin(parts, connection, { ...request, runId });
        return await finished;
      } catch (error) {
        if (!ConnectorError.is(error) || error.code !== 'rate_limited') throw error;
        return endedEarly(connection.name, runId, parts.clock.now(), failureOf(error));
      }
    },
    async expectToBegin(connection) {
      const until = performance.now() + endsWithinMs;
      for (;;) {
        const state = await parts.connections.state(connection.name);
        refuseToBegin(state, parts, connection);
        if (state.hostId === null) return;
        if (performance.now() > until) throw alreadyRunning(connection.name);
        await delay(lookAgainMs);
      }
    },
    async withConnector(connection, request, use) {
      await refuseDuringPause(parts, connection);
      return useConnector(parts, connection, request, use);
    },
    withRecording: withRecording(parts),
  };
}
