import { Buffer } from 'node:buffer';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { GRAPHQL_PATH } from './answers/graphql.ts';
import type { Reply } from './http.ts';
import { asReply } from './recording.ts';
import type { Recording } from './recording.ts';
import { composeAnswer } from './replay-compose.ts';

export interface Recordings {
  /** The recorded or composed answer; undefined when nothing recorded fits. */
  answer(path: string, query: Readonly<Record<string, string>>): Reply | undefined;
}

interface IndexEntry {
  /** Where the body is; an answer without a body may have no file. */
  readonly file?: string | null;
  readonly metric_type: string;
  readonly method: string;
  readonly path: string;
  readonly query: Record<string, string>;
  readonly status: number;
}

/** Whether these are sent makes no difference to which recording is meant. */
const IGNORED_QUERY = new Set(['nonSleepBufferMinutes', 'includeAll', 'userProfilePk']);

const OWNER_OPTIONAL =
  /^(\/usersummary-service\/usersummary\/daily|\/wellness-service\/wellness\/(?:dailyHeartRate|dailySleepData)|\/sleep-service\/sleep\/dailySleepData|\/userstats-service\/wellness\/daily|\/metrics-service\/metrics\/racepredictions\/daily)\/[^/]+$/;

/** The path without the person's name and without a slash at its end. */
function plainPath(path: string): string {
  return path.replace(/\/+$/, '').replace(OWNER_OPTIONAL, '$1');
}

function readBody(folder: string, file: string | null | undefined): Buffer {
  const path = file && join(folder, file);
  return path && existsSync(path) ? readFileSync(path) : Buffer.alloc(0);
}

/** Every other verb than GET changes something, but for the one that only asks. */
const isQuestion = ({ method, path }: IndexEntry): boolean => method === 'GET' || path === GRAPHQL_PATH;

function readFolder(folder: string): Recording[] {
  const index = JSON.parse(readFileSync(join(folder, 'index.json'), 'utf8')) as readonly IndexEntry[];
  return index.filter(isQuestion).map((entry) => ({
    dataset: entry.metric_type,
    path: plainPath(entry.path),
    query: Object.fromEntries(Object.entries(entry.query).filter(([name]) => !IGNORED_QUERY.has(name))),
    status: entry.status,
    bytes: readBody(folder, entry.file),
  }));
}

/** A recording without dates is a page, and no answer to a question about some days. */
const asks = (query: Readonly<Record<string, string>>, recording: Recording): boolean =>
  query['startDate'] === recording.query['startDate'] &&
  Object.entries(recording.query).every(([name, value]) => query[name] === value);

export function openRecordings(folder: string): Recordings {
  const all = readFolder(folder);
  const served = new Set<Recording>();
  /** The same question recorded twice is answered in the order of recording; the last answer stays. */
  const nextOf = (found: readonly Recording[]): Recording | undefined => {
    const recording = found.find((candidate) => !served.has(candidate)) ?? found[found.length - 1];
    if (recording !== undefined) served.add(recording);
    return recording;
  };
  return {
    answer(path, query) {
      const plain = plainPath(path);
      const recording = nextOf(all.filter((one) => one.path === plain && asks(query, one)));
      if (recording !== undefined) return asReply(recording);
      return composeAnswer(all, plain, query);
    },
  };
}
