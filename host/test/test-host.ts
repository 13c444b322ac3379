import { defaultPolicySettings, type Clock, type RunSummary } from '@on-the-way/core';
import {
  startGarminSimulator,
  type GarminSimulator,
  type GarminSimulatorOptions,
} from '@on-the-way/garmin-simulator';
import {
  defaultHttp,
  defaultIngest,
  defaultMinFreeMb,
  type ConnectionConfig,
  type HostConfig,
  type HttpConfig,
  type IngestConfig,
  type NotifyConfig,
} from '../src/config/host-config.ts';
import { buildHost, type Host } from '../src/container.ts';
import type { IngestLimits } from '../src/ingest/group-writer.ts';
import { createLog } from '../src/log.ts';
import { createRedactor } from '../src/redact.ts';
import type { Role } from '../src/roles.ts';
import type { RunRequest } from '../src/run-service.ts';
import { migrate } from '../src/storage/migrate.ts';
import type { SessionKeyPlace } from '../src/storage/session-key.ts';
import { temporaryFolder } from './otw.ts';
import { createMigratedDatabase } from './postgres.ts';
import { sharedProcesses } from './shared-processes.ts';

/** A clock that stands still until a test moves it. */
export interface FakeClock extends Clock {
  set(at: string): void;
  advance(by: { readonly days?: number; readonly hours?: number }): void;
}

/** A clock at an instant with offset, e.g. `2026-02-26T12:00:00+08:00`. */
export function fakeClock(at: string): FakeClock {
  let now = Date.parse(at);
  return {
    now: () => now,
    set: (to) => (now = Date.parse(to)),
    advance: ({ days = 0, hours = 0 }) => (now += (days * 24 + hours) * 3_600_000),
  };
}

/** A whole host within the test: real database, real child processes, the Garmin simulator as source. */
export interface TestHost {
  readonly host: Host;
  readonly simulator: GarminSimulator;
  readonly connection: ConnectionConfig;
  readonly databaseUrl: string;
  /** Lines of the log. */
  readonly lines: readonly string[];
  run(request?: Partial<RunRequest>, changed?: Partial<ConnectionConfig>): Promise<RunSummary>;
  query<Row>(sql: string): Promise<Row[]>;
  close(): Promise<void>;
}

/** What a test may choose. */
export interface TestHostOptions {
  readonly clock?: Clock;
  readonly simulator?: GarminSimulatorOptions;
  readonly metrics?: readonly string[];
  readonly connection?: Partial<ConnectionConfig>;
  readonly databaseUrl?: string;
  /** More for the plugin's configuration. */
  readonly config?: Readonly<Record<string, unknown>>;
  /** What is configured of the account; default the simulator's address and password. */
  readonly account?: { readonly email?: string; readonly password?: string };
  readonly http?: Partial<HttpConfig>;
  readonly ingest?: Partial<IngestConfig>;
  readonly ingestLimits?: Partial<IngestLimits>;
  /** For a host that takes the database for its own, on a disk that it watches. */
  readonly minFreeMb?: number;
  /** Who is told of changes. */
  readonly notify?: NotifyConfig;
  /** Runs at a time. */
  readonly runsAtOnce?: number;
  readonly role?: Role;
  /** Connections beside the one, with the same plugin and configuration. */
  readonly otherNames?: readonly string[];
  /** Connectors run in processes of this host alone; else in those of all hosts of the test file. */
  readonly ownProcesses?: boolean;
  /** For hosts that share a database; else a key of its own. */
  readonly sessionKey?: SessionKeyPlace;
}

const account = { email: 'runner@example.com', password: 'simulated' };

/** Builds one; close it at the end. */
export async function createTestHost(options: TestHostOptions = {}): Promise<TestHost> {
  const clock = options.clock ?? { now: () => Date.now() };
  const simulator = await startGarminSimulator({ now: () => clock.now(), ...account, ...options.simulator });
  const database = options.databaseUrl === undefined ? await createMigratedDatabase() : undefined;
  const databaseUrl = options.databaseUrl ?? database?.url ?? '';
  const folder = temporaryFolder();
  const { origin } = simulator;
  const connection: ConnectionConfig = {
    name: 'garmin',
    plugin: '@on-the-way/plugin-garmin',
    config: {
      ...(options.account ?? account),
      apiOrigin: origin,
      ssoOrigin: origin,
      authOrigin: origin,
      minRequestIntervalMs: 0,
      ...(options.metrics && { metrics: options.metrics }),
      ...options.config,
    },
    intervalSeconds: 3600,
    windowDays: 3,
    backfillDays: 10,
    timeZone: 'Asia/Shanghai',
    sink: 'postgres',
    tokenDir: folder.path,
    policies: { ...defaultPolicySettings, firstRetryDelayMs: 1 },
    ...options.connection,
  };
  const config: HostConfig = {
    demo: false,
    role: options.role ?? 'all',
    origin: 'a test',
    baseDir: import.meta.dirname,
    dataDir: folder.path,
    ...(options.minFreeMb === undefined && { databaseUrl }),
    ...(options.sessionKey && { sessionKey: options.sessionKey }),
    ...(options.notify && { notify: options.notify }),
    timeZone: 'Asia/Shanghai',
    host: '127.0.0.1',
    port: 0,
    http: { ...defaultHttp, ...options.http },
    ingest: { ...defaultIngest, ...options.ingest },
    minFreeMb: options.minFreeMb ?? defaultMinFreeMb,
    requestFutureToleranceMinutes: 5,
    connections: [connection, ...(options.otherNames ?? []).map((name) => ({ ...connection, name }))],
    ...(options.runsAtOnce !== undefined && { runsAtOnce: options.runsAtOnce }),
    sinks: { postgres: { plugin: '@on-the-way/sink-postgres', config: {} } },
    warnings: [],
  };
  const lines: string[] = [];
  const redactor = createRedactor();
  redactor.add([account.password]);
  const log = createLog({ redactor, level: 'debug', pretty: false, write: (line) => lines.push(line) });
  if (!database) await migrate(databaseUrl, config.timeZone);
  const host = buildHost({
    config,
    databaseUrl,
    clock,
    log,
    redactor,
    ...(options.ingestLimits && { ingestLimits: options.ingestLimits }),
    ...(options.ownProcesses !== true && { connectorPool: sharedProcesses() }),
  });
  await host.connections.ensure(['garmin']);
  return {
    host,
    simulator,
    connection,
    databaseUrl,
    lines,
    run: (request = {}, changed = {}) =>
      host.service.execute(
        { ...connection, ...changed },
        { trigger: 'person', signal: new AbortController().signal, ...request },
      ),
    async query<Row>(sql: string) {
      return (await host.database.raw<{ rows: Row[] }>(sql)).rows;
    },
    async close() {
      await host.close();
      await simulator.close();
      await database?.drop();
      folder.remove();
    },
  };
}
