import type { Knex } from 'knex';
import { fromKnex, PgBoss } from 'pg-boss';
import { z } from 'zod';
import { prepared, type Database } from '../storage/database.ts';
import { bossOptions, queueNames, queueSchema, type QueueName } from './install.ts';
import { jobOf, keyOf, priorities, type Fetched, type Job, type NewJob } from './job.ts';

/** Work for all hosts of a database. */
export interface JobQueue {
  /**
   * Resolves once the queue can be used. To be awaited before a transaction for `add` begins: the first use takes
   * sessions of the pool, and callers that hold one while they wait for another would wait for each other.
   */
  ready(): Promise<void>;
  /** Adds those of which there is none yet, waiting or under way, for their connection. Resolves with how many. */
  add(queue: QueueName, jobs: readonly NewJob[], transaction?: Knex.Transaction): Promise<number>;
  /**
   * Adds a job that this host has from the beginning; its `retryCount` is 0. Resolves with false where there is one for
   * the same already.
   */
  addTaken(job: NewJob & { readonly id: string }, transaction: Knex.Transaction): Promise<boolean>;
  /** Takes up to `limit` of this host's connections, the most urgent first. What this version cannot read is left to others. */
  take(queue: QueueName, request: TakeRequest): Promise<readonly Job[]>;
  /** Says that they are worked on; to be called each few seconds. */
  touch(jobs: readonly Job[]): Promise<void>;
  /** It is done, or need not be. */
  done(job: Job, transaction?: Knex.Transaction): Promise<void>;
  /** Another try, so many seconds from now, by whichever host. */
  giveBack(job: Job, afterSeconds: number, transaction?: Knex.Transaction): Promise<void>;
  /** Lets others have the jobs of a host that died, and counts that it did. */
  handOver(jobIds: readonly string[]): Promise<void>;
  /** Those of these runs, which a person asked for, of which there is no job any more: nobody will begin them. */
  withoutJob(runIds: readonly string[]): Promise<readonly string[]>;
  /** How many are waiting and under way, by queue. */
  counts(): Promise<readonly JobCount[]>;
  close(): Promise<void>;
}

/** How a job is taken. */
interface TakeRequest {
  readonly limit: number;
  /** Whether this host has the connection in its configuration. */
  readonly isMine: (connection: string) => boolean;
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

// Of a job that is no longer this host's nothing is affected.
const commandAnswer = z.object({ affected: z.number() });

const superviseSeconds = 5;
// Meanwhile a host of the version that added it has its turn.
const unknownAgainSeconds = 10;

// What a host leaves out when it takes jobs: hosts that share a database may have different configurations.
const waitingSql = `
  select distinct group_id as connection from ${queueSchema}.job
  where name = ? and state < 'active' and not blocked and group_id is not null`;

// As pg-boss takes one.
const takenSql = `
  update ${queueSchema}.job set state = 'active', started_on = now(), heartbeat_on = now() where id = ?`;

// What was under way goes on before what has not begun, however long that has waited; a backfill stays behind.
const hostEndedSql = `
  update ${queueSchema}.job
  set data = data || jsonb_build_object('hostsEnded', coalesce((data ->> 'hostsEnded')::int, 0) + 1),
    priority = case name when 'run' then greatest(priority, ${priorities.handedOver}) else priority end
  where id = any(?::uuid[]) and state <= 'active'`;

const withoutJobSql = `
  select asked.run_id::text as "runId" from unnest(?::uuid[]) as asked (run_id) where not exists (
    select from ${queueSchema}.job where name = 'run' and state <= 'active'
      and data -> 'asked' ->> 'runId' = asked.run_id::text)`;

const countSql = `
  select name as queue, case when state = 'active' then 'active' when start_after > now() then 'later' else 'waiting' end as state,
    count(*)::int as count
  from ${queueSchema}.job where name = any(?) and state <= 'active' group by 1, 2`;

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

const insertOf = (job: NewJob) => ({
  data: job,
  singletonKey: keyOf(job),
  priority: priorities[job.reason],
  group: { id: job.connection },
});

/** For statements whose text is the same each time. */
const preparing = (on: Knex) => fromKnex({ raw: (sql, values = []) => prepared(on, sql, values) });

const attemptOf = ({ id, retryCount }: Pick<Job, 'id' | 'retryCount'>) => ({ id, retryCount });

class BossQueue implements JobQueue {
  readonly #parts: JobQueueParts;
  readonly #unknown = new Set<string>();
  #starting: Promise<PgBoss> | undefined;

  constructor(parts: JobQueueParts) {
    this.#parts = parts;
  }

  async ready(): Promise<void> {
    await this.#started();
  }

