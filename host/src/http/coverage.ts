import { addDays, dayAt, type Window } from '@on-the-way/sdk';
import { z } from 'zod';
import type { ConnectionConfig } from '../config/host-config.ts';
import { revisionsJson, revisionsOf } from '../revisions.ts';
import { cellJson, coverageOf, firstDayKnown, missingOf } from '../coverage.ts';
import { ApiError } from './api-error.ts';
import type { AppParts } from './app-parts.ts';
import { connectionOf, connectionPath } from './connections.ts';
import { defineRoute, type Route } from './route.ts';
import { day, expectOrder, ok, timestamp } from './shapes.ts';

const mostDays = 3660;
const states = ['ok', 'no_data', 'not_supported', 'failed', 'gap', 'none'] as const;

const cell = z.strictObject({
  day,
  state: z.enum(states),
  revisions: z.int(),
  attempts: z.int(),
  error: z.strictObject({ code: z.string(), message: z.string().nullable() }).nullable(),
  note: z.string().nullable(),
});

const answer = ok({
  connection: z.string(),
  simulated: z.boolean(),
  from: day,
  to: day,
  datasets: z.array(z.strictObject({ dataset: z.string(), cells: z.array(cell) })).optional(),
  gaps: z.array(z.strictObject({ dataset: z.string(), ...cell.shape })),
  totals: z.strictObject({
    ok: z.int(),
    no_data: z.int(),
    not_supported: z.int(),
    failed: z.int(),
    gap: z.int(),
    none: z.int(),
    revisions: z.int(),
  }),
});

const count = z.int();

const revisionsAnswer = ok({
  connection: z.string(),
  simulated: z.boolean(),
  from: day,
  to: day,
  days: z.array(
    z.strictObject({
      dataset: z.string(),
      day,
      revisions: count,
      first_read_at: timestamp,
      changed_at: timestamp,
      days_late: count,
    }),
  ),
  datasets: z.array(
    z.strictObject({
      dataset: z.string(),
      days: count,
      changed: count,
      median_days_late: count.nullable(),
      p95_days_late: count.nullable(),
      most_days_late: count.nullable(),
    }),
  ),
});

/** Days from the first to the last, both wanted, as a window. Refuses the wrong order, and more than `most`. */
export function windowOfDays(from: string, to: string, most: number): Window {
  expectOrder(from, to);
  const latest = addDays(from, most - 1);
  if (to <= latest) return { from, to: addDays(to, 1) };
  const message = `to: expected at most ${most} days, so a day up to ${latest}, found ${to}`;
  throw new ApiError(422, 'INVALID_ARGUMENT', message);
}

/** The days asked for; without a first day all that can be missing or have changed, or with `wantedOnly` those wanted. */
async function windowOf(
  parts: AppParts,
  { name, timeZone }: ConnectionConfig,
  wanted: {
    readonly from?: string | undefined;
    readonly to?: string | undefined;
    readonly wantedOnly?: boolean;
  },
): Promise<Window> {
  const today = dayAt(parts.clock.now(), timeZone);
  const to = wanted.to ?? today;
  if (wanted.from !== undefined) return windowOfDays(wanted.from, to, mostDays);
  const first =
    wanted.wantedOnly === true
      ? ((await parts.connections.state(name)).backfillFrom ?? today)
      : await firstDayKnown(parts, name, today);
  const earliest = addDays(to, 1 - mostDays);
  const from = first > to ? to : first;
  return windowOfDays(from < earliest ? earliest : from, to, mostDays);
}

function revisionsRoute(parts: AppParts): Route {
  return defineRoute({
    method: 'get',
    path: '/v1/connections/{name}/revisions',
    summary: 'Which days the source changed after they were first read, how often, and how late',
    scope: 'read',
    params: connectionPath,
    query: z.strictObject({ from: day.optional(), to: day.optional() }),
    answers: { 200: { description: 'The days, and what they say of each dataset', schema: revisionsAnswer } },
    async handle({ params: { name }, query }) {
      const window = await windowOf(parts, connectionOf(parts, name), query);
      const revisions = await revisionsOf(parts.ledger, name, window);
      const { timeZone, demo: simulated } = parts.config;
      return { body: { status: 'ok', simulated, ...revisionsJson(revisions, timeZone) } };
    },
  });
}

/** The ledger as a grid, and what in it changed after the fact. */
export function coverageRoutes(parts: AppParts): readonly Route[] {
  return [
    revisionsRoute(parts),
    defineRoute({
      method: 'get',
      path: '/v1/connections/{name}/coverage',
      summary: 'What became of each day of each dataset, and what is missing',
      scope: 'read',
      params: connectionPath,
      query: z.strictObject({
        from: day.optional(),
        to: day.optional(),
        gaps: z.enum(['true', 'false'], 'expected true or false').default('false'),
      }),
      answers: {
        200: { description: 'The grid, unless only gaps were wanted, and the gaps', schema: answer },
      },
      async handle({ params: { name }, query }) {
        const connection = connectionOf(parts, name);
        const window = await windowOf(parts, connection, { ...query, wantedOnly: query.gaps === 'false' });
        const { timeZone } = connection;
        const now = parts.clock.now();
        const coverage = await coverageOf(parts, { connection: name, timeZone, now, window });
        const grid = coverage.datasets.map(({ dataset, cells }) => ({ dataset, cells: cells.map(cellJson) }));
        const gaps = missingOf(coverage).map(({ dataset, ...missing }) => ({
          dataset,
          ...cellJson(missing),
        }));
        return {
          body: {
            status: 'ok',
            connection: name,
            simulated: parts.config.demo,
            from: window.from,
            to: addDays(window.to, -1),
            ...(query.gaps === 'false' && { datasets: grid }),
            gaps,
            totals: coverage.totals,
          },
        };
      },
    }),
  ];
}
