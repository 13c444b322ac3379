import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { Router } from 'express';
import { setTemplate } from './exchange.ts';
import { answerOf, type Addressed, type Route, type Scope } from './route.ts';
import { sendJson } from './send.ts';

/** Lets a request pass or throws, before anything of it is looked at. */
type Guard = (request: IncomingMessage, response: ServerResponse, scope: Scope) => Promise<void>;

async function serve(route: Route, guard: Guard, asked: Addressed): Promise<void> {
  const { request, response } = asked;
  setTemplate(response, route.path);
  await guard(request, response, route.scope);
  const answer = await answerOf(route, asked);
  if (answer) sendJson(response, answer.status ?? 200, answer.body);
}

const noQuery = {};

/** Serves the routes through express. */
export function routerOf(routes: readonly Route[], guard: Guard): Router {
  const router = Router({ caseSensitive: true, strict: true });
  for (const route of routes) {
    const path = route.path.replaceAll(/\{(\w+)\}/g, ':$1');
    router[route.method](path, async (request, response) => {
      // Each look at it parses the address anew.
      const query = request.url.includes('?') ? request.query : noQuery;
      await serve(route, guard, { request, response, params: request.params, query });
    });
  }
  return router;
}

/** What a direct route's address looks like when it is plain: no query, and parts that mean what they are. */
function patternOf({ path }: Route): RegExp {
  return new RegExp(`^${path.replaceAll(/\{(\w+)\}/g, '(?<$1>[\\w-]+)')}$`);
}

/** What is done about a request that is not answered. */
type Refuse = (error: unknown, request: IncomingMessage, response: ServerResponse) => void;

/**
 * Serves those of the routes that are direct, by the same rules as {@link routerOf}, and leaves all else to `otherwise`:
 * other methods, and addresses that have to be decoded first.
 */
export function directOf(
  routes: readonly Route[],
  { guard, refuse, otherwise }: { guard: Guard; refuse: Refuse; otherwise: RequestListener },
): RequestListener {
  const direct = routes
    .filter(({ isDirect }) => isDirect)
    .map((route) => ({ route, method: route.method.toUpperCase(), pattern: patternOf(route) }));
  return (request, response) => {
    for (const { route, method, pattern } of direct) {
      const found = request.method === method ? pattern.exec(request.url ?? '') : null;
      if (!found) continue;
      const asked = { request, response, params: { ...found.groups }, query: noQuery };
      serve(route, guard, asked).catch((error: unknown) => refuse(error, request, response));
      return;
    }
    otherwise(request, response);
  };
}
