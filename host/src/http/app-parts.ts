import type { Clock } from '@on-the-way/core';
import type { SinkWriter } from '@on-the-way/sdk';
import type { HostConfig } from '../config/host-config.ts';
import type { FreeSpace } from '../ingest/free-space.ts';
import type { ContractSet, IngestWriter } from '../ingest/ports.ts';
import type { HostLog } from '../log.ts';
import type { Metrics } from '../metrics.ts';
import type { OpenBreakers } from '../open-breakers.ts';
import type { RunService } from '../run-service.ts';
import type { Scheduler } from '../scheduler.ts';
import type { ApiKeyStore } from '../storage/api-keys.ts';
import type { BackfillStore } from '../storage/backfills.ts';
import type { ClaimStore } from '../storage/claims.ts';
import type { ConnectionStore } from '../storage/connections.ts';
import type { Database } from '../storage/database.ts';
import type { DeadLetterStore } from '../storage/dead-letters.ts';
import type { HostRegistry } from '../storage/hosts.ts';
import type { LedgerStore } from '../storage/ledger.ts';
import type { RawEventStore } from '../storage/raw-events.ts';
import type { RunStore } from '../storage/runs.ts';
import type { EventFeed } from './event-feed.ts';

/** What the API reads from. */
export interface AppParts {
  readonly config: HostConfig;
  readonly clock: Clock;
  readonly log: HostLog;
  readonly database: Database;
  readonly runs: RunStore;
  readonly connections: ConnectionStore;
  readonly apiKeys: ApiKeyStore;
  readonly letters: DeadLetterStore;
  readonly backfills: BackfillStore;
  readonly claims: ClaimStore;
  /** Opens a sink of the configuration by its name. */
  readonly sink: (name: string) => Promise<SinkWriter>;
  readonly contracts: ContractSet;
  readonly ingestWriter: IngestWriter;
  readonly freeSpace: FreeSpace;
  readonly scheduler: Scheduler;
  readonly hosts: HostRegistry;
  readonly ledger: LedgerStore;
  readonly rawEvents: RawEventStore;
  readonly service: RunService;
  readonly feed: EventFeed;
  readonly metrics: Metrics;
  readonly breakers: OpenBreakers;
  /** Takes secrets out of a text. */
  readonly redact: (text: string) => string;
}

/** A point in time as the API prints it: the configured zone's offset, never a bare Z. */
export type Stamp = (at: Date | number | null | undefined) => string | null;
