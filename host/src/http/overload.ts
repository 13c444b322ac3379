import type { RequestHandler } from 'express';
import { ApiError } from './api-error.ts';

/** When requests are refused so that the others are answered in time. */
export interface OverloadLimits {
  /** Requests in progress. */
  readonly requests: number;
  /** How late the event loop may be, twice in a row, in milliseconds. */
  readonly lateMs: number;
}

const presetLimits: OverloadLimits = { requests: 512, lateMs: 80 };
const lookEveryMs = 25;

/** How late the event loop was at the last two looks; the smaller one. Looks only while there are requests. */
function createLateness(): { readonly seen: () => number } {
  let timer: NodeJS.Timeout | undefined;
  let asked = false;
  let last = 0;
  let lateness = 0;
  const look = (dueAt: number): void => {
    const late = performance.now() - dueAt;
    lateness = Math.min(last, late);
    last = late;
    timer = asked ? start() : undefined;
    if (!timer) last = lateness = 0;
    asked = false;
  };
  const start = (): NodeJS.Timeout => setTimeout(look, lookEveryMs, performance.now() + lookEveryMs).unref();
  return {
    seen() {
      asked = true;
      timer ??= start();
      return lateness;
    },
  };
}

/**
 * Refuses what would only wait, before anything of it is read: 503 with Retry-After. `/v1/health/live` is always
 * answered, so that a host that is busy is not taken for one that is dead.
 */
export function shedLoad(limits: OverloadLimits = presetLimits): RequestHandler {
  const { seen } = createLateness();
  let inProgress = 0;
  return (request, response, next) => {
    if (request.path !== '/v1/health/live' && (inProgress >= limits.requests || seen() > limits.lateMs)) {
      throw new ApiError(503, 'OVERLOADED', 'Too much is asked of this host at once; try again shortly', 1);
    }
    inProgress += 1;
    response.once('close', () => (inProgress -= 1));
    next();
  };
}
