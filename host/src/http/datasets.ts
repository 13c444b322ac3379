import { z } from 'zod';
import { datasetsOf } from '../seen-datasets.ts';
import type { AppParts } from './app-parts.ts';
import { connectionOf, connectionPath } from './connections.ts';
import { defineRoute, type Route } from './route.ts';
import { day, ok, timestamp } from './shapes.ts';

const datasetShape = z.strictObject({
  dataset: z.string(),
  granularity: z.enum(['day', 'range', 'snapshot', 'cursor']),
  span_days: z.int(),
  settle_days: z.int(),
  watched: z.boolean(),
  description: z.string(),
  last_outcome: z.enum(['ok', 'no_data', 'not_supported', 'failed']).nullable(),
  last_day: day.nullable(),
  last_asked_at: timestamp.nullable(),
  absent: z
    .strictObject({
      reason: z.string(),
      since: day.nullable(),
      asked_again_at: timestamp.nullable(),
    })
    .nullable(),
});

/** What can be read, and what was last seen of it. */
export function datasetRoutes(parts: AppParts): readonly Route[] {
  const { config, clock } = parts;
  return [
    defineRoute({
      method: 'get',
      path: '/v1/connections/{name}/datasets',
      summary: 'What can be read, and what was last seen of it',
      scope: 'read',
      params: connectionPath,
      answers: {
        200: {
          description: 'All of them; none before the connection has logged in once',
          schema: ok({
            connection: z.string(),
            simulated: z.boolean(),
            datasets: z.array(datasetShape),
          }),
        },
      },
      async handle({ params: { name } }) {
        const connection = connectionOf(parts, name);
        const { timeZone } = config;
        const datasets = await datasetsOf(parts, { connection, now: clock.now(), timeZone });
        return { body: { status: 'ok', connection: name, simulated: config.demo, datasets } };
      },
    }),
  ];
}
