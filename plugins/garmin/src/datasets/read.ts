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
import type { GarminApi } from '../garmin-api.ts';
import { isFilled, isObject, listOf, memberOf } from '../json-shape.ts';
import type { GarminSession } from '../session.ts';
import { ask, requestsOf, type AskContext, type Requests } from './ask.ts';
import { isOlderThan } from './age.ts';
import { isHidden } from './daily.ts';
import type { DatasetEntry, DayEntry, RangeEntry, SnapshotEntry } from './entry.ts';
import { profileOf, rereadProfile } from './own-profile.ts';
import { dayIn } from './split.ts';

/** A dataset as it is read in a session: which line of the table, and where. */
export interface Source<Entry extends DatasetEntry = DatasetEntry> {
  readonly name: string;
  readonly entry: Entry;
  /** Where to ask, the first choice first. */
  readonly apis: readonly GarminApi[];
  /** Whether an api that does not serve a path at all answers with 404. */
  readonly is404OfApi: boolean;
}

type Context = FetchContext<GarminSession>;
type Read = AsyncGenerator<ConnectorRecord<JsonValue>>;

// A day that recent is known to whoever knows such days at all.
const daysOfLastingAbsence = 30;
// Garmin puts readings away after about half a year.
const daysOfReadings = 180;

function pathOf(question: Requests): string {
  return requestsOf(question)[0]?.path ?? '';
}

function askContext(
  { name, apis }: Source,
  { session, signal }: Context,
  days: Readonly<Record<string, string>>,
  isAbsenceOfDay = false,
): AskContext {
  return { session, dataset: name, apis, signal, days, isAbsenceOfDay };
}

function checkStructure(answer: JsonValue, path: string): void {
  if (isFilled(answer) && typeof answer !== 'object') {
    throw new ConnectorError('bad_data', `Expected an object or a list from ${path}, got a ${typeof answer}`);
  }
}

/** Asks, and asks again under the account's new name when values are hidden as somebody else's. */
async function askOwn(
  path: string,
  { session, signal }: Context,
  start: () => Promise<JsonValue>,
): Promise<JsonValue> {
  const { displayName } = await profileOf(session);
  const answer = await start();
  if (!isHidden(answer)) return answer;
  const now = await rereadProfile(session, signal);
  const again = now.displayName === displayName ? answer : await start();
  if (!isHidden(again)) return again;
  throw new ConnectorError(
    'auth',
    `Expected the account's own data from ${path}, got hidden values: the token belongs to another user; sign in again`,
  );
}

async function share(
  key: string,
  { entry }: Source,
  { session, signal }: Context,
  start: () => Promise<JsonValue>,
): Promise<JsonValue> {
  if (entry.isShared !== true) return start();
  return (await session.shared.get(key, signal, start)) as JsonValue;
}

/** Only what is said of the day: Garmin answers some questions with the latest day it has. */
function partOfDay(answer: JsonValue, day: Day): JsonValue {
  const isOfDay = (value: JsonValue) => (dayIn(memberOf(value, 'calendarDate')) ?? day) === day;
  if (Array.isArray(answer)) return listOf(answer).filter(isOfDay);
  return isObject(answer) && !isOfDay(answer) ? null : answer;
}

async function askDay(source: Source<DayEntry>, context: Context, day: Day): Promise<JsonValue> {
  const path = pathOf(source.entry);
  const isAbsenceOfDay = !source.is404OfApi && isOlderThan(day, daysOfLastingAbsence);
  const start = () => ask(source.entry, askContext(source, context, { day }, isAbsenceOfDay));
  const answer = await askOwn(path, context, () => share(`${path} ${day}`, source, context, start));
  checkStructure(answer, path);
  return partOfDay(answer, day);
}

async function* readDays(source: Source<DayEntry>, context: Context): Read {
  const { isEmpty, shape, method, isOffloaded } = source.entry;
  for (const day of daysOf(context.window)) {
    const part = await askDay(source, context, day);
    const data = shape ? shape(part, day) : part;
    if (isEmpty(data)) continue;
    const lacksReadings = isOlderThan(day, daysOfReadings) && isOffloaded?.(data) === true;
    yield { day, data, method, ...(lacksReadings && { note: 'offloaded' }) };
  }
}

async function* readRange(source: Source<RangeEntry>, context: Context): Read {
  const { window } = context;
  if (window.from >= window.to) return;
  const { entry } = source;
  const [start, end] = [window.from, addDays(window.to, (entry.daysBeyond ?? 0) - 1)];
  const path = pathOf(entry);
  const answer = await share(`${path} ${start} ${end}`, source, context, () =>
    ask(entry, askContext(source, context, { start, end })),
  );
  const days = Array.from(entry.split(answer, path)).filter(([day]) => inWindow(window, day));
  for (const [day, data] of days.toSorted(([a], [b]) => (a < b ? -1 : Number(a > b)))) {
    if (!entry.isEmpty(data)) yield { day, data, method: entry.method };
  }
}

async function* readSnapshot(source: Source<SnapshotEntry>, context: Context): Read {
  const { entry } = source;
  const answer = await ask(entry, askContext(source, context, {}));
  checkStructure(answer, pathOf(entry));
  const data = entry.shape ? entry.shape(answer, context.session.profile) : answer;
  if (!entry.isEmpty(data)) yield { day: context.window.from, data, method: entry.method };
}

async function* read(source: Source, context: Context): Read {
  context.signal.throwIfAborted();
  const { entry } = source;
  switch (entry.granularity) {
    case 'day':
      return yield* readDays({ ...source, entry }, context);
    case 'range':
      return yield* readRange({ ...source, entry }, context);
    case 'snapshot':
      return yield* readSnapshot({ ...source, entry }, context);
  }
}

/** What the host is told of a line of the table. */
export function describeEntry(
  entry: DatasetEntry,
): Pick<
  DatasetDefinition<GarminSession>,
  'granularity' | 'spanDays' | 'settleDays' | 'description' | 'watched'
> {
  const { granularity, settleDays, description } = entry;
  return {
    granularity,
    settleDays,
    description,
    ...(entry.granularity === 'range' && { spanDays: entry.spanDays }),
    ...(entry.granularity === 'day' && entry.watched && { watched: true }),
  };
}

/** The dataset a line of the table describes. */
export function toDataset(source: Source): DatasetDefinition<GarminSession> {
  return { ...describeEntry(source.entry), fetch: (context) => read(source, context) };
}
