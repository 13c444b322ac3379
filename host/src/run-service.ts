import { randomUUID } from 'node:crypto';
import {
  createPolicies,
  failureOf,
  runConnection,
  type Bus,
  type Failure,
  type OpenConnector,
  type RunSummary,
} from '@on-the-way/core';
import { addDays, dayAt, formatInstant, type Prompt, type SinkWriter, type Window } from '@on-the-way/sdk';
import { Client } from 'pg';
import type { ConnectionConfig } from './config/host-config.ts';
import { resolvePlugin } from './isolate/resolve-plugin.ts';
import { openConnection, type OpenParts } from './open-connection.ts';
import type { ConnectionStore } from './storage/connections.ts';
import { clientConfig } from './storage/database.ts';
import type { LedgerStore } from './storage/ledger.ts';
import type { RunStore, Trigger } from './storage/runs.ts';

/** What a person may ask of a run. */
export interface RunRequest {
  readonly trigger: Trigger;
  readonly signal: AbortSignal;
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
}

/** The connection is at work already, here or on another host. */
export class AlreadyRunning extends Error {
  override readonly name = 'AlreadyRunning';
  readonly code = 'already_running';
}

/** Executes runs. */
export interface RunService {
  /** One run of a connection, start to finish. Rejects with AlreadyRunning, or when the database is away. */
  execute(connection: ConnectionConfig, request: RunRequest): Promise<RunSummary>;
  /** Logs in and lets `use` ask; for check and the like. */
  withConnector<T>(
    connection: ConnectionConfig,
    request: Pick<RunRequest, 'signal' | 'prompt' | 'inProcess' | 'onlyDatasets'>,
    use: (connector: OpenConnector) => Promise<T>,
  ): Promise<T>;
}

/** What the service is built from. */
export interface RunServiceParts extends OpenParts {
  readonly databaseUrl: string;
  readonly databaseTimeZone: string;
  readonly sink: (name: string) => Promise<SinkWriter>;
  readonly ledger: LedgerStore;
  readonly runs: RunStore;
  readonly connections: ConnectionStore;
  readonly bus: Bus;
}

const lockSpace = 'on-the-way run ';

/** Holds the connection for this run, over all hosts: the lock goes with the session that took it. */
async function lockConnection(parts: RunServiceParts, name: string): Promise<() => Promise<void>> {
  const client = new Client(clientConfig(parts.databaseUrl, parts.databaseTimeZone));
  client.on('error', (error) =>
    parts.log.warn({ error: error.message }, 'lost the session that holds the run'),
  );
  await client.connect();
  const sql = 'select pg_try_advisory_lock(hashtextextended($1, 0)) as held';
  const { rows } = await client.query<{ held: boolean }>(sql, [lockSpace + name]);
  if (rows[0]?.held === true) return () => client.end();
  await client.end();
  throw new AlreadyRunning(
    `Expected ${name} to be idle, but a run of it is under way: wait for it, see otw runs`,
  );
}

/** A source that asked for a pause gets it, whoever starts the run. */
async function pausedFor({ connections, clock }: RunServiceParts, name: string): Promise<number> {
  const { notBefore } = await connections.state(name);
  return notBefore === null ? 0 : Math.max(0, notBefore.getTime() - clock.now());
}

/** A run that ended before it had a connector to ask. */
function endedEarly(connection: string, runId: string, at: number, error: Failure): RunSummary {
  return {
    runId,
    connection,
    status: 'failed',
    startedAt: at,
    finishedAt: at,
    slicesPlanned: 0,
    datasets: {},
    requests: 0,
    error,
  };
}

function pausedSummary(
  { name, timeZone }: ConnectionConfig,
  runId: string,
  at: number,
  retryAfterMs: number,
): RunSummary {
  const until = formatInstant(at + retryAfterMs, timeZone);
  const message = `The source asked for a pause until ${until}: nothing was asked`;
  return endedEarly(name, runId, at, { code: 'rate_limited', message, retryAfterMs });
}

async function run(
  parts: RunServiceParts,
  connection: ConnectionConfig,
  request: RunRequest,
  runId: string,
): Promise<RunSummary> {
  const { name, timeZone, backfillDays } = connection;
  const startedAt = parts.clock.now();
  const today = dayAt(startedAt, timeZone);
  const backfillFrom = await parts.connections.wantFrom(name, addDays(today, 1 - backfillDays));
  await parts.runs.begin({ runId, connection: name, trigger: request.trigger, startedAt });
  const summary = await parts.sink(connection.sink).then(
    (sink) => runInto(parts, connection, request, { runId, sink, backfillFrom }),
    (error: unknown) => {
      const ended = endedEarly(name, runId, startedAt, failureOf(error));
      parts.bus.emit('run:finished', ended);
      return ended;
    },
  );
  await parts.runs.finish(summary);
  await parts.connections.finish(summary);
  return summary;
}

function runInto(
  parts: RunServiceParts,
  connection: ConnectionConfig,
  request: RunRequest,
  {
    runId,
    sink,
    backfillFrom,
  }: { readonly runId: string; readonly sink: SinkWriter; readonly backfillFrom: string },
): Promise<RunSummary> {
  const { bus, clock } = parts;
  const { name, timeZone, windowDays } = connection;
  return runConnection({
    runId,
    connection: name,
    async open(signal) {
      const connector = await openConnection(parts, connection, request, signal);
      await parts.connections.rememberDatasets(name, connector.datasets);
      return connector;
    },
    sink,
    ledger: parts.ledger,
    policies: createPolicies(connection.policies, { connection: name, bus, clock }),
    bus,
    clock,
    newId: randomUUID,
    requestsMade: () => 0,
    plan: {
      timeZone,
      windowDays,
      backfillFrom,
      ...(request.only && { only: request.only }),
      ...(request.onlyDatasets && { onlyDatasets: request.onlyDatasets }),
    },
    signal: request.signal,
  });
}

/** Makes the service that scheduler, HTTP and commands run connections through. */
export function createRunService(parts: RunServiceParts): RunService {
  return {
    async execute(connection, request) {
      // Not a matter of this run but of the configuration, so it is thrown and not recorded.
      resolvePlugin(connection.plugin, parts.baseDir);
      const runId = request.runId ?? randomUUID();
      const pauseMs = await pausedFor(parts, connection.name);
      if (pauseMs > 0) return pausedSummary(connection, runId, parts.clock.now(), pauseMs);
      const unlock = await lockConnection(parts, connection.name);
      try {
        return await run(parts, connection, request, runId);
      } finally {
        await unlock();
      }
    },
    async withConnector(connection, request, use) {
      const connector = await openConnection(parts, connection, request, request.signal);
      try {
        return await use(connector);
      } finally {
        await connector.close();
      }
    },
  };
}
