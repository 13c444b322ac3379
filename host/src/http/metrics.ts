import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Metrics } from '../metrics.ts';
import type { AppParts } from './app-parts.ts';
import { templateOf } from './exchange.ts';
import { defineRoute, type Route } from './route.ts';
import { sendText } from './send.ts';

/** Counts every answer, and how long it took. Must come before what answers. */
export function countRequests({
  http,
}: Metrics): (request: IncomingMessage, response: ServerResponse) => void {
  return ({ method = '' }, response) => {
    const startedAt = performance.now();
    response.once('close', () => {
      const seconds = (performance.now() - startedAt) / 1000;
      // 499 as servers usually write it: nobody was there any more to be answered.
      const status = response.headersSent ? response.statusCode : 499;
      http.observe({ method: methodLabel(method), route: templateOf(response), status, seconds });
    });
  };
}

/** Anybody may send any word as a method; labels must stay few. */
function methodLabel(method: string): string {
  return /^(GET|HEAD|POST|DELETE|OPTIONS)$/.test(method) ? method : 'other';
}

/** What the host counts and measures. */
export function metricsRoutes({ metrics }: AppParts): readonly Route[] {
  return [
    defineRoute({
      method: 'get',
      path: '/metrics',
      summary: 'What the host counts and measures, for Prometheus',
      scope: 'read',
      answers: {
        200: { description: 'The text format of Prometheus', mediaType: 'text/plain' },
      },
      async handle({ response }) {
        const text = await metrics.text();
        sendText(response, 200, metrics.contentType, text);
        return undefined;
      },
    }),
  ];
}
