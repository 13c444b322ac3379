import {
  addDays,
  ConnectorError,
  daysOf,
  inWindow,
  type ConnectorRecord,
  type DatasetDefinition,
  type Day,
  type FetchContext,
  type JsonValue,
} from '@on-the-way/sdk';
import { isFilled, isObject, listOf, memberOf } from '../json-shape.ts';
import type { GarminSession } from '../session.ts';
import { ask, requestsOf, type AskContext } from './ask.ts';
import { isHidden } from './daily.ts';
import type { DatasetEntry, DayEntry, RangeEntry, SnapshotEntry } from './entry.ts';
import { dayIn } from './split.ts';

type Context = FetchContext<GarminSession>;
type Read = AsyncGenerator<ConnectorRecord<JsonValue>>;

function pathOf(entry: DatasetEntry): string {
  return requestsOf(entry)[0]?.path ?? '';
}

function askContext({ session, signal }: Context, days: Readonly<Record<string, string>>): AskContext {
  const { displayName, profileId } = session.profile;
  return { session, signal, values: { displayName, ...(profileId !== undefined && { profileId }), ...days } };
}

function checkStructure(answer: JsonValue, path: string): void {
  if (isFilled(answer) && typeof answer !== 'object') {
    throw new ConnectorError('bad_data', `Expected an object or a list from ${path}, got a ${typeof answer}`);
  }
  if (isHidden(answer)) {
    throw new ConnectorError(
      'source',
      `Expected the account's own data from ${path}, got hidden values: the token belongs to another user; sign in again`,
    );
  }
}

/** Only what is said of the day: Garmin answers some questions with the latest day it has. */
function partOfDay(answer: JsonValue, day: Day): JsonValue {
  const isOfDay = (value: JsonValue) => (dayIn(memberOf(value, 'calendarDate')) ?? day) === day;
  if (Array.isArray(answer)) return listOf(answer).filter(isOfDay);
  return isObject(answer) && !isOfDay(answer) ? null : answer;
}

async function askDay(entry: DayEntry, context: Context, day: Day): Promise<JsonValue> {
  const start = () => ask(entry, askContext(context, { day }));
  if (entry.isShared !== true) return start();
  return (await context.session.shared.get(`${pathOf(entry)} ${day}`, context.signal, start)) as JsonValue;
}

async function* readDays(entry: DayEntry, context: Context): Read {
  for (const day of daysOf(context.window)) {
    const answer = await askDay(entry, context, day);
    checkStructure(answer, pathOf(entry));
    const part = partOfDay(answer, day);
    const data = entry.shape ? entry.shape(part, day) : part;
    if (!entry.isEmpty(data)) yield { day, data, method: entry.method };
  }
}

async function* readRange(entry: RangeEntry, context: Context): Read {
  const { window } = context;
  if (window.from >= window.to) return;
  const answer = await ask(entry, askContext(context, { start: window.from, end: addDays(window.to, -1) }));
  const days = Array.from(entry.split(answer, pathOf(entry))).filter(([day]) => inWindow(window, day));
  for (const [day, data] of days.toSorted(([a], [b]) => (a < b ? -1 : Number(a > b)))) {
    if (!entry.isEmpty(data)) yield { day, data, method: entry.method };
  }
}

async function* readSnapshot(entry: SnapshotEntry, context: Context): Read {
  const answer = await ask(entry, askContext(context, {}));
  checkStructure(answer, pathOf(entry));
  const data = entry.shape ? entry.shape(answer, context.session.profile) : answer;
  if (!entry.isEmpty(data)) yield { day: context.window.from, data, method: entry.method };
}

async function* read(entry: DatasetEntry, context: Context): Read {
  context.signal.throwIfAborted();
  switch (entry.granularity) {
    case 'day':
      return yield* readDays(entry, context);
    case 'range':
      return yield* readRange(entry, context);
    case 'snapshot':
      return yield* readSnapshot(entry, context);
  }
}

/** The dataset a line of the table describes. */
export function toDataset(entry: DatasetEntry): DatasetDefinition<GarminSession> {
  const { granularity, settleDays, description } = entry;
  return {
    granularity,
    settleDays,
    description,
    ...(entry.granularity === 'range' && { spanDays: entry.spanDays }),
    fetch: (context) => read(entry, context),
  };
}
