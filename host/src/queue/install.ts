import { fromKnex, PgBoss, type ConstructorOptions } from 'pg-boss';
import type { Database } from '../storage/database.ts';

/** Where the queue's tables are. */
export const queueSchema = 'otw_queue';

/** The two queues: runs that are due or asked for, and chunks of backfills, which come after them. */
export const queueNames = ['run', 'backfill'] as const;

/** One of {@link queueNames}. */
export type QueueName = (typeof queueNames)[number];

/** How pg-boss works here: on our own pool, so that its statements have our time limits; without its own schedules. */
export function bossOptions(database: Database): ConstructorOptions {
  return {
    db: fromKnex(database),
    schema: queueSchema,
    schedule: false,
    registerInstance: false,
    openTelemetry: { enabled: false },
  };
}

/*
 * One job of a connection at a time. A job that was fetched by a host that died before it had the connection is
 * found by its missing heartbeat; otherwise whoever declares a host dead hands its jobs over. A job is deleted when it
 * is done: app.run tells what it did.
 */
const settings = {
  // Giving back is no failure, however often: whatever ends hosts is counted apart.
  retryLimit: 1_000_000_000,
  retryDelay: 0,
  // A run has its own limits.
  expireInSeconds: 86_400,
  heartbeatSeconds: 10,
  // A run that was asked for while no host reads sources; then it is told as failed.
  retentionSeconds: 30 * 86_400,
  deleteAfterSeconds: 3600,
};

/**
 * Installs the queue, or brings it to this version. Called with the lock of migrations held, so that of hosts that
 * start together one does it.
 */
export async function installQueue(database: Database): Promise<void> {
  // The schema is there: to create one, even where it is, takes a right that not every database user has.
  const boss = new PgBoss({
    ...bossOptions(database),
    supervise: false,
    migrate: true,
    createSchema: false,
  });
  // What goes wrong is thrown as well.
  boss.on('error', () => undefined);
  try {
    await boss.start();
    for (const name of queueNames) await boss.createQueue(name, { policy: 'exclusive', ...settings });
    // Jobs come and go; with statistics from when there were none, fetching one would read them all.
    await database.raw(
      `alter table ${queueSchema}.job_common set (autovacuum_analyze_threshold = 200, autovacuum_analyze_scale_factor = 0.02,
         autovacuum_vacuum_threshold = 200, autovacuum_vacuum_scale_factor = 0.02)`,
    );
  } finally {
    await boss.stop({ graceful: false, close: false });
  }
}
