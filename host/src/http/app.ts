import { formatInstant } from '@on-the-way/sdk';
import express, { type Express } from 'express';
import { annotationRoutes } from './annotation.ts';
import { errorHandler, notFound } from './api-error.ts';
import type { AppParts, Stamp } from './app-parts.ts';
import { backfillRoutes } from './backfills.ts';
import { connectionVerbRoutes } from './connection-verbs.ts';
import { connectionRoutes } from './connections.ts';
import { coverageRoutes } from './coverage.ts';
import { datasetRoutes } from './datasets.ts';
import { deadLetterRoutes } from './dead-letters.ts';
import { eventRoutes } from './events.ts';
import { createGuard } from './guard.ts';
import { crossOrigin, safeHeaders } from './headers.ts';
import { healthRoutes } from './health.ts';
import { hostRoutes } from './hosts.ts';
import { createKeyRing } from './key-ring.ts';
import { countRequests, metricsRoutes } from './metrics.ts';
import { openApiRoute } from './openapi.ts';
import { pocRoutes } from './poc.ts';
import { rawEventRoutes } from './raw-events.ts';
import { ingestRefusals, ingestRoutes } from './ingest.ts';
import { nameRequest } from './request-id.ts';
import { resetRoutes } from './reset.ts';
import { routesOfRole } from './role-routes.ts';
import { routerOf, type Route } from './route.ts';
import { runRoutes } from './runs.ts';
import { expectSound } from './sound.ts';

// What a router of express would answer by itself to any other one says more than it should.
const servedMethods = ['GET', 'HEAD', 'POST', 'DELETE'];

/** Every path of the API, in the order of its description. */
function routesOf(parts: AppParts): readonly Route[] {
  const stamp: Stamp = (at) =>
    at === null || at === undefined ? null : formatInstant(Number(at), parts.config.timeZone);
  const routes = [
    ...ingestRoutes(parts),
    ...healthRoutes(parts, stamp),
    ...connectionRoutes(parts, stamp),
    ...connectionVerbRoutes(parts, stamp),
    ...hostRoutes(parts, stamp),
    ...backfillRoutes(parts, stamp),
    ...resetRoutes(parts),
    ...datasetRoutes(parts),
    ...coverageRoutes(parts),
    ...runRoutes(parts, stamp),
    ...rawEventRoutes(parts),
    ...eventRoutes(parts),
    ...metricsRoutes(parts),
    ...deadLetterRoutes(parts, stamp),
    ...pocRoutes(parts),
    ...annotationRoutes(parts),
  ];
  return [...routes, openApiRoute(routes)];
}

/** The HTTP API (docs/http.md). */
export function createApp(parts: AppParts): Express {
  const app = express();
  app.disable('x-powered-by');
  app.disable('etag');
  app.set('query parser', 'simple');
  const { config, log } = parts;
  const { http } = config;
  if (http.trustedProxies.length > 0) app.set('trust proxy', [...http.trustedProxies]);
  const keys = createKeyRing({ store: parts.apiKeys, apiKey: http.apiKey, clock: parts.clock, log });
  const { guard, admit } = createGuard({ http, keys, log });
  app.use(nameRequest, countRequests(parts.metrics), safeHeaders(http));
  if (http.corsOrigins.length > 0) app.use(crossOrigin(http));
  app.use(expectSound);
  const routes = routesOfRole(parts.config.role, routesOf(parts));
  // For tests that walk over all of them.
  app.locals['routes'] = routes;
  const router = routerOf(routes, guard);
  app.use((request, response, next) => {
    if (servedMethods.includes(request.method)) router(request, response, next);
    else next();
  });
  app.use(async (request, response, next) => {
    await admit(request, response);
    next();
  }, notFound);
  app.use(ingestRefusals(parts), errorHandler(parts.log));
  return app;
}
