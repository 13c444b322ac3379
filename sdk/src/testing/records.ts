import { isCheckpoint, type Checkpoint } from '../checkpoint.ts';
import type { ConnectorRecord, CursorRecord, DatasetInfo } from '../connector.ts';
import { ConnectorError } from '../errors.ts';
import { isRawJson, type JsonValue, type RawJson } from '../json.ts';
import { addDays, dayAt, daysOf, splitWindow, type Day, type Window } from '../windows.ts';
import type { OpenedConnector } from './open-connector.ts';
import type { ProcessQuestion } from './process-protocol.ts';
import type { ConnectorSubject } from './subject.ts';

/** One thing a dataset of either sort said. */
export type AnyRecord = ConnectorRecord | CursorRecord;

/** JSON text with the keys of objects in order, so that equal values give equal text. */
export function canonical(value: unknown): string {
  return JSON.stringify(value, (_, part: unknown) =>
    typeof part === 'object' && part !== null && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : part,
  );
}

function dataOf(data: JsonValue | RawJson): unknown {
  // Across a process boundary the mark is lost, and the member is all that is left.
  if (isRawJson(data)) return JSON.parse(data.rawJson);
  const { rawJson } = (typeof data === 'object' && data !== null ? data : {}) as Partial<RawJson>;
  return typeof rawJson === 'string' ? JSON.parse(rawJson) : data;
}

/** What tells one record of a dataset from another, as the host's keys do: its key, day and instant, and what it says. */
export function identityOf(record: AnyRecord): string {
  const { key = '', day = '', occurredAt = '' } = record as Partial<CursorRecord>;
  return `${[key, day, occurredAt].filter((part) => part !== '').join(' ')}::${canonical(dataOf(record.data))}`;
}

/** Identities in order, for comparing what two readings gave. */
function identitiesOf(records: readonly AnyRecord[]): string[] {
  return records.map(identityOf).toSorted();
}

/** The first of what only one of two readings gave; undefined where they gave the same. */
export function firstDifference(a: readonly AnyRecord[], b: readonly AnyRecord[]): string | undefined {
  const [left, right] = [identitiesOf(a), identitiesOf(b)];
  const index = left.findIndex((identity, at) => identity !== right[at]);
  if (index === -1 && left.length === right.length) return undefined;
  const at = index === -1 ? left.length : index;
  const shown = (text: string | undefined): string => (text === undefined ? 'nothing' : text.slice(0, 160));
  return `${shown(left[at])} and ${shown(right[at])} (${left.length} and ${right.length} records)`;
}

/** Whether it is the answer of a dataset of days. */
export function isOfDays({ granularity }: DatasetInfo): boolean {
  return granularity === 'day' || granularity === 'range';
}

/** Today in the subject's zone, as a window. */
export function todayOf({ timeZone = 'Asia/Shanghai' }: Pick<ConnectorSubject, 'timeZone'>): Window {
  const today = dayAt(Date.now(), timeZone);
  return { from: today, to: addDays(today, 1) };
}

/** The windows a host asks a dataset for, to have the subject's days. */
export function windowsFor(
  dataset: DatasetInfo,
  subject: ConnectorSubject,
  window = subject.window,
): Window[] {
  if (dataset.granularity === 'snapshot') return [todayOf(subject)];
  return splitWindow(window, dataset.spanDays);
}

/** What a host asks a dataset, to have the subject's days: its windows, or everything since the beginning. */
export function questionsTo(dataset: DatasetInfo, subject: ConnectorSubject): ProcessQuestion[] {
  const { name, granularity } = dataset;
  if (granularity === 'cursor') return [{ dataset: name }];
  return windowsFor(dataset, subject).map((window) => ({ dataset: name, window }));
}

/** Everything a dataset has, as a host would ask for it. */
export async function readAll(
  opened: Pick<OpenedConnector, 'read'>,
  dataset: DatasetInfo,
  subject: ConnectorSubject,
  window = subject.window,
): Promise<AnyRecord[]> {
  if (dataset.granularity === 'cursor') return opened.read({ dataset: dataset.name });
  const records: AnyRecord[] = [];
  for (const part of windowsFor(dataset, subject, window))
    records.push(...(await opened.read({ dataset: dataset.name, window: part })));
  return records;
}

/** What a dataset says of a day; undefined where the source keeps nothing that old. */
export async function readKept(
  opened: Pick<OpenedConnector, 'read'>,
  { name }: DatasetInfo,
  window: Window,
): Promise<AnyRecord[] | undefined> {
  try {
    return await opened.read({ dataset: name, window });
  } catch (error) {
    if (ConnectorError.is(error) && error.code === 'out_of_range') return undefined;
    throw error;
  }
}

/** The single days of a window, each as a window. */
export function singleDays(window: Window): Window[] {
  return daysOf(window).map((day: Day) => ({ from: day, to: addDays(day, 1) }));
}

/** What a cursor dataset said, in order, with its checkpoints. */
export async function readSince(
  opened: OpenedConnector,
  dataset: string,
  cursor?: JsonValue,
): Promise<(CursorRecord | Checkpoint)[]> {
  return Array.fromAsync(opened.ask({ dataset, cursor }) as AsyncIterable<CursorRecord | Checkpoint>);
}

/** The records among what was said. */
export function recordsIn(said: readonly (AnyRecord | Checkpoint)[]): AnyRecord[] {
  return said.filter((one): one is AnyRecord => !isCheckpoint(one));
}
