import { ConnectorError, connectorErrorCodes, type ConnectorErrorCode } from '@on-the-way/sdk';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { createBus } from './events.ts';
import { failureOf } from './failure.ts';
import { BreakerOpen, createPolicies, defaultPolicySettings, type PolicySettings } from './policies.ts';

beforeEach(() => void vi.useFakeTimers({ now: Date.parse('2026-02-26T04:00:00Z') }));
afterEach(() => void vi.useRealTimers());

const never = new AbortController().signal;
const clock = { now: () => Date.now() };

function setUp(change: Partial<PolicySettings> = {}) {
  const bus = createBus();
  const events: unknown[] = [];
  bus.on('slice:retry', (event) => events.push({ retry: event }));
  bus.on('breaker:opened', ({ dataset }) => events.push({ opened: dataset }));
  bus.on('breaker:closed', ({ dataset }) => events.push({ closed: dataset }));
  const settings = { ...defaultPolicySettings, ...change };
  const policies = createPolicies(settings, { connection: 'mine', bus, clock });
  const execute = <T>(dataset: string, signal: AbortSignal, work: (signal: AbortSignal) => Promise<T>) =>
    policies.execute(dataset, signal, work);
  return { events, execute };
}

/** Work that fails as often as it is told and then answers. */
function failing(error: unknown, times = Number.POSITIVE_INFINITY) {
  let left = times;
  return vi.fn(async () => {
    left -= 1;
    if (left >= 0) throw error;
    return 'answer';
  });
}

const transient = new ConnectorError('transient', 'Expected an answer, got a reset');

/** Settled or not, and with what, after all timers that are due. */
async function endOf(promise: Promise<unknown>): Promise<unknown> {
  const ended = promise.then(
    (value) => ({ value }),
    (error: unknown) => ({ error }),
  );
  await vi.runAllTimersAsync();
  return ended;
}

describe('retry', () => {
  test('transient errors are tried again until one answers', async () => {
    const { execute, events } = setUp({ attempts: 3 });
    const work = failing(transient, 2);
    expect(await endOf(execute('sleep', never, work))).toEqual({ value: 'answer' });
    expect(work).toHaveBeenCalledTimes(3);
    expect(events).toMatchObject([
      { retry: { connection: 'mine', dataset: 'sleep', attempt: 1, message: transient.message } },
      { retry: { attempt: 2 } },
    ]);
  });

  test('a pause that a transient error asks for is kept before the next try', async () => {
    const { execute, events } = setUp({ attempts: 3 });
    const work = failing(new ConnectorError('transient', 'busy', { retryAfterMs: 20_000 }), 1);
    const before = Date.now();
    expect(await endOf(execute('sleep', never, work))).toEqual({ value: 'answer' });
    expect(Date.now() - before).toBeGreaterThanOrEqual(20_000);
    expect(events).toMatchObject([{ retry: { attempt: 1, delayMs: 20_000 } }]);
  });

  test('a pause of minutes is left to the next run', async () => {
    const { execute, events } = setUp({ attempts: 3 });
    const error = new ConnectorError('transient', 'busy', { retryAfterMs: 120_000 });
    const work = failing(error);
    expect(await endOf(execute('sleep', never, work))).toEqual({ error });
    expect(work).toHaveBeenCalledTimes(1);
    expect(events).toEqual([]);
  });

  test.each([1, 2, 5])('the last of %i tries decides', async (attempts) => {
    const { execute, events } = setUp({ attempts });
    const work = failing(transient);
    expect(await endOf(execute('sleep', never, work))).toEqual({ error: transient });
    expect(work).toHaveBeenCalledTimes(attempts);
    expect(events).toHaveLength(attempts - 1);
  });

  test.each<ConnectorErrorCode>(connectorErrorCodes.filter((code) => code !== 'transient'))(
    '%s is never tried again',
    async (code) => {
      const { execute } = setUp();
      const work = failing(new ConnectorError(code, 'no'));
      expect(await endOf(execute('sleep', never, work))).toMatchObject({ error: { code } });
      expect(work).toHaveBeenCalledTimes(1);
    },
  );

  test('errors that are no ConnectorError are never tried again', async () => {
    const { execute } = setUp();
    const work = failing(new TypeError('x is undefined'));
    expect(await endOf(execute('sleep', never, work))).toMatchObject({ error: expect.any(TypeError) });
    expect(work).toHaveBeenCalledTimes(1);
  });

  test('the second try waits, and no wait is longer than 30 times the first', async () => {
    const { execute, events } = setUp({ attempts: 12, firstRetryDelayMs: 100, breakAfter: 99 });
    const work = failing(transient);
    const running = endOf(execute('sleep', never, work));
    await running;
    const delays = events.map((event) => (event as { retry: { delayMs: number } }).retry.delayMs);
    expect(delays).toHaveLength(11);
    expect(Math.min(...delays)).toBeGreaterThan(0);
    expect(Math.max(...delays)).toBeLessThanOrEqual(3000);
    expect(Date.now() - Date.parse('2026-02-26T04:00:00Z')).toBeGreaterThanOrEqual(Math.max(...delays));
  });
});

