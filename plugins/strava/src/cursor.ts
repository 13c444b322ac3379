import { ConnectorError, type JsonValue } from '@on-the-way/sdk';
import { z } from 'zod';

const seconds = z.int().min(0);

const cursorSchema = z.strictObject({
  v: z.literal(1),
  /** How often the list was read to its end. Two rounds never end with the same cursor, or the second would look like a circle. */
  round: z.int().min(0),
  /** Latest start that was ever read and lay in the past when its round began, in seconds since 1970. */
  newest: seconds,
  /** Within a round: the list is read up to here. */
  at: seconds.optional(),
  /** Within a round: when it began. What is uploaded after that may lie before `at`, and is left to the next round. */
  began: seconds.optional(),
});

/** Where reading goes on. */
export type ActivityCursor = z.output<typeof cursorSchema>;

/**
 * A cursor ahead of now was written when an activity in the future still counted as the newest, or by a clock that was
 * ahead. It does not say when the list was read last, so all of it is read again.
 */
function healed(cursor: ActivityCursor, now: number): ActivityCursor {
  const isAhead = Math.max(cursor.newest, cursor.at ?? 0) > now;
  return isAhead ? { v: 1, round: cursor.round, newest: 0 } : cursor;
}

/**
 * Reads what an earlier fetch gave; undefined is the very first fetch. `now` is in seconds since 1970.
 *
 * @throws ConnectorError `config` for a cursor that this version did not write: Strava has nothing to do with it, and
 * guessing would skip activities. A person puts back the version that wrote it or begins anew.
 */
export function cursorOf(value: JsonValue | undefined, now: number): ActivityCursor {
  if (value === undefined) return { v: 1, round: 0, newest: 0 };
  const parsed = cursorSchema.safeParse(value);
  if (parsed.success) return healed(parsed.data, now);
  const version = z.object({ v: z.union([z.number(), z.string().max(16)]) }).safeParse(value).data?.v;
  throw new ConnectorError(
    'config',
    `Expected a cursor of version 1, got ${version === undefined ? 'one without a version' : `version ${version}`}: put ` +
      'back the version of the plugin that wrote it, or let it read everything again: otw reset NAME --cursors',
  );
}
