import { Router } from 'express';
import { z } from 'zod';
import type { ConnectionConfig } from '../config/host-config.ts';
import { ApiError } from './api-error.ts';
import type { AppParts, Stamp } from './app-parts.ts';
import { shownHealth } from './health.ts';
import { queryOf } from './query.ts';

const nothing = z.strictObject({});

async function shownConnection(parts: AppParts, connection: ConnectionConfig, stamp: Stamp) {
  const { name, plugin, timeZone, intervalSeconds, windowDays, backfillDays, sink } = connection;
  const [health] = await parts.connections.health([name]);
  const state = await parts.connections.state(name);
  const running = parts.scheduler.isRunning(name);
  return {
    name,
    plugin,
    simulated: parts.config.demo,
    state: running ? 'running' : 'waiting',
    next_run_at: stamp(parts.scheduler.nextRunAt(name)),
    not_before: stamp(state.notBefore),
    ...(health && shownHealth(health, stamp)),
    time_zone: timeZone,
    interval_seconds: intervalSeconds,
    window_days: windowDays,
    backfill_days: backfillDays,
    backfill_from: state.backfillFrom,
    sink,
  };
}

/** What is configured, and how each connection stands. */
export function connectionRoutes(parts: AppParts, stamp: Stamp): Router {
  const router = Router();
  const { connections } = parts.config;
  router.get('/', async (request, response) => {
    queryOf(request, nothing);
    const items = await Promise.all(
      connections.map((connection) => shownConnection(parts, connection, stamp)),
    );
    response.json({ status: 'ok', items });
  });
  router.get('/:name', async (request, response) => {
    queryOf(request, nothing);
    const connection = connections.find(({ name }) => name === request.params.name);
    if (!connection) {
      const names = connections.map(({ name }) => name).join(', ');
      throw new ApiError(404, 'NOT_FOUND', `Expected a connection that is configured (${names})`);
    }
    response.json({ status: 'ok', connection: await shownConnection(parts, connection, stamp) });
  });
  return router;
}
