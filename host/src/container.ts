import 'reflect-metadata';
import { hostname } from 'node:os';
import { createBus, failureOf, type Bus, type Clock, type Reach } from '@on-the-way/core';
import { ConnectorError } from '@on-the-way/sdk';
import { container, instanceCachingFactory, type DependencyContainer } from 'tsyringe';
import { atMost } from './at-most.ts';
import { hostVersion } from './host-version.ts';
import { defaultKeepRunsDays, defaultRunsAtOnce, type HostConfig } from './config/host-config.ts';
import { createApp, type App } from './http/app.ts';
import { createEventFeed, type EventFeed } from './http/event-feed.ts';
import { createContractSet } from './ingest/contracts.ts';
import { createFreeSpace, type FreeSpace } from './ingest/free-space.ts';
import { createIngestWriter, type IngestLimits } from './ingest/group-writer.ts';
import type { ContractSet, IngestWriter } from './ingest/ports.ts';
import type { HostLog } from './log.ts';
import { logEvents } from './log-events.ts';
import { createConnectorPool, type ConnectorPool } from './isolate/connector-pool.ts';
import type { Redactor } from './redact.ts';
import { createMetrics, type Metrics } from './metrics.ts';
import { createNotifier, type Notifier } from './notify/deliver.ts';
import type { Teller } from './notify/note-state.ts';
import { createNotificationStore, type NotificationStore } from './notify/store.ts';
import { createPluginNames, type PluginNames } from './plugin-names.ts';
import { createOpenBreakers, type OpenBreakers } from './open-breakers.ts';
import { createJobQueue, type JobQueue } from './queue/job-queue.ts';
import { readsSources as isReader } from './roles.ts';
import { refusedBasisOf } from './refused-basis.ts';
import { createRunService, type RunService } from './run-service.ts';
import { createSignInService, type SignInService } from './sign-in.ts';
import { createScheduler, type Scheduler } from './scheduler.ts';
import { createSinks, type Sinks } from './sinks.ts';
import { createApiKeyStore, type ApiKeyStore } from './storage/api-keys.ts';
import { createBackfillStore, type BackfillStore } from './storage/backfills.ts';
import { createClaimStore, type ClaimStore } from './storage/claims.ts';
import { createConnectionStore, type ConnectionStore } from './storage/connections.ts';
import { openDatabase, poolOf, type Database } from './storage/database.ts';
import { createDueRuns, type DueRuns } from './storage/due-runs.ts';
import { createDeadLetterStore, type DeadLetterStore } from './storage/dead-letters.ts';
import { fencedWrites } from './storage/fence.ts';
import { createHostRegistry, type HostRegistry } from './storage/hosts.ts';
import { createCursorStore, type CursorStore } from './storage/cursors.ts';
import { createLedgerStore, type LedgerStore } from './storage/ledger.ts';
import { createRawEventStore, type RawEventStore } from './storage/raw-events.ts';
import { createRunPruner } from './storage/prune-runs.ts';
import { createRunEndStore, type RunEndStore } from './storage/run-end.ts';
import { createRunStore, type RunStore } from './storage/runs.ts';
import { sessionKeyIn } from './storage/session-key.ts';
import { createSessionStore, type SessionStore } from './storage/session-store.ts';
import type { OpenParts } from './open-connection.ts';
import { createSignInPauses } from './storage/sign-in-pauses.ts';

/** What the graph is built on; tests bring other ones. */
export interface Leaves {
  readonly config: HostConfig;
  readonly databaseUrl: string;
  readonly clock: Clock;
  readonly log: HostLog;
  readonly redactor: Redactor;
  /** What this process is, for the list of hosts; the role where it is missing. */
  readonly processKind?: string;
  /** Told of crash points. */
  readonly reach?: Reach;
  /** Other limits than those of the ingest API's own. */
  readonly ingestLimits?: Partial<IngestLimits>;
  /** Where processes for connectors come from; missing: a pool of its own. */
  readonly connectorPool?: ConnectorPool;
}

