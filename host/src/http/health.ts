import { Router } from 'express';
import { z } from 'zod';
import type { ConnectionHealth } from '../storage/connections.ts';
import type { AppParts, Stamp } from './app-parts.ts';
import { queryOf } from './query.ts';

const nothing = z.strictObject({});

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

/** live: the process answers. ready: the database does too. connector: how the last runs went. */
export function healthRoutes({ config, clock, database, connections }: AppParts, stamp: Stamp): Router {
  const router = Router();
  const names = config.connections.map(({ name }) => name);
  router.get('/live', (request, response) => {
    queryOf(request, nothing);
    response.json({ status: 'ok', service: 'api-service', time: stamp(clock.now()) });
  });
  router.get('/ready', async (request, response) => {
    queryOf(request, nothing);
    await database.raw('select 1');
    response.json({ status: 'ok', service: 'api-service', time: stamp(clock.now()) });
  });
  router.get('/connector', async (request, response) => {
    queryOf(request, nothing);
    const all = await connections.health(names);
    response.json({
      status: 'ok',
      last_run_at: stamp(newest(all)),
      last_status: worst(all),
      success_count: sum(all, 'successCount'),
      failure_count: sum(all, 'failureCount'),
      connections: all.map((health) => ({
        name: health.connection,
        simulated: config.demo,
        ...shownHealth(health, stamp),
      })),
    });
  });
  return router;
}
