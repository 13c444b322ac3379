import type { JsonValue } from '../json.ts';

/** What a real host is asked to do: run a connection once. */
export interface HostRunRequest {
  /** Connections with the same name follow each other; another name is another connection. */
  readonly connection: string;
  /** URL of the connector's module. */
  readonly module: string;
  /** The connector's, not yet parsed. */
  readonly config: Readonly<Record<string, JsonValue>>;
  /** What an earlier run saved, by field. */
  readonly tokens?: Readonly<Record<string, JsonValue>>;
  /** URL and configuration of the sink's module; the host's own database without it. */
  readonly sink?: {
    /** URL of the module. */
    readonly module: string;
    /** As it is written in a configuration file. */
    readonly config: Readonly<Record<string, JsonValue>>;
  };
  /** IANA name; the zone of the connection. */
  readonly timeZone: string;
  /** Days to ask for; today where it is left out. */
  readonly window?: {
    /** The first day, `YYYY-MM-DD`. */
    readonly from: string;
    /** The day behind the last one. */
    readonly to: string;
  };
}

/** What came of it. */
export interface HostRun {
  /** As the host records it, e.g. `succeeded`, `rate_limited`. */
  readonly status: string;
  /** Of the run itself where it failed. */
  readonly error?: string;
  /** RFC 3339; until then nothing of this connection is asked. */
  readonly notBefore?: string;
  /** Prometheus text of the host after the run. */
  readonly metrics: string;
  /** Everything the host printed and stored of the run: log lines, errors, dead letters. */
  readonly said: string;
}

/** A real host, for checks of what a plugin does within one. */
export interface SuiteHost {
  /** Resolves when the run has ended, well or badly. */
  run(request: HostRunRequest): Promise<HostRun>;
  /** Ends it with everything it stored. */
  close(): Promise<void>;
}
