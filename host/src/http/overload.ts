import { randomUUID } from 'node:crypto';
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { turn } from './turns.ts';

const livePath = '/v1/health/live';
const mostInProgress = 512;

/** What says no, as cheaply as can be: no error is made and no line is logged for each. */
function refuse(response: ServerResponse): void {
  const id = randomUUID();
  const body = JSON.stringify({
    status: 'error',
    code: 'OVERLOADED',
    message: 'Too much is asked of this host at once; try again shortly',
    request_id: id,
  });
  response
    .writeHead(503, {
      'Content-Type': 'application/json; charset=utf-8',
      'Content-Length': Buffer.byteLength(body),
      'Cache-Control': 'no-store',
      'X-Content-Type-Options': 'nosniff',
      'Retry-After': '1',
      'X-Request-Id': id,
    })
    .end(body);
}

/** What is told of requests that were refused. */
export interface LoadOptions {
  /** Requests in progress past which others are refused. */
  readonly most?: number;
  /** Called for each that is refused. */
  readonly onRefused?: () => void;
}

/**
 * Takes requests in turns, so that none keeps the event loop from what is quick, and refuses what would only wait,
 * before anything of it is read: 503 with Retry-After. `/v1/health/live` is always answered at once, so that a host
 * that is busy is not taken for one that is dead.
 */
export function shedLoad(
  handler: RequestListener,
  { most = mostInProgress, onRefused }: LoadOptions = {},
): RequestListener {
  let inProgress = 0;
  const begin = (request: IncomingMessage, response: ServerResponse): void => {
    // Whoever went away meanwhile wants no answer.
    if (!response.destroyed) handler(request, response);
  };
  return (request, response) => {
    if (request.url === livePath) {
      handler(request, response);
      return;
    }
    if (inProgress >= most) {
      onRefused?.();
      refuse(response);
      return;
    }
    inProgress += 1;
    response.once('close', () => (inProgress -= 1));
    const wait = turn();
    if (wait) void wait.then(() => begin(request, response));
    else handler(request, response);
  };
}
