import type { Database } from '../storage/database.ts';

/** A notification that is to be sent now. */
export interface DueNotification {
  readonly id: string;
  readonly connection: string;
  /** What is sent, as JSON. */
  readonly body: string;
  /** Tries, this one included. */
  readonly attempts: number;
}

/** What is still to be told, in app.notification. */
export interface NotificationStore {
  /**
   * Takes up to `limit` of those that are due, of each connection the oldest alone, so that they arrive in order. Of two
   * hosts that ask, one gets a notification; it is due again by itself, later each time, unless it was taken.
   */
  take(limit: number): Promise<readonly DueNotification[]>;
  /** Forgets one: it was taken, or tried often enough. */
  done(id: string): Promise<void>;
  /** How many wait. */
  waiting(): Promise<number>;
}

/**
 * Seconds from one try to the next: within an hour often enough for a receiver that restarts, then for a day in all.
 * The first is longer than a try may take, so that no other host sends it meanwhile.
 */
export const retrySeconds: readonly number[] = [
  30, 60, 120, 300, 900, 1800, 3600, 7200, 14_400, 28_800, 28_800,
];

/** Tries a notification gets. */
export const mostAttempts: number = retrySeconds.length + 1;

const takeSql = `
  with due as (
    select notification_id from app.notification as one
    where next_attempt_at <= now() and not exists (
      select from app.notification as older where older.connection = one.connection
        and (older.created_at, older.notification_id) < (one.created_at, one.notification_id))
    order by next_attempt_at limit ? for update skip locked)
  update app.notification as told set attempts = attempts + 1,
    next_attempt_at = now() + coalesce((?::int[])[attempts + 1], 3600) * interval '1 second'
  from due where told.notification_id = due.notification_id and next_attempt_at <= now()
  returning told.notification_id as id, connection, body::text as body, attempts`;

/** The store. */
export function createNotificationStore(database: Database): NotificationStore {
  return {
    async take(limit) {
      const values = [limit, [...retrySeconds]] as unknown as string[];
      return (await database.raw<{ rows: DueNotification[] }>(takeSql, values)).rows;
    },
    async done(id) {
      await database.raw('delete from app.notification where notification_id = ?', [id]);
    },
    async waiting() {
      const { rows } = await database.raw<{ rows: { waiting: number }[] }>(
        'select count(*)::int as waiting from app.notification',
      );
      return rows[0]?.waiting ?? 0;
    },
  };
}
