/** What is told of a connection: how its last run of everything left it. */
export type ToldState = 'ok' | 'failing' | 'needs_user' | 'rate_limited';

/** What a notification says; docs/notifications.md has every member. */
export interface NotificationBody {
  /** Of the notification: the same however often it is sent. */
  readonly id: string;
  readonly type: 'connection.state_changed';
  /** When it was so; UTC, as is `since`. */
  readonly at: string;
  readonly connection: string;
  readonly from: ToldState | 'unknown';
  readonly to: ToldState;
  /** When `from` began; null where nothing was known before. */
  readonly since: string | null;
  readonly code: string | null;
  /** Without secrets. */
  readonly message: string | null;
  readonly run_id: string | null;
  /** Letters of the connection that wait for a person. */
  readonly dead_letters: number;
  /** The machine whose run it was. */
  readonly host: string;
  /** The source is the demo's. */
  readonly simulated: boolean;
}