/** The parts of a running host. Built when first read, each once. */
export interface Host {
  readonly database: Database;
  readonly bus: Bus;
  readonly ledger: LedgerStore;
  readonly runs: RunStore;
  readonly runEnds: RunEndStore;
  readonly notifications: NotificationStore;
  readonly notifier: Notifier;
  readonly connections: ConnectionStore;
  readonly hosts: HostRegistry;
  readonly claims: ClaimStore;
  readonly apiKeys: ApiKeyStore;
  readonly letters: DeadLetterStore;
  readonly backfills: BackfillStore;
  readonly sessions: SessionStore;
  readonly sinks: Sinks;
  readonly connectorPool: ConnectorPool;
  readonly freeSpace: FreeSpace;
  readonly ingestWriter: IngestWriter;
  readonly contracts: ContractSet;
  readonly service: RunService;
  readonly signIns: SignInService;
  readonly queue: JobQueue;
  readonly dueRuns: DueRuns;
  readonly scheduler: Scheduler;
  readonly feed: EventFeed;
  readonly app: App;
  readonly metrics: Metrics;
  /** Closes sinks and the pool, within some 4 s; the scheduler must have stopped. */
  close(): Promise<void>;
}

/** A name with the type of what stands behind it. */
interface Token<T> {
  readonly key: symbol;
  readonly type?: T;
}

function token<T>(name: string): Token<T> {
  return { key: Symbol(name) };
}

const tokens = {
  database: token<Database>('database'),
  bus: token<Bus>('bus'),
  ledger: token<LedgerStore>('ledger'),
  cursors: token<CursorStore>('cursors'),
  runs: token<RunStore>('runs'),
  runEnds: token<RunEndStore>('runEnds'),
  notifications: token<NotificationStore>('notifications'),
  notifier: token<Notifier>('notifier'),
  connections: token<ConnectionStore>('connections'),
  hosts: token<HostRegistry>('hosts'),
  claims: token<ClaimStore>('claims'),
  apiKeys: token<ApiKeyStore>('apiKeys'),
  letters: token<DeadLetterStore>('letters'),
  backfills: token<BackfillStore>('backfills'),
  sessions: token<SessionStore>('sessions'),
  sinks: token<Sinks>('sinks'),
  connectorPool: token<ConnectorPool>('connectorPool'),
  pluginNames: token<PluginNames>('pluginNames'),
  freeSpace: token<FreeSpace>('freeSpace'),
  ingestWriter: token<IngestWriter>('ingestWriter'),
  contracts: token<ContractSet>('contracts'),
  service: token<RunService>('service'),
  signIns: token<SignInService>('signIns'),
  queue: token<JobQueue>('queue'),
  dueRuns: token<DueRuns>('dueRuns'),
  scheduler: token<Scheduler>('scheduler'),
  rawEvents: token<RawEventStore>('rawEvents'),
  feed: token<EventFeed>('feed'),
  metrics: token<Metrics>('metrics'),
  breakers: token<OpenBreakers>('breakers'),
  app: token<App>('app'),
};

/** Where parts are registered, and had from. */
interface Registry {
  readonly get: <T>(wanted: Token<T>) => T;
  readonly provide: <T>(name: Token<T>, make: () => T) => void;
}

function registryOf(parts: DependencyContainer): Registry {
  return {
    get: <T>(wanted: Token<T>) => parts.resolve<T>(wanted.key),
    provide: <T>(name: Token<T>, make: () => T): void => {
      parts.register(name.key, { useFactory: instanceCachingFactory(make) });
    },
  };
}

/** What stores and tells. */
function registerStores(leaves: Leaves, { get, provide }: Registry): void {
  const { config, databaseUrl, clock, log, redactor, reach } = leaves;
  const { processKind = config.role, ingestLimits = {}, connectorPool } = leaves;
  const clean = redactor.redact;
  provide(tokens.database, () => openDatabase(databaseUrl, config.timeZone));
  provide(tokens.bus, () => {
    const bus = createBus();
    logEvents(bus, log);
    return bus;
  });
  provide(tokens.ledger, () => createLedgerStore(get(tokens.database), clean));
  provide(tokens.cursors, () => createCursorStore(get(tokens.database)));
  provide(tokens.runs, () => createRunStore(get(tokens.database), clean));
  provide(tokens.runEnds, () =>
    createRunEndStore({
      database: get(tokens.database),
      clean,
      random: Math.random,
      teller: tellerOf(config),
    }),
  );
  provide(tokens.connections, () => createConnectionStore(get(tokens.database), clean));
  provide(tokens.hosts, () =>
    createHostRegistry({
      database: get(tokens.database),
      databaseUrl,
      timeZone: config.timeZone,
      role: processKind,
      version: hostVersion(),
      // A command that loses its database ends with a sentence of its own.
      warn: warnInto(log, processKind === config.role ? 'warn' : 'debug'),
    }),
  );
  provide(tokens.claims, () => createClaimStore(get(tokens.database), get(tokens.hosts)));
  provide(tokens.apiKeys, () => createApiKeyStore(get(tokens.database)));
  provide(tokens.letters, () => createDeadLetterStore(get(tokens.database), clean));
  provide(tokens.backfills, () => createBackfillStore(get(tokens.database), clock));
  provide(tokens.sessions, () =>
    createSessionStore(get(tokens.database), config.sessionKey ?? sessionKeyIn(config.dataDir), reach),
  );
  const most = config.connectorProcesses ?? (config.runsAtOnce ?? defaultRunsAtOnce) + 2;
  provide(tokens.connectorPool, () => connectorPool ?? createConnectorPool({ most }));
  provide(tokens.sinks, () => createSinks(config, databaseUrl, log));
  const { databaseUrl: external, dataDir, minFreeMb } = config;
  provide(tokens.freeSpace, () =>
    createFreeSpace({ folder: external === undefined ? dataDir : undefined, minFreeMb }),
  );
  provide(tokens.contracts, () =>
    createContractSet(config.ingest.plugins, config.baseDir, config.pluginsDir),
  );
  provide(tokens.ingestWriter, () =>
    createIngestWriter({
      sink: () => get(tokens.sinks).own(),
      freeSpace: get(tokens.freeSpace),
      log,
      limits: ingestLimits,
      onGroup: (events) => get(tokens.metrics).ingest.group(events),
    }),
  );
}

