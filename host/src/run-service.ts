import { randomUUID } from 'node:crypto';
import type { Failure, OpenConnector, RunSummary } from '@on-the-way/core';
import { ConnectorError, formatInstant } from '@on-the-way/sdk';
import type { ConnectionConfig } from './config/host-config.ts';
import { budgetOf, endedEarly, executeRun, type ExecuteParts, type RunRequest } from './execute-run.ts';
import { resolvePlugin } from './isolate/resolve-plugin.ts';
import type { OpenParts, OpenRequest } from './open-connection.ts';
import { takeAdvisoryLock, type AdvisoryLock } from './storage/advisory-lock.ts';
import { rememberPause, useConnector } from './use-connector.ts';

export type { RunRequest } from './execute-run.ts';

/** The connection is at work already, here or on another host. */
export class AlreadyRunning extends Error {
  override readonly name = 'AlreadyRunning';
  readonly code = 'already_running';
}

/** Executes runs. */
export interface RunService {
  /** One run of a connection, start to finish. Rejects with AlreadyRunning, or when the database is away. */
  execute(connection: ConnectionConfig, request: RunRequest): Promise<RunSummary>;
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

const lockSpace = 'on-the-way run ';

/**
 * Holds the connection, over all hosts, for a run or for who must not meet one; waits up to `waitMs` for
 * a run to end. The lock goes with the process that took it.
 *
 * @throws AlreadyRunning
 */
export async function lockConnection(
  parts: OpenParts,
  name: string,
  { waitMs, signal }: Pick<AdvisoryLock, 'waitMs' | 'signal'> = { waitMs: 0 },
): Promise<() => Promise<void>> {
  const { databaseUrl, databaseTimeZone: timeZone, log } = parts;
  const onLost = (error: Error): void =>
    log.warn({ error: error.message }, 'lost the session that holds the run');
  const release = await takeAdvisoryLock({
    databaseUrl,
    timeZone,
    name: lockSpace + name,
    waitMs,
    ...(signal && { signal }),
    onLost,
  });
  if (release) return release;
  throw new AlreadyRunning(
    `Expected ${name} to be idle, but a run of it is under way: wait for it, see otw runs`,
  );
}

/** A source that asked for a pause gets it, whoever starts the run. */
async function pausedFor({ connections, clock }: ExecuteParts, name: string): Promise<number> {
  const { notBefore } = await connections.state(name);
  return notBefore === null ? 0 : Math.max(0, notBefore.getTime() - clock.now());
}

function pauseUntil(until: number, { timeZone }: ConnectionConfig): string {
  return `The source asked for a pause until ${formatInstant(until, timeZone)}: nothing was asked`;
}

function pausedSummary(
  connection: ConnectionConfig,
  runId: string,
  at: number,
  retryAfterMs: number,
): RunSummary {
  const message = pauseUntil(at + retryAfterMs, connection);
  return endedEarly(connection.name, runId, at, { code: 'rate_limited', message, retryAfterMs });
}

/** A source that asked for a pause is not asked. */
async function refuseDuringPause(parts: ExecuteParts, connection: ConnectionConfig): Promise<void> {
  const retryAfterMs = await pausedFor(parts, connection.name);
  if (retryAfterMs === 0) return;
  const message = pauseUntil(parts.clock.now() + retryAfterMs, connection);
  throw new ConnectorError('rate_limited', message, { retryAfterMs });
}

/** Within the budget a run would have, and without a run beside it. */
const withRecording =
  (parts: ExecuteParts): RunService['withRecording'] =>
  async (connection, request, use) => {
    await refuseDuringPause(parts, connection);
    const unlock = await lockConnection(parts, connection.name);
    try {
      const budget = await budgetOf(parts, { connection, startedAt: parts.clock.now() });
      const limit = Number.isFinite(budget) && { requestBudget: Math.max(0, budget) };
      const outcome = await useConnector(parts, connection, { ...request, ...limit }, use);
      if (outcome.stoppedBy) await rememberPause(parts, connection.name, outcome.stoppedBy);
      return outcome;
    } finally {
      await unlock();
    }
  };

/** Makes the service that scheduler, HTTP and commands run connections through. */
export function createRunService(parts: ExecuteParts): RunService {
  return {
    async execute(connection, request) {
      // Not a matter of this run but of the configuration, so it is thrown and not recorded.
      resolvePlugin(connection.plugin, parts.baseDir);
      const runId = request.runId ?? randomUUID();
      const pauseMs = await pausedFor(parts, connection.name);
      if (pauseMs > 0) return pausedSummary(connection, runId, parts.clock.now(), pauseMs);
      const unlock = await lockConnection(parts, connection.name);
      try {
        return await executeRun(parts, connection, request, runId);
      } finally {
        await unlock();
      }
    },
    async withConnector(connection, request, use) {
      await refuseDuringPause(parts, connection);
      return useConnector(parts, connection, request, use);
    },
    withRecording: withRecording(parts),
  };
}
