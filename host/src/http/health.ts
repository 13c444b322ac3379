import { z } from 'zod';
import type { ConnectionHealth } from '../storage/connections.ts';
import type { AppParts, Stamp } from './app-parts.ts';
import { limitLines } from '../limit-lines.ts';
import { isMigrated } from '../storage/migrate.ts';
import { ApiError } from './api-error.ts';
import { defineRoute, type Route } from './route.ts';
import { ok, timestamp } from './shapes.ts';

/** `error` wins, since one broken connection must not hide behind others that work. */
function worst(all: readonly ConnectionHealth[]): ConnectionHealth['lastStatus'] {
  if (all.some(({ lastStatus }) => lastStatus === 'error')) return 'error';
  return all.some(({ lastStatus }) => lastStatus === 'ok') ? 'ok' : 'never';
}

function newest(all: readonly ConnectionHealth[]): number | null {
  const times = all.flatMap(({ lastRunAt }) => (lastRunAt ? [lastRunAt.getTime()] : []));
  return times.length > 0 ? Math.max(...times) : null;
}

function sum(all: readonly ConnectionHealth[], key: 'successCount' | 'failureCount'): number {
  return all.reduce((total, health) => total + health[key], 0);
}

/** Members of a connection's health in an answer. */
export const healthShape = {
  last_run_at: timestamp.nullable(),
  last_status: z.enum(['never', 'ok', 'error']),
  success_count: z.int(),
  failure_count: z.int(),
};

/** Why the last run did not go well, in an answer. */
export const failureShape = z.strictObject({ code: z.string(), message: z.string().nullable() }).nullable();

/** One connection's health as the API shows it. */
export function shownHealth(health: ConnectionHealth, stamp: Stamp) {
  const { lastErrorCode: code, lastErrorMessage: message } = health;
  return {
    last_run_at: stamp(health.lastRunAt),
    last_status: health.lastStatus,
    success_count: health.successCount,
    failure_count: health.failureCount,
    last_error: code === null ? null : { code, message },
  };
}

const alive = ok({ service: z.literal('api-service'), time: timestamp });

function connectorRoute({ config, connections }: AppParts, stamp: Stamp): Route {
  const names = config.connections.map(({ name }) => name);
  return defineRoute({
    method: 'get',
    path: '/v1/health/connector',
    summary: 'How the last runs went, over all connections and for each',
    scope: 'read',
    answers: {
      200: {
        description: 'Newest run, worst status, summed counts',
        schema: ok({
          ...healthShape,
          connections: z.array(
            z.strictObject({
              name: z.string(),
              simulated: z.boolean(),
              ...healthShape,
              last_error: failureShape,
            }),
          ),
        }),
      },
    },
    async handle() {
      const all = await connections.health(names);
      const items = all.map((health) => ({
        name: health.connection,
        simulated: config.demo,
        ...shownHealth(health, stamp),
      }));
      return {
        body: {
          status: 'ok',
          last_run_at: stamp(newest(all)),
          last_status: worst(all),
          success_count: sum(all, 'successCount'),
          failure_count: sum(all, 'failureCount'),
          connections: items,
        },
      };
    },
  });
}

// Whoever asks gives up after a few seconds; a black-holed database would answer after many.
const readyWithinMs = 3000;

/** Refuses while the database is away, slow, without room, or not of this version. */
async function expectReady(
  { database, freeSpace, log }: AppParts,
  line: () => number | undefined,
): Promise<void> {
  freeSpace.check();
  const late = Promise.withResolvers<boolean>();
  const timer = setTimeout(() => late.reject(new Error('no answer in time')), readyWithinMs);
  const found = await Promise.race([isMigrated(database), late.promise])
    .catch((error: unknown) => {
      const leftOut = line();
      if (leftOut === undefined) return undefined;
      const why = error instanceof Error ? error.message : String(error);
      log.warn({ error: why, ...(leftOut > 0 && { left_out: leftOut }) }, 'not ready');
      return undefined;
    })
    .finally(() => clearTimeout(timer));
  if (found === true) return;
  const message =
    found === false
      ? 'The database is not of this version yet: start the host once, which brings it there'
      : 'The database is not reachable; try again shortly';
  throw new ApiError(503, 'DEPENDENCY_UNAVAILABLE', message, 5);
}

/** live: the process answers. ready: the database does too. connector: how the last runs went. */
export function healthRoutes(parts: AppParts, stamp: Stamp): readonly Route[] {
  const { clock } = parts;
  const notReadyLine = limitLines();
  const now = () => ({ body: { status: 'ok', service: 'api-service', time: stamp(clock.now()) } });
  return [
    defineRoute({
      method: 'get',
      path: '/v1/health/live',
      summary: 'The process answers',
      scope: 'open',
      answers: { 200: { description: 'It does', schema: alive } },
      handle: now,
    }),
    defineRoute({
      method: 'get',
      path: '/v1/health/ready',
      summary: 'The database answers, and is of this version',
      scope: 'read',
      answers: { 200: { description: 'It does', schema: alive } },
      async handle() {
        await expectReady(parts, notReadyLine);
        return now();
      },
    }),
    connectorRoute(parts, stamp),
  ];
}