function warnInto(log: HostLog, level: 'warn' | 'debug') {
  return (message: string, error?: unknown): void =>
    log[level](error === undefined ? {} : { error: failureOf(error).message }, message);
}

/** Who says in a notification that it was so. */
function tellerOf({ notify, demo }: HostConfig): Teller {
  return { isWanted: notify !== undefined, host: hostname(), simulated: demo };
}

/** What tells people. */
function registerNotifier({ config, clock, log }: Leaves, { get, provide }: Registry): void {
  provide(tokens.notifications, () => createNotificationStore(get(tokens.database)));
  provide(tokens.notifier, () =>
    createNotifier({
      store: get(tokens.notifications),
      receiver: config.notify,
      clock,
      log,
      onOutcome: (outcome) => get(tokens.metrics).notification(outcome),
    }),
  );
}

/** Where plugins are looked for. */
function placesOf({ baseDir, pluginsDir }: HostConfig): Pick<HostConfig, 'baseDir' | 'pluginsDir'> {
  return { baseDir, ...(pluginsDir !== undefined && { pluginsDir }) };
}

/** What connects to sources. */
function registerServices(leaves: Leaves, { get, provide }: Registry): void {
  const { config, databaseUrl, clock, log, redactor } = leaves;
  const openParts = (): OpenParts => ({
    databaseUrl,
    databaseTimeZone: config.timeZone,
    ...placesOf(config),
    dataDir: config.dataDir,
    names: get(tokens.pluginNames),
    sessions: get(tokens.sessions),
    signInPauses: createSignInPauses(get(tokens.database)),
    pool: get(tokens.connectorPool),
    clock,
    log,
    redactor,
  });
  provide(tokens.pluginNames, () =>
    createPluginNames({
      ...placesOf(config),
      connectors: config.connections.map(({ plugin }) => plugin),
      dataDir: config.dataDir,
      pool: get(tokens.connectorPool),
      warn: warnInto(log, 'warn'),
    }),
  );
  provide(tokens.service, () =>
    createRunService({
      ...openParts(),
      sink: async (name) => {
        const problem = get(tokens.freeSpace).problem();
        if (problem !== undefined) throw new ConnectorError('transient', problem);
        return get(tokens.sinks).open(name);
      },
      claims: get(tokens.claims),
      ledger: get(tokens.ledger),
      cursors: get(tokens.cursors),
      runs: get(tokens.runs),
      runEnds: get(tokens.runEnds),
      connections: get(tokens.connections),
      letters: get(tokens.letters),
      backfills: get(tokens.backfills),
      bus: get(tokens.bus),
      reach: leaves.reach,
    }),
  );
  provide(tokens.signIns, () =>
    createSignInService({
      ...openParts(),
      claims: get(tokens.claims),
      connections: get(tokens.connections),
    }),
  );
  registerScheduler(leaves, { get, provide });
}