describe('time-out', () => {
  test('work that does not answer is given up, tried again, and fails with words for people', async () => {
    const { execute } = setUp({ attempts: 2, sliceTimeoutMs: 30_000 });
    const work = vi.fn(() => new Promise<never>(() => undefined));
    const { error } = (await endOf(execute('sleep', never, work))) as { error: unknown };
    expect(failureOf(error)).toEqual({
      code: 'transient',
      message: 'Expected an answer within 30 s, got none',
    });
    expect(work).toHaveBeenCalledTimes(2);
  });

  test('work that stops when told is tried again as well', async () => {
    const { execute, events } = setUp({ attempts: 2, sliceTimeoutMs: 30_000 });
    const work = vi.fn(
      (signal: AbortSignal) =>
        new Promise<never>((_, reject) =>
          signal.addEventListener('abort', () => reject(signal.reason as Error)),
        ),
    );
    const { error } = (await endOf(execute('sleep', never, work))) as { error: unknown };
    expect(failureOf(error)).toEqual({
      code: 'transient',
      message: 'Expected an answer within 30 s, got none',
    });
    expect(work).toHaveBeenCalledTimes(2);
    expect(events).toHaveLength(1);
  });

  test('each try has a signal of its own, aborted when its time is up', async () => {
    const { execute } = setUp({ attempts: 2, sliceTimeoutMs: 1000 });
    const signals: AbortSignal[] = [];
    await endOf(
      execute('sleep', never, (signal) => {
        signals.push(signal);
        return signals.length === 1 ? new Promise<never>(() => undefined) : Promise.resolve(signal.aborted);
      }),
    );
    expect(signals).toHaveLength(2);
    expect(signals[0]).not.toBe(signals[1]);
    expect(signals[0]?.aborted).toBe(true);
  });

  test('work that is quick enough is left alone', async () => {
    const { execute } = setUp({ sliceTimeoutMs: 1000 });
    const work = vi.fn(async () => {
      await new Promise((resolve) => setTimeout(resolve, 999));
      return 'answer';
    });
    expect(await endOf(execute('sleep', never, work))).toEqual({ value: 'answer' });
    expect(work).toHaveBeenCalledTimes(1);
  });
});

describe('abort', () => {
  const reason = new Error('told to stop');

  test('between two tries rejects at once, not after the delay, and there is no further try', async () => {
    const { execute } = setUp({ firstRetryDelayMs: 60_000 });
    const controller = new AbortController();
    const work = failing(transient);
    const running = execute('sleep', controller.signal, work);
    const ended = expect(running).rejects.toBe(reason);
    await vi.advanceTimersByTimeAsync(0);
    expect(work).toHaveBeenCalledTimes(1);
    controller.abort(reason);
    // No timer is run: were the delay waited for, this would never settle.
    await ended;
    await vi.runAllTimersAsync();
    expect(work).toHaveBeenCalledTimes(1);
  });

  test('during work rejects at once, even if the work does not listen, and tells the work', async () => {
    const { execute } = setUp();
    const controller = new AbortController();
    const work = vi.fn((_signal: AbortSignal) => new Promise<never>(() => undefined));
    const ended = expect(execute('sleep', controller.signal, work)).rejects.toBe(reason);
    await vi.advanceTimersByTimeAsync(0);
    controller.abort(reason);
    await ended;
    expect(work.mock.calls[0]?.[0].aborted).toBe(true);
  });

  test('while waiting for its turn rejects without starting', async () => {
    const { execute } = setUp({ minIntervalMs: 60_000 });
    const controller = new AbortController();
    await execute('sleep', controller.signal, async () => 1);
    const work = vi.fn(async () => 2);
    const ended = expect(execute('sleep', controller.signal, work)).rejects.toBe(reason);
    await vi.advanceTimersByTimeAsync(0);
    controller.abort(reason);
    await ended;
    expect(work).not.toHaveBeenCalled();
  });

  test('before it began rejects without starting', async () => {
    const work = vi.fn(async () => 1);
    await expect(setUp().execute('sleep', AbortSignal.abort(reason), work)).rejects.toBe(reason);
    expect(work).not.toHaveBeenCalled();
  });
});

