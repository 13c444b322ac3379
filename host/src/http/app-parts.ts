import type { Clock } from '@on-the-way/core';
import type { HostConfig } from '../config/host-config.ts';
import type { HostLog } from '../log.ts';
import type { Scheduler } from '../scheduler.ts';
import type { ConnectionStore } from '../storage/connections.ts';
import type { Database } from '../storage/database.ts';
import type { RunStore } from '../storage/runs.ts';

/** What the API reads from. */
export interface AppParts {
  readonly config: HostConfig;
  readonly clock: Clock;
  readonly log: HostLog;
  readonly database: Database;
  readonly runs: RunStore;
  readonly connections: ConnectionStore;
  readonly scheduler: Scheduler;
}

/** A point in time as the API prints it: the configured zone's offset, never a bare Z. */
export type Stamp = (at: Date | number | null | undefined) => string | null;
