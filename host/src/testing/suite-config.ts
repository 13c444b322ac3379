import { fileURLToPath } from 'node:url';
import { defaultPolicySettings } from '@on-the-way/core';
import type { HostRunRequest } from '@on-the-way/sdk/testing';
import {
  defaultHttp,
  defaultIngest,
  defaultMinFreeMb,
  type ConnectionConfig,
  type HostConfig,
  type SinkConfig,
} from '../config/host-config.ts';
import { suiteTimeZone, type SuiteDatabase } from './suite-database.ts';

/** What is retried is retried soon: a suite that waits for seconds tells no more than one that does not. */
const firstRetryDelayMs = 20;
/** What the one sink is called. */
export const sinkName = 'sink';

/** A module's path: what a configuration names a plugin by. */
function pathOf(module: string): string {
  return module.startsWith('file:') ? fileURLToPath(module) : module;
}

/** The connection that a request is about; one day back, unless the request names days. */
export function connectionOf(request: HostRunRequest, { dataDir }: SuiteDatabase): ConnectionConfig {
  const { connection: name, module, config, timeZone } = request;
  return {
    name,
    plugin: pathOf(module),
    config,
    intervalSeconds: 3600,
    windowDays: 1,
    backfillDays: 1,
    timeZone,
    sink: sinkName,
    tokenDir: dataDir,
    policies: { ...defaultPolicySettings, firstRetryDelayMs },
  };
}

/** The sink that a request is about. */
export function sinkOf({ sink }: HostRunRequest): SinkConfig {
  return sink
    ? { plugin: pathOf(sink.module), config: sink.config }
    : { plugin: '@on-the-way/sink-postgres', config: {} };
}

/** The configuration of a host that has this connection alone; `sinks` may change between its runs. */
export function hostConfigOf(
  connection: ConnectionConfig,
  sinks: HostConfig['sinks'],
  { url, dataDir }: SuiteDatabase,
): HostConfig {
  return {
    demo: false,
    role: 'worker',
    origin: 'the conformance suite',
    baseDir: dataDir,
    dataDir,
    databaseUrl: url,
    timeZone: suiteTimeZone,
    host: '127.0.0.1',
    port: 0,
    http: defaultHttp,
    ingest: defaultIngest,
    minFreeMb: defaultMinFreeMb,
    requestFutureToleranceMinutes: 5,
    connections: [connection],
    sinks,
    warnings: [],
  };
}