describe('breaker', () => {
  const broken = new ConnectorError('source', 'no');

  async function fail(execute: ReturnType<typeof setUp>['execute'], error: unknown, times: number) {
    for (let time = 0; time < times; time += 1) await endOf(execute('sleep', never, failing(error)));
  }

  test('a dataset that failed so often in a row is refused unasked, and others are not', async () => {
    const { execute, events } = setUp({ breakAfter: 3 });
    await fail(execute, broken, 3);
    const work = failing(broken);
    const { error } = (await endOf(execute('sleep', never, work))) as { error: unknown };
    expect(error).toBeInstanceOf(BreakerOpen);
    expect(failureOf(error)).toEqual({
      code: 'breaker_open',
      message: 'Not asked for: 3 slices of sleep failed in a row; the next run asks again',
    });
    expect(work).not.toHaveBeenCalled();
    expect(events).toEqual([{ opened: 'sleep' }]);
    expect(await endOf(execute('stress', never, failing(broken, 0)))).toEqual({ value: 'answer' });
  });

  test('tries of one slice count as one failure', async () => {
    const { execute, events } = setUp({ breakAfter: 2, attempts: 5, firstRetryDelayMs: 1 });
    await fail(execute, transient, 1);
    expect(events).not.toContainEqual({ opened: 'sleep' });
    await fail(execute, transient, 1);
    expect(events).toContainEqual({ opened: 'sleep' });
  });

  test('an answer in between begins the count anew', async () => {
    const { execute, events } = setUp({ breakAfter: 2 });
    for (let time = 0; time < 4; time += 1) {
      await fail(execute, broken, 1);
      await endOf(execute('sleep', never, failing(broken, 0)));
    }
    expect(events).toEqual([]);
  });

  test.each<ConnectorErrorCode>(['not_supported', 'out_of_range', 'auth', 'needs_user', 'rate_limited'])(
    '%s says nothing about the dataset and is not counted',
    async (code) => {
      const { execute, events } = setUp({ breakAfter: 1 });
      await fail(execute, new ConnectorError(code, 'no'), 3);
      expect(events).toEqual([]);
    },
  );

  test('a plugin’s mistakes are counted', async () => {
    const { execute, events } = setUp({ breakAfter: 1 });
    await fail(execute, new TypeError('x is undefined'), 1);
    expect(events).toEqual([{ opened: 'sleep' }]);
  });

  test('after a minute the dataset is asked again, and an answer lets the rest through', async () => {
    const { execute, events } = setUp({ breakAfter: 1 });
    await fail(execute, broken, 1);
    await vi.advanceTimersByTimeAsync(59_000);
    expect(await endOf(execute('sleep', never, failing(broken, 0)))).toMatchObject({
      error: expect.any(BreakerOpen),
    });
    await vi.advanceTimersByTimeAsync(1000);
    expect(await endOf(execute('sleep', never, failing(broken, 0)))).toEqual({ value: 'answer' });
    expect(events).toEqual([{ opened: 'sleep' }, { closed: 'sleep' }]);
  });
});

describe('at once and apart', () => {
  test.each([1, 3])('no more than %i slices are at work at once', async (concurrency) => {
    const { execute } = setUp({ concurrency });
    let atWork = 0;
    let most = 0;
    const work = async () => {
      atWork += 1;
      most = Math.max(most, atWork);
      await new Promise((resolve) => setTimeout(resolve, 10));
      atWork -= 1;
    };
    await endOf(Promise.all(Array.from({ length: 8 }, () => execute('sleep', never, work))));
    expect(most).toBe(concurrency);
  });

  test('slices start at least so long after each other, in the order they came', async () => {
    const { execute } = setUp({ concurrency: 4, minIntervalMs: 500 });
    const began = Date.now();
    const starts: string[] = [];
    const start = (name: string) =>
      execute(name, never, async () => starts.push(`${name} ${Date.now() - began}`));
    await endOf(Promise.all(['a', 'b', 'c', 'd'].map(start)));
    expect(starts).toEqual(['a 0', 'b 500', 'c 1000', 'd 1500']);
  });

  test('a pause counts: after it nothing waits', async () => {
    const { execute } = setUp({ minIntervalMs: 500 });
    await execute('a', never, async () => 1);
    await vi.advanceTimersByTimeAsync(800);
    // No timer is run: would it wait, this would never settle.
    await expect(execute('b', never, async () => 'at once')).resolves.toBe('at once');
  });
});
