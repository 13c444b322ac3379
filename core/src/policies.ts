import {
  BrokenCircuitError,
  bulkhead,
  circuitBreaker,
  ConsecutiveBreaker,
  ExponentialBackoff,
  handleWhen,
  retry,
  TaskCancelledError,
  timeout,
  TimeoutStrategy,
  wrap,
  type IBackoffFactory,
  type IPolicy,
  type IRetryBackoffContext,
} from 'cockatiel';
import { ConnectorError } from '@on-the-way/sdk';
import type { Reach } from './crash-points.ts';
import type { Bus } from './events.ts';
import type { Clock } from './ports.ts';
import { isBudgetSpent } from './request-meter.ts';

/** How a connection treats its source. */
export interface PolicySettings {
  /** Slices at once. Default 1: most sources mind more. */
  readonly concurrency: number;
  /** Tries for a slice, the first included. 1 or more. */
  readonly attempts: number;
  /** Delay before the second try, milliseconds; grows with jitter from there, at most 30 times that. */
  readonly firstRetryDelayMs: number;
  /** Longest a try may take, milliseconds. */
  readonly sliceTimeoutMs: number;
  /** Shortest time between the starts of two slices, milliseconds. */
  readonly minIntervalMs: number;
  /** Slices of a dataset that fail in a row before it is left alone for the rest of a minute. */
  readonly breakAfter: number;
}

/** What people get who set nothing. */
export const defaultPolicySettings: PolicySettings = {
  concurrency: 1,
  attempts: 3,
  firstRetryDelayMs: 1000,
  sliceTimeoutMs: 120_000,
  minIntervalMs: 0,
  breakAfter: 5,
};

/** A slice was not asked for because its dataset had just failed several times in a row. */
export class BreakerOpen extends Error {
  override readonly name = 'BreakerOpen';
  readonly code = 'breaker_open';
}

/** Runs a slice's work under the connection's policies. */
export interface Policies {
  /** `work` may be called several times; its signal is aborted on time-out and with `signal`. */
  execute<T>(dataset: string, signal: AbortSignal, work: (signal: AbortSignal) => Promise<T>): Promise<T>;
}

const halfOpenAfterMs = 60_000;

function isTransient(error: unknown): boolean {
  return ConnectorError.is(error) && error.code === 'transient';
}

// A longer pause is left to the next run: the other slices of this one do not wait for it.
const longestPauseMs = 30_000;

/** How long it is asked to wait before another try, in milliseconds. */
function pauseOf(error: unknown): number {
  return ConnectorError.is(error) ? (error.retryAfterMs ?? 0) : 0;
}

/** The same delays, but none before the pause is over that a failure asks for. */
function afterPauses(delays: IBackoffFactory<unknown>): IBackoffFactory<IRetryBackoffContext<unknown>> {
  return {
    next(context) {
      const delay = delays.next(context);
      const pause = 'error' in context.result ? pauseOf(context.result.error) : 0;
      return { ...afterPauses(delay), duration: Math.max(delay.duration, pause) };
    },
  };
}

// Answers about the data, or refusals of the whole account: neither says that the dataset is broken.
const notTheDataset: readonly string[] = [
  'not_supported',
  'out_of_range',
  'auth',
  'needs_user',
  'rate_limited',
];

/** A span of days was refused; they are asked for again in halves, so this refusal decides nothing yet. */
export class SpanRefused extends Error {
  override readonly name = 'SpanRefused';
}

/** Errors that say something about the dataset; an abort or a spent budget says nothing. */
function countsAgainstDataset(error: unknown): boolean {
  if (error instanceof DOMException && error.name === 'AbortError') return false;
  if (error instanceof SpanRefused || isBudgetSpent(error)) return false;
  return !(ConnectorError.is(error) && notTheDataset.includes(error.code));
}

/**
 * Makes a connection's policies for one run, outermost first:
 * bulkhead → pace → breaker (one a dataset) → retry → timeout.
 * The retry sees each time-out; the breaker counts a slice once, after its last try. It is one a
 * dataset since a dataset that always fails must not keep the others from being read.
 */
