import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { formatInstant } from '@on-the-way/sdk';
import express, { type Express, type NextFunction, type Request, type Response } from 'express';
import { annotationRoutes } from './annotation.ts';
import { errorAnswerer, notFound } from './api-error.ts';
import type { AppParts, Stamp } from './app-parts.ts';
import { backfillRoutes } from './backfills.ts';
import { connectionVerbRoutes } from './connection-verbs.ts';
import { connectionRoutes } from './connections.ts';
import { coverageRoutes } from './coverage.ts';
import { datasetRoutes } from './datasets.ts';
import { deadLetterRoutes } from './dead-letters.ts';
import { eventRoutes } from './events.ts';
import { beginExchange, requestIdOf } from './exchange.ts';
import { createGuard, type Doors } from './guard.ts';
import { crossOrigin, safeHeaders } from './headers.ts';
import { healthRoutes } from './health.ts';
import { hostRoutes } from './hosts.ts';
import { createKeyRing } from './key-ring.ts';
import { countRequests, metricsRoutes } from './metrics.ts';
import { openApiRoute } from './openapi.ts';
import { pocRoutes } from './poc.ts';
import { rawEventRoutes } from './raw-events.ts';
import { ingestRefusals, ingestRoutes } from './ingest.ts';
import { createProxies, type Trust } from './proxies.ts';
import { resetRoutes } from './reset.ts';
import { routesOfRole } from './role-routes.ts';
import type { Route } from './route.ts';
import { runRoutes } from './runs.ts';
import { directOf, routerOf } from './serve.ts';
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

/** What answers requests, and the routes it serves. */
export interface App extends RequestListener {
  /** For tests that walk over all of them. */
  readonly locals: { readonly routes: readonly Route[] };
}

type Refuse = (error: unknown, request: IncomingMessage, response: ServerResponse) => void;

/** Answers what was not answered, with the audit's line before it where there is to be one. */
function refuser(parts: AppParts): Refuse {
  const note = ingestRefusals(parts);
  const answer = errorAnswerer(parts.log);
  return (error, request, response) => {
    note(error, response)
      .finally(() => answer(error, request, response))
      .catch((failure: unknown) => {
        const why = failure instanceof Error ? failure.message : String(failure);
        parts.log.error({ request_id: requestIdOf(response), error: why }, 'request could not be refused');
        // Noted or not, an answer that was given stands.
        if (!response.writableEnded) response.destroy();
      });
  };
}

interface RouterParts {
  readonly routes: readonly Route[];
  readonly doors: Doors;
  readonly refuse: Refuse;
}

function expressOf(app: Express, { routes, doors, refuse }: RouterParts): Express {
  const router = routerOf(routes, doors.guard);
  app.use((request, response, next) => {
    if (servedMethods.includes(request.method)) router(request, response, next);
    else next();
  });
  app.use(async (request, response) => {
    await doors.admit(request, response);
    throw notFound(request, response);
  });
  // Express knows what takes errors by its four parameters.
  app.use((error: unknown, request: Request, response: Response, _next: NextFunction) => {
    refuse(error, request, response);
  });
  return app;
}

/** An app of express without what is not wanted of it. */
function bareExpress(trustedProxies: readonly string[]): Express {
  const app = express();
  app.disable('x-powered-by');
  app.disable('etag');
  app.set('query parser', 'simple');
  if (trustedProxies.length > 0) app.set('trust proxy', [...trustedProxies]);
  return app;
}

/** The HTTP API (docs/http.md). */
export function createApp(parts: AppParts): App {
  const { config, log } = parts;
  const { http } = config;
  const app = bareExpress(http.trustedProxies);
  const proxies = createProxies(app.get('trust proxy fn') as Trust);
  const keys = createKeyRing({ store: parts.apiKeys, apiKey: http.apiKey, clock: parts.clock, log });
  const doors = createGuard({ http, proxies, keys, log });
  const routes = routesOfRole(parts.config.role, routesOf(parts));
  const refuse = refuser(parts);
  const otherwise = expressOf(app, { routes, doors, refuse });
  const serve = directOf(routes, { guard: doors.guard, refuse, otherwise });
  const count = countRequests(parts.metrics);
  const protect = safeHeaders(http, proxies);
  const isPreflight = crossOrigin(http);
  const listener: RequestListener = (request, response) => {
    beginExchange(request, response);
    count(request, response);
    protect(request, response);
    if (isPreflight(request, response)) return;
    try {
      expectSound(request);
    } catch (error) {
      refuse(error, request, response);
      return;
    }
    serve(request, response);
  };
  return Object.assign(listener, { locals: { routes } });
}
