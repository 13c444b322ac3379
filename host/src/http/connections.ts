import { z } from 'zod';
import type { ConnectionConfig } from '../config/host-config.ts';
import type { ConnectionState } from '../storage/connections.ts';
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
  host_id: z.uuid().nullable(),
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

/** Connections as the API shows them, in a handful of queries whatever their number. */
async function shownConnections(parts: AppParts, connections: readonly ConnectionConfig[], stamp: Stamp) {
  const names = connections.map(({ name }) => name);
  const [healths, states] = await Promise.all([
    parts.connections.health(names),
    parts.connections.states(names),
  ]);
  const health = new Map(healths.map((each) => [each.connection, each]));
  return connections.map((connection) => {
    const { name, plugin, timeZone, intervalSeconds, windowDays, backfillDays, sink } = connection;
    const known = health.get(name);
    return {
      name,
      plugin,
      simulated: parts.config.demo,
      ...shownState(states.get(name), stamp),
      open_breakers: [...parts.breakers.of(name)],
      ...(known && shownHealth(known, stamp)),
      time_zone: timeZone,
      interval_seconds: intervalSeconds,
      window_days: windowDays,
      backfill_days: backfillDays,
      sink,
    };
  });
}

/** What a connection is doing, on whichever host. */
export function shownState(state: ConnectionState | undefined, stamp: Stamp) {
  const running = typeof state?.hostId === 'string';
  const paused = state?.pausedAt instanceof Date;
  return {
    state: running ? 'running' : paused ? 'paused' : 'waiting',
    host_id: state?.hostId ?? null,
    paused_at: stamp(state?.pausedAt),
    next_run_at: paused || running ? null : stamp(state?.nextRunAt),
    not_before: stamp(state?.notBefore),
    backfill_from: state?.backfillFrom ?? null,
  };
}

/** One connection as the API shows it. */
export async function shownConnection(parts: AppParts, connection: ConnectionConfig, stamp: Stamp) {
  const [shown] = await shownConnections(parts, [connection], stamp);
  return shown;
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
        const items = await shownConnections(parts, parts.config.connections, stamp);
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