export function createPolicies(
  settings: PolicySettings,
  context: {
    readonly connection: string;
    readonly bus: Bus;
    readonly clock: Clock;
    readonly reach?: Reach | undefined;
  },
): Policies {
  const slots = bulkhead(settings.concurrency, Number.POSITIVE_INFINITY);
  const pace = createPace(settings.minIntervalMs, context.clock);
  const perDataset = new Map<string, IPolicy>();
  const policyOf = (dataset: string): IPolicy => {
    const known = perDataset.get(dataset);
    if (known) return known;
    const made = wrap(
      breakerOf(settings, dataset, context),
      retryOf(settings, dataset, context),
      timeout(settings.sliceTimeoutMs, TimeoutStrategy.Aggressive),
    );
    perDataset.set(dataset, made);
    return made;
  };
  return {
    execute: (dataset, signal, work) =>
      slots.execute(async () => {
        signal.throwIfAborted();
        await pace(signal);
        const running = policyOf(dataset).execute(async (attempt) => {
          // An abort during the back-off is noticed only here, so look before asking again.
          attempt.signal.throwIfAborted();
          return work(attempt.signal);
        }, signal);
        return abortable(running, signal).catch((error: unknown) => {
          throw translate(error, dataset, settings);
        });
      }),
  };
}

/** What cockatiel throws, in our words. */
function translate(error: unknown, dataset: string, settings: PolicySettings): unknown {
  if (error instanceof BrokenCircuitError) {
    return new BreakerOpen(
      `Not asked for: ${settings.breakAfter} slices of ${dataset} failed in a row; the next run asks again`,
      { cause: error },
    );
  }
  if (error instanceof TaskCancelledError) {
    const seconds = settings.sliceTimeoutMs / 1000;
    return new ConnectorError('transient', `Expected an answer within ${seconds} s, got none`, {
      cause: error,
    });
  }
  return error;
}

function retryOf(
  settings: PolicySettings,
  dataset: string,
  { connection, bus, reach }: { connection: string; bus: Bus; reach?: Reach | undefined },
): IPolicy {
  const policy = retry(
    handleWhen(
      (error) =>
        (isTransient(error) && pauseOf(error) <= longestPauseMs) || error instanceof TaskCancelledError,
    ),
    {
      maxAttempts: settings.attempts - 1,
      backoff: afterPauses(
        new ExponentialBackoff({
          initialDelay: settings.firstRetryDelayMs,
          maxDelay: settings.firstRetryDelayMs * 30,
        }),
      ),
    },
  );
  policy.onRetry((event) => {
    const message = 'error' in event && event.error instanceof Error ? event.error.message : '';
    bus.emit('slice:retry', { connection, dataset, attempt: event.attempt, delayMs: event.delay, message });
    reach?.('mid-backoff');
  });
  return policy;
}

function breakerOf(
  settings: PolicySettings,
  dataset: string,
  { connection, bus }: { connection: string; bus: Bus },
): IPolicy {
  const policy = circuitBreaker(handleWhen(countsAgainstDataset), {
    halfOpenAfter: halfOpenAfterMs,
    breaker: new ConsecutiveBreaker(settings.breakAfter),
  });
  policy.onBreak(() => bus.emit('breaker:opened', { connection, dataset }));
  policy.onReset(() => bus.emit('breaker:closed', { connection, dataset }));
  return policy;
}

/** Rejects as soon as the signal is aborted, whatever the promise does; its own failure is then nobody's. */
async function abortable<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  promise.catch(() => undefined);
  signal.throwIfAborted();
  const aborted = Promise.withResolvers<never>();
  const onAbort = () => aborted.reject(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await Promise.race([promise, aborted.promise]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

/** Spreads starts at least `minIntervalMs` apart, in the order they came. */
function createPace(minIntervalMs: number, clock: Clock): (signal: AbortSignal) => Promise<void> {
  let nextAt = 0;
  return async (signal) => {
    if (minIntervalMs <= 0) return;
    const now = clock.now();
    const waitMs = Math.max(0, nextAt - now);
    nextAt = Math.max(now, nextAt) + minIntervalMs;
    if (waitMs > 0) await abortable(new Promise((resolve) => setTimeout(resolve, waitMs)), signal);
  };
}
