import type { RunSummary } from '@on-the-way/core';
import type { HostRun, HostRunRequest, SuiteHost } from '@on-the-way/sdk/testing';
import { buildHost, type Host } from '../container.ts';
import type { SinkConfig } from '../config/host-config.ts';
import { createConnectorPool, type ConnectorPool } from '../isolate/connector-pool.ts';
import { createLog } from '../log.ts';
import { createRedactor } from '../redact.ts';
import { storedOf } from './stored-of.ts';
import { connectionOf, hostConfigOf, sinkName, sinkOf } from './suite-config.ts';
import { openSuiteDatabase, type SuiteDatabase } from './suite-database.ts';

/** How the host of a suite is started. */
export interface SuiteHostOptions {
  /**
   * Address of a Postgres database for this suite alone, of a user who may create schemas in it. Default: an embedded
   * Postgres in a folder for what is temporary, removed by `close`.
   */
  readonly databaseUrl?: string;
}

// One at work, and one for a run beside it.
const mostProcesses = 2;

interface Parts {
  readonly database: SuiteDatabase;
  /** Of all runs: starting a process for each would take longer than all else. */
  readonly pool: ConnectorPool;
}

/** The pool for a host that ends before the others do. */
function lent(pool: ConnectorPool): ConnectorPool {
  return {
    take: (wish, signal) => pool.take(wish, signal),
    giveBack: (process, isClean) => pool.giveBack(process, isClean),
    counts: () => pool.counts(),
    close: async () => undefined,
  };
}

/** A host with one connection, which runs it again and again. */
interface OneHost {
  readonly host: Host;
  /** Changes with the sink of the run. */
  readonly sinks: Record<string, SinkConfig>;
  /** Of the log so far. */
  readonly lines: string[];
}

async function hostOf(request: HostRunRequest, { database, pool }: Parts): Promise<OneHost> {
  const connection = connectionOf(request, database);
  const lines: string[] = [];
  const sinks: Record<string, SinkConfig> = {};
  const redactor = createRedactor();
  const log = createLog({ redactor, level: 'debug', pretty: false, write: (line) => lines.push(line) });
  const host = buildHost({
    config: hostConfigOf(connection, sinks, database),
    databaseUrl: database.url,
    clock: { now: () => Date.now() },
    log,
    redactor,
    processKind: 'suite',
    connectorPool: lent(pool),
  });
  // They count from when they are first looked at.
  void host.metrics;
  await host.connections.ensure([connection.name]);
  return { host, sinks, lines };
}

async function saveTokens({ sessions }: Host, { connection, tokens = {} }: HostRunRequest): Promise<void> {
  await sessions.checkKey();
  for (const [field, value] of Object.entries(tokens)) {
    // What an earlier run of the connection saved since is newer: a refresh token may be good for one use.
    if ((await sessions.load({ connection, field })) === undefined)
      await sessions.save({ connection, field }, value);
  }
}

async function runIn(
  { host, sinks, lines }: OneHost,
  request: HostRunRequest,
  database: SuiteDatabase,
): Promise<HostRun> {
  const connection = connectionOf(request, database);
  const before = lines.length;
  sinks[sinkName] = sinkOf(request);
  await saveTokens(host, request);
  const summary = await host.service.execute(connection, {
    trigger: 'person',
    signal: new AbortController().signal,
    ...(request.window && { only: request.window }),
  });
  // What it writes to may be gone before the next run.
  await host.sinks.close();
  const { notBefore } = await host.connections.state(connection.name);
  const stored = await storedOf(host.database, summary.runId);
  return {
    status: summary.status,
    ...saidOf(summary),
    ...(notBefore && { notBefore: notBefore.toISOString() }),
    metrics: await host.metrics.text(),
    said: [...lines.slice(before), ...stored].join('\n'),
  };
}

function saidOf({ error }: RunSummary): Pick<HostRun, 'error'> {
  return error ? { error: `${error.code}: ${error.message}` } : {};
}

/**
 * Starts a real host for the conformance suite: connectors in child processes, a real Postgres, everything else as a
 * person's own host has it. Database and processes are started when the first run is asked for, so that a suite
 * whose checks need none does not wait for them. Call `close` when done.
 */
export async function startSuiteHost({ databaseUrl }: SuiteHostOptions = {}): Promise<SuiteHost> {
  let opened: Promise<Parts> | undefined;
  // One a connection, so that what it counts and says is of that connection alone.
  const hosts = new Map<string, Promise<OneHost>>();
  const open = async (): Promise<Parts> => ({
    database: await openSuiteDatabase(databaseUrl),
    pool: createConnectorPool({ most: mostProcesses }),
  });
  return {
    async run(request) {
      opened ??= open();
      const parts = await opened;
      const host = hosts.get(request.connection) ?? hostOf(request, parts);
      hosts.set(request.connection, host);
      return runIn(await host, request, parts.database);
    },
    async close() {
      const parts = await opened?.catch(() => undefined);
      for (const one of hosts.values()) await one.then(({ host }) => host.close()).catch(() => undefined);
      hosts.clear();
      opened = undefined;
      await parts?.pool.close();
      await parts?.database.close();
    },
  };
}
