import 'reflect-metadata';
import { createBus, type Bus, type Clock } from '@on-the-way/core';
import { addDays, dayAt } from '@on-the-way/sdk';
import type { Express } from 'express';
import { container, instanceCachingFactory, type DependencyContainer } from 'tsyringe';
import type { HostConfig } from './config/host-config.ts';
import { createApp } from './http/app.ts';
import type { HostLog } from './log.ts';
import { logEvents } from './log-events.ts';
import type { Redactor } from './redact.ts';
import { createRunService, type RunService } from './run-service.ts';
import { createSignInService, type SignInService } from './sign-in.ts';
import { createScheduler, type Scheduler } from './scheduler.ts';
import { createSinks, type Sinks } from './sinks.ts';
import { createConnectionStore, type ConnectionStore } from './storage/connections.ts';
import { openDatabase, type Database } from './storage/database.ts';
import { createLedgerStore, type LedgerStore } from './storage/ledger.ts';
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
}

/** The parts of a running host. Built when first read, each once. */
export interface Host {
  readonly database: Database;
  readonly bus: Bus;
  readonly ledger: LedgerStore;
  readonly runs: RunStore;
  readonly connections: ConnectionStore;
  readonly sessions: SessionStore;
  readonly sinks: Sinks;
  readonly service: RunService;
  readonly signIns: SignInService;
  readonly scheduler: Scheduler;
  readonly app: Express;
  /** Closes sinks and the pool; the scheduler must have stopped. */
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
  runs: token<RunStore>('runs'),
  connections: token<ConnectionStore>('connections'),
  sessions: token<SessionStore>('sessions'),
  sinks: token<Sinks>('sinks'),
  service: token<RunService>('service'),
  signIns: token<SignInService>('signIns'),
  scheduler: token<Scheduler>('scheduler'),
  app: token<Express>('app'),
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
function registerStores({ config, databaseUrl, log, redactor }: Leaves, { get, provide }: Registry): void {
  const clean = redactor.redact;
  provide(tokens.database, () => openDatabase(databaseUrl, config.timeZone));
  provide(tokens.bus, () => {
    const bus = createBus();
    logEvents(bus, log);
    return bus;
  });
  provide(tokens.ledger, () => createLedgerStore(get(tokens.database), clean));
  provide(tokens.runs, () => createRunStore(get(tokens.database), clean));
  provide(tokens.connections, () => createConnectionStore(get(tokens.database), clean));
  provide(tokens.sessions, () =>
    createSessionStore(get(tokens.database), config.sessionKey ?? sessionKeyIn(config.dataDir)),
  );
  provide(tokens.sinks, () => createSinks(config, databaseUrl, log));
}

/** What connects to sources and serves. */
function registerServices(leaves: Leaves, { get, provide }: Registry): void {
  const { config, databaseUrl, clock, log, redactor } = leaves;
  const openParts = (): OpenParts => ({
    databaseUrl,
    databaseTimeZone: config.timeZone,
    baseDir: config.baseDir,
    dataDir: config.dataDir,
    sessions: get(tokens.sessions),
    signInPauses: createSignInPauses(get(tokens.database)),
    clock,
    log,
    redactor,
  });
  provide(tokens.service, () =>
    createRunService({
      ...openParts(),
      sink: (name) => get(tokens.sinks).open(name),
      ledger: get(tokens.ledger),
      runs: get(tokens.runs),
      connections: get(tokens.connections),
      bus: get(tokens.bus),
    }),
  );
  provide(tokens.signIns, () =>
    createSignInService({
      ...openParts(),
      connections: get(tokens.connections),
    }),
  );
  provide(tokens.scheduler, () =>
    createScheduler(
      {
        connections: config.connections,
        service: get(tokens.service),
        runs: get(tokens.runs),
        states: get(tokens.connections),
        clock,
        random: Math.random,
        log,
      },
      ({ timeZone, backfillDays }) => addDays(dayAt(clock.now(), timeZone), 1 - backfillDays),
    ),
  );
  provide(tokens.app, () =>
    createApp({
      config,
      clock,
      log,
      database: get(tokens.database),
      runs: get(tokens.runs),
      connections: get(tokens.connections),
      scheduler: get(tokens.scheduler),
    }),
  );
}

/** The one place where the graph is put together. */
export function buildHost(leaves: Leaves): Host {
  const registry = registryOf(container.createChildContainer());
  registerStores(leaves, registry);
  registerServices(leaves, registry);
  const { get } = registry;
  return {
    get database() {
      return get(tokens.database);
    },
    get bus() {
      return get(tokens.bus);
    },
    get ledger() {
      return get(tokens.ledger);
    },
    get runs() {
      return get(tokens.runs);
    },
    get connections() {
      return get(tokens.connections);
    },
    get sessions() {
      return get(tokens.sessions);
    },
    get sinks() {
      return get(tokens.sinks);
    },
    get service() {
      return get(tokens.service);
    },
    get signIns() {
      return get(tokens.signIns);
    },
    get scheduler() {
      return get(tokens.scheduler);
    },
    get app() {
      return get(tokens.app);
    },
    async close() {
      await get(tokens.sinks).close();
      await get(tokens.database).destroy();
    },
  };
}
