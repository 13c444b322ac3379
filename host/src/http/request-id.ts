import { randomUUID } from 'node:crypto';
import type { RequestHandler, Response } from 'express';

/** Gives each request its id, which refusals, log and audit share. */
export const nameRequest: RequestHandler = (_request, response, next) => {
  const id = randomUUID();
  response.locals['requestId'] = id;
  response.setHeader('X-Request-Id', id);
  next();
};

/** The id of the request being answered; a UUID. */
export function requestIdOf(response: Response): string {
  return String(response.locals['requestId']);
}
