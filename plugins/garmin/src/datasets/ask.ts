import { ConnectorError, type JsonValue } from '@on-the-way/sdk';
import type { GarminApi, GetOptions } from '../garmin-api.ts';
import { isFilled, isObject, listOf, memberOf, textOf } from '../json-shape.ts';
import type { GarminSession, Profile } from '../session.ts';
import type { NamedRequest, Paging, RequestSpec } from './entry.ts';
import { profileOf, rereadProfile } from './own-profile.ts';

/** What a question needs beside its line of the table. */
export interface AskContext {
  readonly session: GarminSession;
  readonly dataset: string;
  /** Where to ask: the next one when the one before does not serve the path (404). */
  readonly apis: readonly GarminApi[];
  readonly signal: AbortSignal;
  /** What stands for the names of days in paths and parameters. */
  readonly days: Readonly<Record<string, string>>;
  /** Whether nothing under the path means that there is nothing on those days; else it is `not_supported`. */
  readonly isAbsenceOfDay: boolean;
}

/** Stands for an answer of 404: Garmin has nothing under that path for this account. */
const notThere = Symbol('404');

/** Paths that an api answered with 404 while another one was left to ask. */
const unserved = new WeakMap<GarminApi, Set<string>>();

function is404(error: unknown): boolean {
  return ConnectorError.is(error) && error.code === 'not_supported' && error.status === 404;
}

async function getWhereServed(
  request: RequestSpec,
  context: AskContext,
  options: GetOptions,
): Promise<JsonValue> {
  const { path } = request;
  const [last] = context.apis.slice(-1);
  for (const api of context.apis) {
    if (api !== last && unserved.get(api)?.has(path)) continue;
    try {
      // It was parsed from JSON by the api.
      return (await api.get(path, options)) as JsonValue;
    } catch (error) {
      if (api === last || !is404(error)) throw error;
      unserved.set(api, (unserved.get(api) ?? new Set()).add(path));
    }
  }
  throw new Error(`Expected an api to ask for ${path}, got none`);
}

function valuesOf({ displayName, profileId }: Profile): Record<string, string> {
  return {
    ...(displayName !== undefined && { displayName }),
    ...(profileId !== undefined && { profileId }),
  };
}

function isRefusedByName(error: unknown, { path }: RequestSpec): boolean {
  if (!path.includes('{displayName}')) return false;
  return ConnectorError.is(error) && error.code === 'not_supported' && error.status === 403;
}

async function get(
  request: RequestSpec,
  context: AskContext,
  page: Record<string, string> = {},
): Promise<JsonValue> {
  const { session, signal, dataset } = context;
  const { params, headers, body } = request;
  const askAs = (profile: Profile) =>
    getWhereServed(request, context, {
      values: { ...valuesOf(profile), ...context.days },
      signal,
      dataset,
      params: { ...params, ...page },
      ...(headers && { headers }),
      ...(body && { body }),
    });
  const profile = await profileOf(session);
  try {
    return await askAs(profile);
  } catch (error) {
    if (!isRefusedByName(error, request)) throw error;
    const now = await rereadProfile(session, signal);
    if (now.displayName === profile.displayName) throw error;
    return askAs(now);
  }
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
    if (is404(error)) return notThere;
    throw error;
  }
}

/** What is asked, in either form. */
export interface Requests {
  readonly request: RequestSpec | readonly NamedRequest[];
}

/** The requests, also where it is one. */
export function requestsOf({ request }: Requests): readonly (RequestSpec | NamedRequest)[] {
  return 'path' in request ? [request] : request;
}

/**
 * Asks all the requests. One: its answer; several: their answers by name. Nothing under the path (404)
 * is null; for all of them it is `not_supported`, unless the day is to blame.
 */
export async function ask(question: Requests, context: AskContext): Promise<JsonValue> {
  const answers: [string, JsonValue][] = [];
  let missing = 0;
  for (const request of requestsOf(question)) {
    const answer = await askOne(request, context);
    if (answer === notThere) missing += 1;
    answers.push(['name' in request ? request.name : 'only', answer === notThere ? null : answer]);
  }
  if (missing === answers.length && !context.isAbsenceOfDay) {
    const path = requestsOf(question)[0]?.path;
    throw new ConnectorError(
      'not_supported',
      `Expected data from ${path}, got HTTP 404: the account or its devices have no such data`,
      { status: 404 },
    );
  }
  return 'path' in question.request ? (answers[0]?.[1] ?? null) : Object.fromEntries(answers);
}
