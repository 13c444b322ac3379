import { createHash } from 'node:crypto';
import { addDays, ConnectorError, splitWindow, type Day, type JsonValue, type Window } from '@on-the-way/sdk';
import { isFilled, isObject, memberOf, textOf } from './json-shape.ts';
import type { GarminSession } from './session.ts';
import { datedRows } from './datasets/split.ts';
import { summaries } from './datasets/summaries.ts';

const lastUsedPath = '/device-service/deviceservice/mylastused';

/** JSON with the members of every object in order, so that equal values have equal texts. */
function toCanonical(value: JsonValue): string {
  if (Array.isArray(value)) return `[${value.map((part: JsonValue) => toCanonical(part)).join(',')}]`;
  if (!isObject(value)) return JSON.stringify(value);
  const keys = Object.keys(value).toSorted();
  return `{${keys.map((key) => `${JSON.stringify(key)}:${toCanonical(value[key] ?? null)}`).join(',')}}`;
}

function digest(value: JsonValue): string {
  return createHash('sha256').update(toCanonical(value)).digest('hex').slice(0, 16);
}

/** The answer, or null where Garmin has nothing under the path. */
async function getIfThere(
  { apis }: GarminSession,
  path: string,
  options: { readonly values?: Readonly<Record<string, string>>; readonly signal: AbortSignal },
): Promise<JsonValue> {
  try {
    // It was parsed from JSON by the api.
    return ((await apis.connect?.get(path, options)) ?? null) as JsonValue;
  } catch (error) {
    if (ConnectorError.is(error) && error.code === 'not_supported') return null;
    throw error;
  }
}

/**
 * When a device of the account was last synced, as Garmin writes it. Undefined when that is not known:
 * there is no device, or only a Personal API key.
 */
export async function lastChange(session: GarminSession, signal: AbortSignal): Promise<string | undefined> {
  const answer = await getIfThere(session, lastUsedPath, { signal });
  const time = memberOf(answer, 'lastUsedDeviceUploadTime');
  return isFilled(time) ? textOf(time) : undefined;
}

/**
 * For each day of the window a digest of its summary, which differs once a device brought something.
 * Days that are not in Garmin's answer are left out.
 */
export async function dayMarks(
  session: GarminSession,
  window: Window,
  signal: AbortSignal,
): Promise<Readonly<Record<Day, string>>> {
  const { request, spanDays } = summaries.user_summary;
  const marks: Record<Day, string> = {};
  for (const { from, to } of splitWindow(window, spanDays)) {
    const last = addDays(to, -1);
    const answer = await getIfThere(session, request.path, { values: { start: from, end: last }, signal });
    for (const [day, rows] of datedRows(answer, request.path)) {
      if (day >= from && day <= last) marks[day] = digest(rows);
    }
  }
  return marks;
}
