import {
  checkpoint,
  ConnectorError,
  parseInstant,
  rawJson,
  type Checkpoint,
  type CursorRecord,
  type JsonValue,
} from '@on-the-way/sdk';
import { z } from 'zod';
import type { StravaClient } from './client.ts';
import { cursorOf, type ActivityCursor } from './cursor.ts';
import { elementsOf } from './elements.ts';
import { sweep, type List, type Listed } from './sweep.ts';

const path = '/api/v3/athlete/activities';

const activitySchema = z.object({
  id: z.int().positive().transform(String),
  start_date: z.string().refine((text) => parseInstant(text) !== undefined),
});

/** An activity of a page. */
interface Activity extends Listed {
  /** As Strava wrote it. */
  readonly startDate: string;
  readonly text: string;
}

/** What activities are read with. */
export interface ActivitySource {
  readonly client: Pick<StravaClient, 'get' | 'now'>;
  readonly perPage: number;
  readonly lookBackDays: number;
}

function activitiesOf(text: string, value: JsonValue): Activity[] {
  const parsed = z.array(activitySchema).safeParse(value);
  if (!parsed.success) {
    const place = parsed.error.issues[0]?.path.join('.') || 'the answer';
    throw new ConnectorError(
      'bad_data',
      `Expected a list of activities with id and start_date from ${path}, got something else at ${place}`,
    );
  }
  const texts = elementsOf(text);
  return parsed.data.map(({ id, start_date: startDate }, index) => ({
    key: id,
    startDate,
    start: Math.max(0, Math.floor((parseInstant(startDate)?.ms ?? 0) / 1000)),
    text: texts[index] ?? '',
  }));
}

function listOf({ client, perPage }: ActivitySource, signal: AbortSignal): List<Activity> {
  return async (after, page) => {
    const { text, value } = await client.get(path, { after, page, per_page: perPage }, signal);
    return activitiesOf(text, value);
  };
}

function recordOf({ key, startDate, text }: Activity): CursorRecord {
  return { key, occurredAt: startDate, data: rawJson(text), method: 'getLoggedInAthleteActivities' };
}

/** Where a round begins or goes on: behind the newest activity, since some are uploaded days after they began. */
function beginningOf({ at, newest }: ActivityCursor, lookBackDays: number): number {
  return at ?? Math.max(0, newest - lookBackDays * 86_400);
}

/** When the round of a cursor began. Where one that is half done does not say it, no later than what it has read. */
function roundBegan({ at, began }: ActivityCursor, now: number): number {
  if (at === undefined) return now;
  return began === undefined || began > now ? at : began;
}

/**
 * Yields activities from the cursor on, oldest first, with a checkpoint behind each page and one at the end. Pages are
 * asked for by the time of the last activity, never by their number alone, so that nothing is skipped when activities come
 * or go meanwhile. One that is read again is left out if it was in the page before.
 */
export async function* readActivities(
  source: ActivitySource,
  value: JsonValue | undefined,
  signal: AbortSignal,
): AsyncGenerator<CursorRecord | Checkpoint> {
  const now = Math.floor(source.client.now() / 1000);
  const cursor = cursorOf(value, now);
  const began = roundBegan(cursor, now);
  const list = listOf(source, signal);
  const { round } = cursor;
  let { newest } = cursor;
  let at = beginningOf(cursor, source.lookBackDays);
  let recent = new Set<string>();
  for (;;) {
    const pages = sweep(list, { at, now });
    const read = new Set<string>();
    let step = await pages.next();
    for (; step.done !== true; step = await pages.next()) {
      for (const activity of step.value) {
        if (!recent.has(activity.key) && !read.has(activity.key)) yield recordOf(activity);
        read.add(activity.key);
        // The next round looks back from here: later than this round's beginning, it would miss what was uploaded since.
        if (activity.start <= began) newest = Math.max(newest, activity.start);
      }
    }
    if (step.value === undefined) break;
    const { through, after, count } = step.value;
    at = through;
    recent = read;
    // A page that is not full is mostly the last one; an empty one behind it says so for one request.
    if (count < source.perPage && (await list(after, 2)).length === 0) break;
    // From a time in the future nothing could go on that comes until then.
    if (at <= now) yield checkpoint({ v: 1, round, newest, at, began });
  }
  yield checkpoint({ v: 1, round: round + 1, newest });
}
