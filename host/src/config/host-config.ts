import type { PolicySettings } from '@on-the-way/core';
import type { RunLimits } from '../isolate/limits.ts';
import type { Role } from '../roles.ts';
import type { SessionKeyPlace } from '../storage/session-key.ts';

/** A connection as the host runs it; everything decided. */
export interface ConnectionConfig {
  readonly name: string;
  /** Package name, or path of a module. */
  readonly plugin: string;
  /** For the plugin's own schema. */
  readonly config: Readonly<Record<string, unknown>>;
  readonly intervalSeconds: number;
  readonly windowDays: number;
  readonly backfillDays: number;
  readonly timeZone: string;
  /** Name of one of the sinks. */
  readonly sink: string;
  /** Where token files lie; absolute. */
  readonly tokenDir: string;
  /** Written as connector_version instead of the plugin's own. */
  readonly connectorVersion?: string;
  readonly policies: PolicySettings;
  /** What a run may cost; what is missing has its default. */
  readonly limits?: Partial<RunLimits>;
  /** Each run gets a process that no other run has used. */
  readonly freshProcess?: boolean;
  /** Requests to the source in one run; no limit where it is missing. */
  readonly requestsPerRun?: number;
  /** Requests to the source in 24 hours, all runs together; no limit where it is missing. */
  readonly requestsPerDay?: number;
}

/** A sink as the host opens it. */
export interface SinkConfig {
  readonly plugin: string;
  readonly config: Readonly<Record<string, unknown>>;
}

/** Who may ask the HTTP API what. */
export interface HttpConfig {
  /** Every request but health/live must carry a key. Always so where the host listens beyond this machine. */
  readonly requireKey: boolean;
  /** A key with all scopes that stands in no table, for containers. */
  readonly apiKey?: string;
  /** Names that the Host header may have beside those of this machine, lower case, without port. */
  readonly allowedHosts: readonly string[];
  /** Origins of pages that may read, exactly as browsers send them. */
  readonly corsOrigins: readonly string[];
  /** Addresses of the proxies whose X-Forwarded-For is believed. */
  readonly trustedProxies: readonly string[];
  /** Ingest requests a minute of one key, or of one address without a key. */
  readonly ingestPerMinute: number;
}

/** What others may post. */
export interface IngestConfig {
  /** Plugins whose contracts are served; package names or paths. */
  readonly plugins: readonly string[];
  /** Zones that payloads may be in. */
  readonly timeZones: readonly string[];
}

/** What a configuration says that says nothing of HTTP. */
export const defaultHttp: HttpConfig = {
  requireKey: false,
  allowedHosts: [],
  corsOrigins: [],
  trustedProxies: [],
  ingestPerMinute: 120_000,
};

/** The predecessor's three contracts, in its zone. */
export const defaultIngest: IngestConfig = {
  plugins: ['@on-the-way/plugin-garmin', '@on-the-way/plugin-signal'],
  timeZones: ['Asia/Shanghai'],
};

/** Who is told of changes. */
export interface NotifyConfig {
  /** Where notifications are posted; its path may be a secret. */
  readonly url: string;
  /** What they are signed with; absent: they are not. */
  readonly secret?: string;
}

/** Runs under way at a time on a host that says nothing of it. */
export const defaultRunsAtOnce = 4;

/** Free space under which nothing is taken in, in MB. */
export const defaultMinFreeMb = 200;

/** {@link HostConfig.keepRunsDays} where nothing says otherwise. */
export const defaultKeepRunsDays = 90;

/** The whole configuration, after command line, environment, file and defaults. */
export interface HostConfig {
  /** The demo reads from the simulator into a data directory of its own. */
  readonly demo: boolean;
  readonly role: Role;
  /** Where this configuration came from, for messages: a file's path or "environment". */
  readonly origin: string;
  /** Folder that plugin paths and names are resolved from. */
  readonly baseDir: string;
  /** The plugins folder, absolute. Absent: `plugins` in baseDir. */
  readonly pluginsDir?: string;
  /** Absolute. */
  readonly dataDir: string;
  /** Absent: session.key in dataDir, made when it is first needed. */
  readonly sessionKey?: SessionKeyPlace;
  /** Absent: the embedded Postgres in dataDir. */
  readonly databaseUrl?: string;
  /** Zone of the database session and of every timestamp the API prints. */
  readonly timeZone: string;
  readonly host: string;
  readonly port: number;
  readonly http: HttpConfig;
  readonly ingest: IngestConfig;
  /** Absent: nobody is told. */
  readonly notify?: NotifyConfig;
  /** Most processes of connectors at once; default: two more than runs at once. */
  readonly connectorProcesses?: number;
  /** With less space free in the data directory nothing is taken in, in MB. Of no matter with DATABASE_URL. */
  readonly minFreeMb: number;
  /** Days that ended runs are kept in app.run; default {@link defaultKeepRunsDays}. */
  readonly keepRunsDays?: number;
  readonly requestFutureToleranceMinutes: number;
  /** Runs that this host has under way at a time; default {@link defaultRunsAtOnce}. */
  readonly runsAtOnce?: number;
  readonly connections: readonly ConnectionConfig[];
  readonly sinks: Readonly<Record<string, SinkConfig>>;
  /** Said once at start: things that were skipped. */
  readonly warnings: readonly string[];
}
