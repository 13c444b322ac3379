import { ConnectorError, type JsonValue } from '@on-the-way/sdk';
import type { GetOptions } from '../garmin-api.ts';
import { isFilled, isObject, listOf, memberOf, textOf } from '../json-shape.ts';
import type { GarminSession } from '../session.ts';
import type { DatasetEntry, NamedRequest, Paging, RequestSpec } from './entry.ts';

/** What a question needs beside its line of the table. */
export interface AskContext {
  readonly session: GarminSession;
  readonly signal: AbortSignal;
  /** What stands for `{name}` in paths and parameters. */
  readonly values: Readonly<Record<string, string>>;
}

/** Stands for an answer of 404: Garmin has nothing under that path for this account. */
const notThere = Symbol('404');

async function get(
  request: RequestSpec,
  context: AskContext,
  page: Record<string, string> = {},
): Promise<JsonValue> {
  const { path, params, headers } = request;
  const options: GetOptions = {
    values: context.values,
    signal: context.signal,
    params: { ...params, ...page },
    ...(headers && { headers }),
  };
  // It was parsed from JSON by the api.
  return (await context.session.api.get(path, options)) as JsonValue;
}

/** A page as a list: expeditions come as a list, as `{ challenges: [] }` or as a single object. */
function toPage(answer: JsonValue): readonly JsonValue[] | undefined {
  if (answer === null || Array.isArray(answer)) return listOf(answer);
  const inner = memberOf(answer, 'challenges');
  if (Array.isArray(inner)) return listOf(inner);
  if (!isObject(answer)) return undefined;
  return isFilled(answer) ? [answer] : [];
}

function identify(row: JsonValue, key: string): string {
  const id = memberOf(row, key);
  return textOf(isFilled(id) ? id : row);
}

async function getPages(request: RequestSpec, paging: Paging, context: AskContext): Promise<JsonValue> {
  const { firstStart, limit, maxPages, atMaxPages, key } = paging;
  const rows = new Map<string, JsonValue>();
  for (let page = 0; page < maxPages; page += 1) {
    const start = String(firstStart + page * limit);
    const answer = await get(request, context, { start, limit: String(limit) });
    const list = toPage(answer);
    if (!list)
      throw new ConnectorError('bad_data', `Expected a list from ${request.path}, got something else`);
    const known = rows.size;
    for (const row of list) {
      const id = identify(row, key);
      if (!rows.has(id)) rows.set(id, row);
    }
    // A short page is the last; one that brings nothing new was answered without regard to its number.
    if (list.length < limit || rows.size === known) return [...rows.values()];
  }
  if (atMaxPages === 'stop') return [...rows.values()];
  throw new ConnectorError('bad_data', `Expected at most ${maxPages} pages from ${request.path}, got more`);
}

async function askOne(request: RequestSpec, context: AskContext): Promise<JsonValue | typeof notThere> {
  try {
    return await (request.paging ? getPages(request, request.paging, context) : get(request, context));
  } catch (error) {
    if (ConnectorError.is(error) && error.status === 404) return notThere;
    throw error;
  }
}

/** The entry's requests, also where it has one. */
export function requestsOf({ request }: DatasetEntry): readonly (RequestSpec | NamedRequest)[] {
  return 'path' in request ? [request] : request;
}

/**
 * Asks all that the entry asks. One request: its answer; several: their answers by name. Nothing
 * under the path (404) is null, and for the state of now, where no day can be to blame, `not_supported`.
 */
export async function ask(entry: DatasetEntry, context: AskContext): Promise<JsonValue> {
  const answers: [string, JsonValue][] = [];
  let missing = 0;
  for (const request of requestsOf(entry)) {
    const answer = await askOne(request, context);
    if (answer === notThere) missing += 1;
    answers.push(['name' in request ? request.name : 'only', answer === notThere ? null : answer]);
  }
  if (missing === answers.length && entry.granularity === 'snapshot') {
    const path = requestsOf(entry)[0]?.path;
    throw new ConnectorError(
      'not_supported',
      `Expected data from ${path}, got HTTP 404: the account has no such data`,
      {
        status: 404,
      },
    );
  }
  return 'path' in entry.request ? (answers[0]?.[1] ?? null) : Object.fromEntries(answers);
}