/** What begins runs. */
function registerScheduler({ config, clock, log, reach }: Leaves, { get, provide }: Registry): void {
  const readsSources = isReader(config.role);
  provide(tokens.queue, () =>
    createJobQueue({
      database: get(tokens.database),
      supervises: readsSources,
      warn: (message, error) => log.warn({ error: failureOf(error).message }, message),
    }),
  );
  provide(tokens.dueRuns, () => createDueRuns(get(tokens.database)));
  provide(tokens.scheduler, () =>
    createScheduler({
      readsSources,
      connections: config.connections,
      runsAtOnce: config.runsAtOnce ?? defaultRunsAtOnce,
      service: get(tokens.service),
      runs: get(tokens.runs),
      states: get(tokens.connections),
      backfills: get(tokens.backfills),
      hosts: get(tokens.hosts),
      dueRuns: get(tokens.dueRuns),
      queue: get(tokens.queue),
      pruner: createRunPruner(get(tokens.database), { keepDays: config.keepRunsDays ?? defaultKeepRunsDays }),
      refusedBasis: (connection) =>
        refusedBasisOf({ ...placesOf(config), sessions: get(tokens.sessions) }, connection),
      clock,
      log,
      reach,
    }),
  );
}

/** What serves. */
function registerApp({ config, clock, log, redactor }: Leaves, { get, provide }: Registry): void {
  provide(tokens.app, () =>
    createApp({
      config,
      clock,
      log,
      database: get(tokens.database),
      runs: get(tokens.runs),
      connections: get(tokens.connections),
      apiKeys: get(tokens.apiKeys),
      letters: get(tokens.letters),
      backfills: get(tokens.backfills),
      claims: get(tokens.claims),
      sink: (name) => get(tokens.sinks).open(name),
      contracts: get(tokens.contracts),
      ingestWriter: get(tokens.ingestWriter),
      freeSpace: get(tokens.freeSpace),
      scheduler: get(tokens.scheduler),
      hosts: get(tokens.hosts),
      ledger: get(tokens.ledger),
      rawEvents: get(tokens.rawEvents),
      service: get(tokens.service),
      feed: get(tokens.feed),
      metrics: get(tokens.metrics),
      breakers: get(tokens.breakers),
      redact: redactor.redact,
    }),
  );
}

/** What tells of the host's own work. */
function registerWatchers(
  { config, clock, redactor: { redact: clean } }: Leaves,
  { get, provide }: Registry,
): void {
  const { timeZone } = config;
  const names = config.connections.map(({ name }) => name);
  provide(tokens.rawEvents, () => createRawEventStore(get(tokens.database)));
  provide(tokens.feed, () =>
    createEventFeed({ bus: get(tokens.bus), startedAt: clock.now(), timeZone, clean }),
  );
  provide(tokens.breakers, () => createOpenBreakers(get(tokens.bus)));
  provide(tokens.metrics, () =>
    createMetrics(get(tokens.bus), {
      streams: () => get(tokens.feed).size(),
      pool: () => poolOf(get(tokens.database)),
      processes: () => get(tokens.connectorPool).counts(),
      lastSuccesses: () => get(tokens.runs).lastSuccesses(names),
      queue: {
        jobs: () => get(tokens.queue).counts(),
        takeovers: () => get(tokens.hosts).takeovers(),
        fencedWrites,
      },
    }),
  );
}

/** Parts by the names of their tokens, each built when it is first read. */
type Lazy<Tokens> = {
  readonly [Name in keyof Tokens]: Tokens[Name] extends Token<infer Part> ? Part : never;
};

function lazyParts(get: Registry['get']): Lazy<typeof tokens> {
  const parts = {};
  for (const [name, one] of Object.entries<Token<unknown>>(tokens)) {
    Object.defineProperty(parts, name, { enumerable: true, get: () => get(one) });
  }
  // The one cast: what the loop has defined is just that.
  return parts as Lazy<typeof tokens>;
}

const closeMs = 1_000;

/** The one place where the graph is put together. */
export function buildHost(leaves: Leaves): Host {
  const registry = registryOf(container.createChildContainer());
  registerStores(leaves, registry);
  registerWatchers(leaves, registry);
  registerServices(leaves, registry);
  registerNotifier(leaves, registry);
  registerApp(leaves, registry);
  const parts = lazyParts(registry.get);
  return Object.assign(parts, {
    async close() {
      parts.notifier.stop();
      await Promise.all([parts.ingestWriter.close(), parts.connectorPool.close()]);
      // Connections that the network has swallowed would be waited for longer than a stop may take.
      await atMost(closeMs, parts.hosts.leave());
      await atMost(closeMs, Promise.all([parts.sinks.close(), parts.database.destroy()]));
    },
  });
}
