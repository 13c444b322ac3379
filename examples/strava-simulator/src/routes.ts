import type { History } from './history.ts';

/** What is answered, before it becomes HTTP. Pieces are made as they are sent. */
export interface Answer {
  readonly status: number;
  readonly body: unknown;
  /** Instead of `body`: JSON values of an array, one by one. */
  readonly elements?: Iterable<unknown>;
}

const refusal = (status: number, message: string, error: Record<string, string>): Answer => ({
  status,
  body: { message, errors: [error] },
});

/** Whole number in a query; undefined where it is left out. */
function numberIn(query: URLSearchParams, name: string): number | undefined {
  const text = query.get(name);
  return text === null ? undefined : Number(text);
}

function* bodies(
  history: History,
  from: number,
  count: number,
  isAscending: boolean,
  kept: readonly number[],
) {
  for (let index = from; index < Math.min(from + count, kept.length); index += 1) {
    const place = kept[isAscending ? index : kept.length - 1 - index];
    const entry = place === undefined ? undefined : history.entries[place];
    if (entry) yield history.activityOf(entry);
  }
}

/** `GET /api/v3/athlete/activities`: oldest first with `after` alone, else newest first. Both bounds are left out themselves. */
export function listActivities(history: History, query: URLSearchParams, nowMs: number): Answer {
  const after = numberIn(query, 'after');
  const before = numberIn(query, 'before');
  const page = numberIn(query, 'page') ?? 1;
  const perPage = numberIn(query, 'per_page') ?? 30;
  const isWrong = (value: number, most: number): boolean =>
    !Number.isInteger(value) || value < 1 || value > most;
  if (after !== undefined && after > nowMs / 1000)
    return refusal(400, 'Bad Request', { resource: 'Application', field: 'after', code: 'future' });
  if (isWrong(page, 1e9))
    return refusal(400, 'Bad Request', { resource: 'Application', field: 'page', code: 'invalid' });
  if (isWrong(perPage, 200))
    return refusal(400, 'Bad Request', {
      resource: 'Application',
      field: 'per page',
      code: 'limit exceeded',
    });
  const kept = [...history.entries.keys()].filter((place) => {
    const start = history.entries[place]?.start ?? 0;
    return start > (after ?? -1) && start < (before ?? Infinity);
  });
  const isAscending = after !== undefined && before === undefined;
  return {
    status: 200,
    body: undefined,
    elements: bodies(history, (page - 1) * perPage, perPage, isAscending, kept),
  };
}

/** `GET /api/v3/athlete`. */
export function athleteOf(id: number): Answer {
  return {
    status: 200,
    body: {
      id,
      username: null,
      resource_state: 2,
      firstname: 'Simulated',
      lastname: `Athlete ${id}`,
      city: 'Nowhere',
      country: null,
      sex: null,
      premium: false,
      created_at: '2022-01-01T00:00:00Z',
      updated_at: '2022-01-01T00:00:00Z',
      weight: 70.5,
    },
  };
}

/** `GET /api/v3/athletes/{id}/stats`. */
export function statsOf({ entries }: History): Answer {
  const totals = { count: entries.length, distance: 0, moving_time: 0, elapsed_time: 0, elevation_gain: 0 };
  const none = { ...totals, count: 0 };
  return {
    status: 200,
    body: {
      recent_ride_totals: { ...none, achievement_count: 0 },
      recent_run_totals: { ...none, achievement_count: 0 },
      recent_swim_totals: { ...none, achievement_count: 0 },
      ytd_ride_totals: none,
      ytd_run_totals: none,
      ytd_swim_totals: none,
      all_ride_totals: none,
      all_run_totals: totals,
      all_swim_totals: none,
    },
  };
}

/** 401 as Strava words it. */
export const unauthorized = refusal(401, 'Authorization Error', {
  resource: 'Athlete',
  field: 'access_token',
  code: 'invalid',
});

/** 401 for a permission that was not given. */
export const missingPermission = refusal(401, 'Authorization Error', {
  resource: 'AccessToken',
  field: 'activity:read_permission',
  code: 'missing',
});

export const notFound = refusal(404, 'Record Not Found', {
  resource: 'resource',
  field: 'path',
  code: 'invalid',
});

export const overLimit = refusal(429, 'Rate Limit Exceeded', {
  resource: 'Application',
  field: 'rate limit',
  code: 'exceeded',
});
