import { MemoryStore } from 'express-rate-limit';
import { ApiError } from './api-error.ts';

/** How often something may happen in a minute, counted for each client by itself. */
export interface MinuteLimit {
  /** Counts one more. @throws ApiError 429 when that is one too many. */
  take(client: string): Promise<void>;
}

const windowMs = 60_000;

function refusal(what: string, resetTime: Date | undefined): ApiError {
  const waitMs = resetTime ? resetTime.getTime() - Date.now() : windowMs;
  const message = `Expected fewer ${what} in a minute; Retry-After says when to go on`;
  return new ApiError(429, 'RATE_LIMITED', message, Math.max(1, Math.ceil(waitMs / 1000)));
}

/** `most` times a minute; `what` names it in the refusal, such as "ingest requests". */
export function createMinuteLimit(what: string, most: number): MinuteLimit {
  const store = new MemoryStore();
  // Of the options of the middleware, which this stands beside, the store reads the window alone.
  store.init({ windowMs } as Parameters<MemoryStore['init']>[0]);
  return {
    async take(client) {
      const { totalHits, resetTime } = await store.increment(client);
      if (totalHits > most) throw refusal(what, resetTime);
    },
  };
}
