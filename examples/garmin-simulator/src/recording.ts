import type { Buffer } from 'node:buffer';
import type { CalendarDate } from './calendar.ts';
import type { Reply } from './http.ts';
import { parseKeepingDigits } from './raw-json.ts';

/** One answer as it was recorded. */
export interface Recording {
  readonly dataset: string;
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  readonly status: number;
  readonly bytes: Buffer;
}

/** A question that was not recorded word for word. */
export interface Question {
  readonly all: readonly Recording[];
  /** The parts of the path or of the query that say which days are meant. */
  readonly start: CalendarDate;
  readonly end: CalendarDate;
  readonly query: Readonly<Record<string, string>>;
}

export function asReply({ status, bytes }: Recording): Reply {
  const headers: Record<string, string> =
    bytes.length === 0 ? {} : { 'content-type': 'application/json;charset=utf-8' };
  return { status, headers, bytes };
}

export function contentOf({ bytes }: Recording): unknown {
  return bytes.length === 0 ? undefined : parseKeepingDigits(bytes.toString('utf8'));
}

export function recordedAt(all: readonly Recording[], shape: RegExp): Recording[] {
  return all.filter(({ path, status }) => status === 200 && shape.test(path));
}
