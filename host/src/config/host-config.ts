import type { PolicySettings } from '@on-the-way/core';
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

/** The whole configuration, after command line, environment, file and defaults. */
export interface HostConfig {
  /** The demo reads from the simulator into a data directory of its own. */
  readonly demo: boolean;
  /** Where this configuration came from, for messages: a file's path or "environment". */
  readonly origin: string;
  /** Folder that plugin paths and names are resolved from. */
  readonly baseDir: string;
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
  readonly requestFutureToleranceMinutes: number;
  readonly connections: readonly ConnectionConfig[];
  readonly sinks: Readonly<Record<string, SinkConfig>>;
  /** Said once at start: things that were skipped. */
  readonly warnings: readonly string[];
}
