import { formatInstant } from '@on-the-way/sdk';
import express, { type Express, type RequestHandler } from 'express';
import { ApiError, errorHandler, notFound } from './api-error.ts';
import type { AppParts, Stamp } from './app-parts.ts';
import { connectionRoutes } from './connections.ts';
import { healthRoutes } from './health.ts';
import { nameRequest } from './request-id.ts';
import { routerOf, type Route } from './route.ts';
import { runRoutes } from './runs.ts';

const localNames = /^(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d{1,5})?$/i;

/** A page of another site that a browser resolves to this machine must not read a person's data. */
const localHostOnly: RequestHandler = (request, _response, next) => {
  if (localNames.test(request.headers.host ?? '')) next();
  else
    next(
      new ApiError(
        421,
        'INVALID_ARGUMENT',
        'Expected the Host header to name this machine, such as 127.0.0.1:8000',
      ),
    );
};

const noStore: RequestHandler = (_request, response, next) => {
  response.set({ 'Cache-Control': 'no-store', 'X-Content-Type-Options': 'nosniff' });
  next();
};

/** Every path of the API, in the order of its description. */
export function routesOf(parts: AppParts): readonly Route[] {
  const stamp: Stamp = (at) =>
    at === null || at === undefined ? null : formatInstant(Number(at), parts.config.timeZone);
  return [...healthRoutes(parts, stamp), ...connectionRoutes(parts, stamp), ...runRoutes(parts, stamp)];
}

/** The HTTP API (docs/http.md). */
export function createApp(parts: AppParts): Express {
  const app = express();
  app.disable('x-powered-by');
  app.disable('etag');
  app.set('query parser', 'simple');
  app.use(nameRequest, noStore, localHostOnly);
  app.use(routerOf(routesOf(parts), async () => undefined));
  app.use(notFound);
  app.use(errorHandler(parts.log));
  return app;
}