  async add(queue: QueueName, jobs: readonly NewJob[], transaction?: Knex.Transaction): Promise<number> {
    if (jobs.length === 0) return 0;
    const boss = await this.#started();
    const added = await boss.insert(queue, jobs.map(insertOf), {
      returnId: true,
      ...(transaction && { db: fromKnex(transaction) }),
    });
    return added?.length ?? 0;
  }

  async addTaken({ id, ...wish }: NewJob & { readonly id: string }, transaction: Knex.Transaction) {
    const boss = await this.#started();
    const within = { returnId: true, db: fromKnex(transaction) } as const;
    const added = await boss.insert('run', [{ ...insertOf(wish), id }], within);
    if (added?.length !== 1) return false;
    await transaction.raw(takenSql, [id]);
    return true;
  }

  async take(queue: QueueName, { limit, isMine }: TakeRequest): Promise<readonly Job[]> {
    const taken: Job[] = [];
    for (;;) {
      const found = await this.#fetch(queue, limit - taken.length, isMine);
      const jobs = found.map((each) => ({ each, job: jobOf(queue, each) }));
      let left = 0;
      for (const { each, job } of jobs) {
        if (job && isMine(job.connection)) taken.push(job);
        else {
          left += 1;
          await this.#leave(queue, each, job);
        }
      }
      // They were in the way of others that wait.
      if (left === 0 || taken.length >= limit) return taken;
    }
  }

  async touch(jobs: readonly Job[]): Promise<void> {
    const boss = await this.#started();
    for (const queue of queueNames) {
      const mine = jobs.filter((job) => job.queue === queue).map(attemptOf);
      if (mine.length > 0) await boss.touch(queue, mine);
    }
  }

  async done(job: Job, transaction?: Knex.Transaction): Promise<void> {
    const within = { db: preparing(transaction ?? this.#parts.database) };
    await (await this.#started()).deleteJob(job.queue, attemptOf(job), within);
  }

  async giveBack(job: Job, afterSeconds: number, transaction?: Knex.Transaction): Promise<void> {
    await this.#giveBack(job.queue, job, afterSeconds, transaction);
  }

  async handOver(jobIds: readonly string[]): Promise<void> {
    if (jobIds.length === 0) return;
    const boss = await this.#started();
    await this.#parts.database.transaction(async (transaction) => {
      const db = fromKnex(transaction);
      await transaction.raw(hostEndedSql, [jobIds] as unknown as string[]);
      for (const queue of queueNames) await boss.fail(queue, [...jobIds], undefined, { db });
    });
  }

  async withoutJob(runIds: readonly string[]): Promise<readonly string[]> {
    if (runIds.length === 0) return [];
    const values = [runIds] as unknown as string[];
    const { rows } = await this.#parts.database.raw<{ rows: { runId: string }[] }>(withoutJobSql, values);
    return rows.map(({ runId }) => runId);
  }

  async counts(): Promise<readonly JobCount[]> {
    const { database } = this.#parts;
    return (await database.raw<{ rows: JobCount[] }>(countSql, [[...queueNames]])).rows;
  }

  async close(): Promise<void> {
    const boss = await this.#starting?.catch(() => undefined);
    await boss?.stop({ graceful: false, close: false });
  }

  /** Of a connection that this host does not have, only what was added since it looked which ones wait. */
  async #fetch(queue: QueueName, limit: number, isMine: TakeRequest['isMine']): Promise<readonly Fetched[]> {
    const boss = await this.#started();
    const { database } = this.#parts;
    const { rows } = await prepared<{ connection: string }>(database, waitingSql, [queue]);
    const ignoreGroups = rows.map(({ connection }) => connection).filter((name) => !isMine(name));
    // Not prepared: pg-boss writes the limit and more into the text, and there would soon be too many texts.
    return boss.fetch<unknown>(queue, { batchSize: limit, ignoreGroups });
  }

  /** Leaves a job to other hosts: to those that have its connection, or to those whose version can read it. */
  async #leave(queue: QueueName, fetched: Fetched, job: Job | undefined): Promise<void> {
    await this.#giveBack(queue, fetched, job ? 0 : unknownAgainSeconds);
    if (job || this.#unknown.has(fetched.id)) return;
    this.#unknown.add(fetched.id);
    this.#parts.warn(
      'a job is left to other hosts',
      new Error(`Expected a job of this version, found another: ${fetched.id}`),
    );
  }

  async #giveBack(
    queue: QueueName,
    job: Pick<Job, 'id' | 'retryCount'>,
    ...[afterSeconds, transaction]: [afterSeconds: number, transaction?: Knex.Transaction | undefined]
  ): Promise<void> {
    const boss = await this.#started();
    const within = transaction && { db: fromKnex(transaction) };
    const { affected } = commandAnswer.parse(await boss.fail(queue, attemptOf(job), undefined, within));
    // Whoever fetches it in between gives it back as well.
    if (affected > 0 && afterSeconds > 0)
      await boss.update(queue, undefined, { id: job.id, startAfter: afterSeconds });
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
