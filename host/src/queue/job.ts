import type { Window } from '@on-the-way/sdk';
import { z } from 'zod';
import type { QueueName } from './install.ts';

/** Who goes first where hosts have less room than there is to do; the higher, the sooner. */
export const priorities = { asked: 30, handedOver: 25, live: 20, retry: 10, backfill: 0 } as const;

/** A run that a person asked a host for. */
export interface AskedRun {
  readonly runId: string;
  readonly only?: Window;
  readonly onlyDatasets?: readonly string[];
}

/** What is to be done. */
export interface NewJob {
  readonly connection: string;
  readonly reason: Exclude<keyof typeof priorities, 'handedOver'>;
  readonly asked?: AskedRun;
}

/** Something that this host has taken on. */
export interface Job extends NewJob {
  readonly queue: QueueName;
  readonly id: string;
  /** How many hosts were declared dead while they had it. */
  readonly hostsEnded: number;
  /** How often it was given back, or its host died. Whoever has an older one can no longer change it. */
  readonly retryCount: number;
}

const jobData = z.object({
  connection: z.string(),
  reason: z.enum(['asked', 'live', 'retry', 'backfill']),
  hostsEnded: z.number().optional(),
  asked: z
    .object({
      runId: z.string(),
      only: z.object({ from: z.string(), to: z.string() }).optional(),
      onlyDatasets: z.array(z.string()).optional(),
    })
    .optional(),
});

/** A job as the queue has it. */
export interface Fetched {
  readonly id: string;
  readonly retryCount: number;
  readonly data: unknown;
}

/** Undefined: of another version. Optional members that are not there are left out, as their types want it. */
export function jobOf(queue: QueueName, { id, retryCount, data }: Fetched): Job | undefined {
  const read = jobData.safeParse(data);
  if (!read.success) return undefined;
  const { connection, reason, asked, hostsEnded = 0 } = read.data;
  const { runId, only, onlyDatasets } = asked ?? {};
  return {
    queue,
    id,
    retryCount,
    hostsEnded,
    connection,
    reason,
    ...(runId !== undefined && {
      asked: { runId, ...(only && { only }), ...(onlyDatasets && { onlyDatasets }) },
    }),
  };
}

/** A person's wish is a job beside the one that is due; which of the two goes first, the claim decides. */
export const keyOf = ({ connection, asked }: NewJob): string => (asked ? `${connection} asked` : connection);
