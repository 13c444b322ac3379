import { z } from 'zod';
import type { ConnectionConfig } from '../config/host-config.ts';
import { ApiError } from './api-error.ts';
import type { AppParts, Stamp } from './app-parts.ts';
import { failureShape, healthShape, shownHealth } from './health.ts';
import { defineRoute, type Route } from './route.ts';
import { connectionName, day, ok, timestamp } from './shapes.ts';

/** A connection in an answer. */
export const connectionShape = z.strictObject({
  name: z.string(),
  plugin: z.string(),
  simulated: z.boolean(),
  state: z.enum(['waiting', 'running', 'paused']),
  paused_at: timestamp.nullable(),
  next_run_at: timestamp.nullable(),
  not_before: timestamp.nullable(),
  open_breakers: z.array(z.string()),
  ...healthShape,
  last_error: failureShape,
  time_zone: z.string(),
  interval_seconds: z.int(),
  window_days: z.int(),
  backfill_days: z.int(),
  backfill_from: day.nullable(),
  sink: z.string(),
});

/** A connection as the API shows it. */
export async function shownConnection(parts: AppParts, connection: ConnectionConfig, stamp: Stamp) {
  const { name, plugin, timeZone, intervalSeconds, windowDays, backfillDays, sink } = connection;
  const [health] = await parts.connections.health([name]);
  const state = await parts.connections.state(name);
  const running = parts.scheduler.isRunning(name);
  const paused = state.pausedAt !== null;
  return {
    name,
    plugin,
    simulated: parts.config.demo,
    state: running ? 'running' : paused ? 'paused' : 'waiting',
    paused_at: stamp(state.pausedAt),
    next_run_at: paused ? null : stamp(parts.scheduler.nextRunAt(name)),
    not_before: stamp(state.notBefore),
    open_breakers: [...parts.breakers.of(name)],
    ...(health && shownHealth(health, stamp)),
    time_zone: timeZone,
    interval_seconds: intervalSeconds,
    window_days: windowDays,
    backfill_days: backfillDays,
    backfill_from: state.backfillFrom,
    sink,
  };
}

/** The connection a path names. */
export function connectionOf({ config: { connections } }: AppParts, name: string): ConnectionConfig {
  const found = connections.find((connection) => connection.name === name);
  if (found) return found;
  const names = connections.map((connection) => connection.name).join(', ');
  throw new ApiError(404, 'NOT_FOUND', `Expected a connection that is configured (${names})`);
}

/** Path parameters of everything below a connection. */
export const connectionPath = z.strictObject({ name: connectionName });

/** What is configured, and how each connection stands. */
export function connectionRoutes(parts: AppParts, stamp: Stamp): readonly Route[] {
  return [
    defineRoute({
      method: 'get',
      path: '/v1/connections',
      summary: 'What is configured, and how each connection stands',
      scope: 'read',
      answers: {
        200: { description: 'All of them', schema: ok({ items: z.array(connectionShape) }) },
      },
      async handle() {
        const all = parts.config.connections;
        const items = await Promise.all(all.map((connection) => shownConnection(parts, connection, stamp)));
        return { body: { status: 'ok', items } };
      },
    }),
    defineRoute({
      method: 'get',
      path: '/v1/connections/{name}',
      summary: 'One connection',
      scope: 'read',
      params: connectionPath,
      answers: {
        200: { description: 'The connection', schema: ok({ connection: connectionShape }) },
      },
      async handle({ params: { name } }) {
        const connection = await shownConnection(parts, connectionOf(parts, name), stamp);
        return { body: { status: 'ok', connection } };
      },
    }),
  ];
}
