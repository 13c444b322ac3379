import type { Window } from '@on-the-way/sdk';
import type { Knex } from 'knex';
import { fromKnex, PgBoss } from 'pg-boss';
import { z } from 'zod';
import type { Database } from '../storage/database.ts';
import { bossOptions, queueNames, queueSchema, type QueueName } from './install.ts';

/** Who goes first where hosts have less room than there is to do; the higher, the sooner. */
const priorities = { asked: 30, live: 20, retry: 10, backfill: 0 } as const;

/** A run that a person asked for where no run can begin. */
export interface AskedRun {
  readonly runId: string;
  readonly only?: Window;
  readonly onlyDatasets?: readonly string[];
}

/** What is to be done. */
export interface NewJob {
  readonly connection: string;
  readonly reason: keyof typeof priorities;
  readonly asked?: AskedRun;
}

/** Something that this host has taken on. */
export interface Job extends NewJob {
  readonly queue: QueueName;
  readonly id: string;
  /** How often it was given back, or its host died. Whoever has an older one can no longer change it. */
  readonly retryCount: number;
}

/** Work for all hosts of a database. */
export interface JobQueue {
  /** Adds those of which there is none yet, waiting or under way, for their connection. Resolves with how many. */
  add(queue: QueueName, jobs: readonly NewJob[], transaction?: Knex.Transaction): Promise<number>;
  /** Takes up to `limit`, the most urgent first, and none of the connections of `except`. */
  take(queue: QueueName, request: TakeRequest): Promise<readonly Job[]>;
  /** Says that they are worked on; to be called each few seconds. */
  touch(jobs: readonly Job[]): Promise<void>;
  /** It is done, or need not be. */
  done(job: Job): Promise<void>;
  /** Another try, so many seconds from now, by whichever host. */
  giveBack(job: Job, afterSeconds: number): Promise<void>;
  /** Lets others have the jobs of a host that died. */
  handOver(jobIds: readonly string[]): Promise<void>;
  /** How many are waiting and under way, by queue. */
  counts(): Promise<readonly JobCount[]>;
  close(): Promise<void>;
}

/** How a job is taken. */
interface TakeRequest {
  readonly limit: number;
  readonly except: readonly string[];
}

/** Jobs in one state. */
export interface JobCount {
  readonly queue: QueueName;
  /** `waiting`: may be taken now. `later`: given back a moment ago. `active`: a host has it. */
  readonly state: 'waiting' | 'later' | 'active';
  readonly count: number;
}

/** What the queue is made of. */
export interface JobQueueParts {
  readonly database: Database;
  /** Whether this host looks after the queue: finds jobs whose host died before it had the connection. */
  readonly supervises: boolean;
  readonly warn: (message: string, error: unknown) => void;
}

const jobData = z.object({
  connection: z.string(),
  reason: z.enum(['asked', 'live', 'retry', 'backfill']),
  asked: z
    .object({
      runId: z.string(),
      only: z.object({ from: z.string(), to: z.string() }).optional(),
      onlyDatasets: z.array(z.string()).optional(),
    })
    .optional(),
});

// Of a job that is no longer this host's nothing is affected.
const commandAnswer = z.object({ affected: z.number() });

const superviseSeconds = 5;

const countSql = `
  select name as queue, case when state = 'active' then 'active' when start_after > now() then 'later' else 'waiting' end as state,
    count(*)::int as count
  from ${queueSchema}.job where name = any(?) and state <= 'active' group by 1, 2`;

/** Optional members that are not there are left out, as their types want it. */
function jobOf(
  queue: QueueName,
  { id, retryCount, data }: { id: string; retryCount: number; data: unknown },
): Job {
  const { connection, reason, asked } = jobData.parse(data);
  const { runId, only, onlyDatasets } = asked ?? {};
  return {
    queue,
    id,
    retryCount,
    connection,
    reason,
    ...(runId !== undefined && {
      asked: { runId, ...(only && { only }), ...(onlyDatasets && { onlyDatasets }) },
    }),
  };
}

/** A person's wish is a job beside the one that is due; which of the two goes first, the claim decides. */
const keyOf = ({ connection, asked }: NewJob): string => (asked ? `${connection} asked` : connection);

function createBoss({ database, supervises, warn }: JobQueueParts): PgBoss {
  const boss = new PgBoss({
    ...bossOptions(database),
    migrate: false,
    supervise: supervises,
    superviseIntervalSeconds: superviseSeconds,
    monitorIntervalSeconds: superviseSeconds,
  });
  boss.on('error', (error) => warn('the queue could not look after itself', error));
  return boss;
}

const attemptOf = ({ id, retryCount }: Job) => ({ id, retryCount });

class BossQueue implements JobQueue {
  readonly #parts: JobQueueParts;
  #starting: Promise<PgBoss> | undefined;

  constructor(parts: JobQueueParts) {
    this.#parts = parts;
  }

  async add(queue: QueueName, jobs: readonly NewJob[], transaction?: Knex.Transaction): Promise<number> {
    if (jobs.length === 0) return 0;
    const boss = await this.#started();
    const added = await boss.insert(
      queue,
      jobs.map((job) => ({
        data: job,
        singletonKey: keyOf(job),
        priority: priorities[job.reason],
        group: { id: job.connection },
      })),
      { returnId: true, ...(transaction && { db: fromKnex(transaction) }) },
    );
    return added?.length ?? 0;
  }

  async take(queue: QueueName, { limit, except }: TakeRequest): Promise<readonly Job[]> {
    const boss = await this.#started();
    const ignoreGroups = except.length > 0 ? [...except] : null;
    const found = await boss.fetch<unknown>(queue, { batchSize: limit, ignoreGroups });
    return found.map((job) => jobOf(queue, job));
  }

  async touch(jobs: readonly Job[]): Promise<void> {
    const boss = await this.#started();
    for (const queue of queueNames) {
      const mine = jobs.filter((job) => job.queue === queue).map(attemptOf);
      if (mine.length > 0) await boss.touch(queue, mine);
    }
  }

  async done(job: Job): Promise<void> {
    await (await this.#started()).deleteJob(job.queue, attemptOf(job));
  }

  async giveBack(job: Job, afterSeconds: number): Promise<void> {
    const boss = await this.#started();
    const { affected } = commandAnswer.parse(await boss.fail(job.queue, attemptOf(job)));
    // Whoever fetches it in between gives it back as well.
    if (affected > 0 && afterSeconds > 0)
      await boss.update(job.queue, undefined, { id: job.id, startAfter: afterSeconds });
  }

  async handOver(jobIds: readonly string[]): Promise<void> {
    if (jobIds.length === 0) return;
    const boss = await this.#started();
    for (const queue of queueNames) await boss.fail(queue, [...jobIds]);
  }

  async counts(): Promise<readonly JobCount[]> {
    const { database } = this.#parts;
    return (await database.raw<{ rows: JobCount[] }>(countSql, [[...queueNames]])).rows;
  }

  async close(): Promise<void> {
    const boss = await this.#starting?.catch(() => undefined);
    await boss?.stop({ graceful: false, close: false });
  }

  async #started(): Promise<PgBoss> {
    this.#starting ??= createBoss(this.#parts).start();
    try {
      return await this.#starting;
    } catch (error) {
      this.#starting = undefined;
      throw error;
    }
  }
}

/** Makes the queue over pg-boss; nothing is connected before it is first used. */
export function createJobQueue(parts: JobQueueParts): JobQueue {
  return new BossQueue(parts);
}
